package server

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
)

// A fakeListener has a connection or an error for whoever takes it.
type fakeListener struct {
	net.Listener
	next   chan error // nil: a connection
	closed chan struct{}
}

func newFakeListener() *fakeListener {
	return &fakeListener{next: make(chan error, 10), closed: make(chan struct{})}
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.next:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error {
	close(l.closed)
	return nil
}

// logTo is a logger, and what it writes.
func logTo() (*logrus.Logger, *bytes.Buffer) {
	var out bytes.Buffer
	log := logrus.New()
	log.SetOutput(&out)
	return log, &out
}

func TestAcceptPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeListener()
		log, out := logTo()
		var short atomic.Bool
		var paused atomic.Uint64
		l := newPausingListener(fake, short.Load, &paused, log)
		accepted := make(chan error)
		go func() { // ends with Close
			defer close(accepted)
			for {
				_, err := l.Accept()
				accepted <- err
				if err != nil {
					return
				}
			}
		}()

		fake.next <- nil
		if err := <-accepted; err != nil {
			t.Errorf("Accept() = %v with room, want nil", err)
		}
		synctest.Wait() // it waits for the next one
		for range 10 {
			short.Store(true)
			fake.next <- nil // comes to the Accept that waits already
			fake.next <- nil // has to wait
			<-accepted
			select {
			case err := <-accepted:
				t.Fatalf("Accept() = %v without room, want it to wait", err)
			case <-time.After(3 * time.Second):
			}
			short.Store(false)
			start := time.Now()
			if err := <-accepted; err != nil || time.Since(start) > acceptPause {
				t.Errorf("Accept() = %v, %v after there was room, want nil within %v", err, time.Since(start), acceptPause)
			}
			synctest.Wait()
		}
		if n := paused.Load(); n != 10 {
			t.Errorf("%d pauses were counted, want 10", n)
		}
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Errorf("the log has %d lines for 30 s, want 1:\n%s", n, out)
		}

		short.Store(true)
		fake.next <- nil
		<-accepted
		synctest.Wait() // it pauses
		_ = l.Close()
		if err := <-accepted; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept() after Close = %v, want ErrClosed", err)
		}
	})
}

func TestWebLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, out := logTo()
		log.SetFormatter(&logrus.TextFormatter{DisableTimestamp: true, DisableColors: true})
		web := newWebLog(log, newHasher(nil))
		for range 100 {
			web.Print("http: TLS\nhandshake error")
		}
		time.Sleep(time.Second)
		web.Print("http: panic serving")
		want := `level=warning msg="http: TLS\nhandshake error" by=net/http
level=error msg="http: panic serving" by=net/http dropped=99
`
		if out.String() != want {
			t.Errorf("the log is\n%swant\n%s", out, want)
		}
	})
}
