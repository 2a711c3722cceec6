package engineio

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/reactor"
)

// A departure is a socket in memory that notes when it is closed.
type departure struct {
	handler reactor.Handler
	last    []byte
	closed  chan struct{} // closed by Close
	at      time.Duration // after start
	start   time.Time
}

func (*departure) Start([]byte)            {}
func (*departure) Write([]byte) bool       { return true }
func (*departure) WriteAll(...[]byte) bool { return true }
func (*departure) Busy() bool              { return false }
func (d *departure) Abort()                { d.Close() }

func (d *departure) Close(last ...[]byte) {
	select {
	case <-d.closed:
		return
	default:
	}
	for _, p := range last {
		d.last = append(d.last, p...)
	}
	d.at = time.Since(d.start)
	close(d.closed)
	go d.handler.Closed(nil) // ends when the session has been told
}

// attach begins a session on a socket in memory; nil if it is refused.
func (x *timed) attach() *departure {
	d := &departure{closed: make(chan struct{}), start: x.start}
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	if !x.Attach(r, func(h reactor.Handler) reactor.Conn { d.handler = h; return d }) {
		return nil
	}
	return d
}

// perSecond is how many went in each second.
func perSecond(list []*departure) []int {
	var n []int
	for _, d := range list {
		s := int(d.at / time.Second)
		for len(n) <= s {
			n = append(n, 0)
		}
		n[s]++
	}
	return n
}

// TestDrainIsEven lets sessions go one after the other, whatever some of them do
// by themselves, and is over when the last has.
func TestDrainIsEven(t *testing.T) {
	inTime(t, Options{}, func(x *timed) {
		const n, over = 500, 10 * time.Second
		list := make([]*departure, n)
		for i := range list {
			list[i] = x.attach()
		}
		if err := x.Drain(x.t.Context(), over); err != nil {
			x.t.Fatalf("Drain() = %v, want nil", err)
		}
		x.at(over - over/n)
		for _, d := range list {
			if want := over / n; d.at%want != 0 {
				x.t.Fatalf("a session went after %v, want a multiple of %v", d.at, want)
			}
			if string(d.last) != string(goingAway) {
				x.t.Fatalf("the last that a session got is %q, want %q", d.last, goingAway)
			}
		}
		for second, got := range perSecond(list) {
			if got != n/10 {
				x.t.Errorf("%d sessions went in second %d, want %d", got, second, n/10)
			}
		}
		x.wantReason(x.last(), ReasonShutdown)
	})
}

// TestDrainOfFew: one session does not wait, and neither does nobody.
func TestDrainOfFew(t *testing.T) {
	for _, n := range []int{0, 1} {
		inTime(t, Options{}, func(x *timed) {
			for range n {
				x.attach()
			}
			if err := x.Drain(x.t.Context(), 10*time.Second); err != nil {
				x.t.Fatalf("Drain() = %v, want nil", err)
			}
			x.at(0)
		})
	}
}

// TestDrainOfThoseWhoReturn: a balancer sends everybody back to the server that
// lets them go. For half of the time they are let in; and no more go in any
// second than twice the even number.
func TestDrainOfThoseWhoReturn(t *testing.T) {
	inTime(t, Options{}, func(x *timed) {
		const n, over = 400, 10 * time.Second
		all := make(chan *departure, 10*n)
		var follow func(d *departure)
		follow = func(d *departure) {
			if d == nil {
				return
			}
			all <- d
			go func() { // ends with the drain
				<-d.closed
				<-time.After(time.Second) // as stock clients do
				follow(x.attach())
			}()
		}
		for range n {
			follow(x.attach())
		}
		if err := x.Drain(x.t.Context(), over); err != nil {
			x.t.Fatalf("Drain() = %v, want nil", err)
		}
		if got := time.Since(x.start); got > over {
			x.t.Errorf("the drain took %v, want at most %v", got, over)
		}
		<-time.After(time.Second)
		synctest.Wait()
		close(all)
		var list []*departure
		for d := range all {
			list = append(list, d)
		}
		if len(list) <= n {
			x.t.Errorf("%d sessions went, want more than %d: who returns is let in", len(list), n)
		}
		for second, got := range perSecond(list) {
			if got > 2*n/10 {
				x.t.Errorf("%d sessions went in second %d, want at most %d", got, second, 2*n/10)
			}
		}
	})
}

