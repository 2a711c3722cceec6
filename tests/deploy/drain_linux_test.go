package deploy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	client "github.com/sb-stream/stream-server/client-go"
)

// drainTime is how long the drain of TestDrain takes.
func drainTime(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("DRAIN")
	if text == "" {
		return 3 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func clientCount(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CLIENTS")
	if text == "" {
		return 200
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A listener hears one channel until it is let go.
type listener struct {
	conn   *client.Conn
	last   string    // the data of the last message; constant once it has gone
	closed time.Time // likewise
}

// connect opens n clients that hear the channel feed, and follows each until its
// connection ends.
func connect(t *testing.T, p *process, n int) (list []*listener, all *sync.WaitGroup) {
	t.Helper()
	all = &sync.WaitGroup{}
	for range n {
		conn, err := client.Dial(t.Context(), p.url(), client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := conn.Call(t.Context(), "subscribe", "feed"); err != nil {
			t.Fatal(err)
		}
		l := &listener{conn: conn}
		list = append(list, l)
		all.Go(func() { // ends with the connection
			for {
				e, err := conn.Next(context.Background())
				if errors.Is(err, client.ErrClosed) {
					l.closed = time.Now()
					return
				}
				if e.Name == "feed" {
					l.last = string(e.Args[0])
				}
			}
		})
	}
	return list, all
}

// TestDrain (RELIABILITY.md F7): on SIGTERM the server is not ready before
// anybody is let go, lets its clients go at an even pace, with messages still
// reaching the others, and is gone in time.
func TestDrain(t *testing.T) {
	over, n := drainTime(t), clientCount(t)
	p := start(t, "--drain="+over.String())
	list, all := connect(t, p, n)
	young, err := net.Dial("tcp", p.address) // without a byte: it delays nothing
	if err != nil {
		t.Fatal(err)
	}
	defer young.Close()

	publishing, stop := context.WithCancel(t.Context())
	published := make(chan []time.Time, 1)
	go func() { // ends with publishing, or with the broker
		published <- publish(publishing, p.broker, "sb:feed")
	}()
	told := time.Now()
	p.signal(syscall.SIGTERM)
	eventually(t, "a client is let go", func() bool { return p.said("draining") })
	if status, body := p.get("/readyz"); status != http.StatusServiceUnavailable || body != `{"ready":false,"reason":"draining"}` {
		t.Errorf("/readyz in the drain = %d %s, want 503 and that it drains", status, body)
	}
	if status, _ := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz in the drain = %d, want 200", status)
	}
	late, err := client.Dial(t.Context(), p.url(), client.Options{}) // who comes at first is let in
	if err != nil {
		t.Fatalf("a client that came early in the drain: %v", err)
	}
	defer late.Close()
	<-time.After(time.Until(told.Add(over/2 + over/10)))
	if status, _ := p.get("/socket.io/?EIO=4&transport=polling"); status != http.StatusServiceUnavailable {
		t.Errorf("a handshake late in the drain was answered %d, want 503", status)
	}
	all.Wait()
	stop()
	if code := p.wait(over + 5*time.Second - time.Since(told)); code != 0 {
		t.Errorf("it ended with %d, want 0", code)
	}
	t.Logf("%d clients over %v; it had ended after %v", n, over, time.Since(told).Round(time.Millisecond))
	sent := <-published
	if len(sent) < 10 {
		t.Errorf("%d messages were published in the drain, want more", len(sent))
	}
	checkPace(t, list, told, over)
	for _, l := range list {
		n, err := strconv.Atoi(l.last)
		if err != nil {
			n = -1
		}
		const slack = time.Second // for a message to arrive
		if n++; n < len(sent) && l.closed.Sub(sent[n]) > slack {
			t.Errorf("a client that was let go after %v did not hear message %d, published after %v", l.closed.Sub(told), n, sent[n].Sub(told))
		}
	}
}

// checkPace checks that all went within the time, and in no second more than
// twice the even number.
func checkPace(t *testing.T, list []*listener, told time.Time, over time.Duration) {
	t.Helper()
	window := min(time.Second, over/3)
	even := float64(len(list)+1) * window.Seconds() / over.Seconds()
	most := 0
	for _, l := range list {
		at := l.closed.Sub(told)
		if at > over+window/2 {
			t.Errorf("a client was let go after %v, want at most %v", at, over)
		}
		in := 0
		for _, other := range list {
			if d := other.closed.Sub(l.closed); d >= 0 && d < window {
				in++
			}
		}
		most = max(most, in)
	}
	t.Logf("at most %d went within %v, %.0f would be even", most, window, even)
	if float64(most) > 2*even {
		t.Errorf("%d clients went within %v, want at most twice the even %.0f", most, window, even)
	}
}

// publishEvery is between two messages of publish.
const publishEvery = 20 * time.Millisecond

// publish publishes how many messages there were before, until ctx ends or the
// broker does, and returns when each had been.
func publish(ctx context.Context, broker, channel string) (sent []time.Time) {
	conn, err := redis.Dial("tcp", broker)
	if err != nil {
		return nil
	}
	defer conn.Close()
	tick := time.NewTicker(publishEvery)
	defer tick.Stop()
	for {
		if _, err := conn.Do("PUBLISH", channel, fmt.Sprint(len(sent))); err != nil {
			return sent
		}
		sent = append(sent, time.Now())
		select {
		case <-ctx.Done():
			return sent
		case <-tick.C:
		}
	}
}

// TestSecondSignal ends a drain at once, and says so by the exit code.
func TestSecondSignal(t *testing.T) {
	p := start(t, "--drain=1m")
	_, all := connect(t, p, 5)
	p.signal(syscall.SIGINT)
	eventually(t, "it drains", func() bool { return p.said("draining") })
	p.signal(syscall.SIGTERM)
	if code := p.wait(patience / 2); code != 1 {
		t.Errorf("it ended with %d, want 1", code)
	}
	all.Wait()
	if !p.said("second signal") {
		t.Errorf("the log does not name the second signal: %q", p.lines())
	}
}

// TestDrainAtOnce: with a drain of 0 everybody goes at once. A server that
// nobody is connected to does not wait either, whatever connections have just
// been made.
func TestDrainAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name, drain string
		clients     int
	}{
		{"0", "0s", 20},
		{"nobody", "1m", 0},
		{"one client", "1m", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "--drain="+tt.drain)
			_, all := connect(t, p, tt.clients)
			young, err := net.Dial("tcp", p.address)
			if err != nil {
				t.Fatal(err)
			}
			defer young.Close()
			p.signal(syscall.SIGTERM)
			all.Wait()
			if code := p.wait(4 * time.Second); code != 0 {
				t.Errorf("it ended with %d, want 0", code)
			}
		})
	}
}