// TestDrainRefuses handshakes in its second half, in the ways that let balancers
// and clients try elsewhere.
func TestDrainRefuses(t *testing.T) {
	inTime(t, Options{}, func(x *timed) {
		for range 10 {
			x.attach()
		}
		done := make(chan error, 1)
		go func() { done <- x.Drain(x.t.Context(), 10*time.Second) }() // ends within that time
		url := x.url + "EIO=4&transport=polling"
		x.until(4999 * ms)
		if got := x.do("GET", url, ""); got.status != http.StatusOK {
			x.t.Errorf("handshake in the first half = %d %q, want 200", got.status, got.body)
		}
		x.until(5001 * ms)
		got := x.do("GET", url, "")
		const want = `{"code":4,"message":"This server is shutting down"}`
		if got.status != http.StatusServiceUnavailable || got.body != want {
			x.t.Errorf("handshake in the second half = %d %q, want 503 %q", got.status, got.body, want)
		}
		// The client of HTTP keeps the header Connection to itself.
		raw := x.raw("GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: memory\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		if !strings.HasPrefix(raw, "HTTP/1.1 503 ") || !strings.Contains(raw, "\r\nConnection: close\r\n") {
			x.t.Errorf("an upgrade in the second half was answered %q, want 503 and the end of the connection", raw)
		}
		if err := <-done; !errors.Is(err, nil) {
			x.t.Errorf("Drain() = %v, want nil", err)
		}
	})
}

// TestDrainFlushes: a client that polls gets what was sent before it was let go,
// in its next poll if it has none, and then the end, with its connection.
func TestDrainFlushes(t *testing.T) {
	inTime(t, Options{}, func(x *timed) {
		url := x.url + "EIO=4&transport=polling"
		if got := x.do("GET", url, ""); got.status != http.StatusOK {
			x.t.Fatalf("handshake = %d %q", got.status, got.body)
		}
		s := x.last()
		url += "&sid=" + s.ID()
		s.Send(TextFrame(packet.V4, []byte("first")))
		done := make(chan error, 1)
		go func() { done <- x.Drain(x.t.Context(), time.Second) }() // ends with the session
		synctest.Wait()
		s.Send(TextFrame(packet.V4, []byte("too late")))
		if got := x.do("GET", url, ""); got.body != "4first" {
			x.t.Errorf("the poll after it was let go = %d %q, want 4first", got.status, got.body)
		}
		raw := x.raw("GET " + url[len("http://memory"):] + " HTTP/1.1\r\nHost: memory\r\n\r\n")
		if !strings.HasSuffix(raw, "\r\n\r\n6\x1e1") || !strings.Contains(raw, "\r\nConnection: close\r\n") {
			x.t.Errorf("the poll after that was answered %q, want 6, 1 and the end of the connection", raw)
		}
		if err := <-done; err != nil {
			x.t.Errorf("Drain() = %v, want nil", err)
		}
		x.wantReason(s, ReasonShutdown)
	})
}

// TestDrainIsBounded: who does not come for the rest is not waited for beyond
// the limit of the caller.
func TestDrainIsBounded(t *testing.T) {
	inTime(t, Options{}, func(x *timed) {
		if got := x.do("GET", x.url+"EIO=4&transport=polling", ""); got.status != http.StatusOK {
			x.t.Fatalf("handshake = %d %q", got.status, got.body)
		}
		ctx, cancel := context.WithTimeout(x.t.Context(), 3*time.Second)
		defer cancel()
		if err := x.Drain(ctx, time.Second); !errors.Is(err, context.DeadlineExceeded) {
			x.t.Errorf("Drain() = %v, want %v", err, context.DeadlineExceeded)
		}
		x.at(3 * time.Second)
	})
}
