package engineio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func (c *kept) get(path string) { c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n") }

// poll sends a GET, and returns when it waits in the reactor.
func (c *kept) poll(s *Session) {
	c.t.Helper()
	c.get(path4 + "&sid=" + s.ID())
	eventually(c.t, "the poll is parked", s.pollParked)
}

func (s *Session) text(text string) { s.Send(TextFrame(s.Version(), []byte(text))) }

// wantEnd is what there is instead of another answer.
func (c *kept) wantEnd() {
	c.t.Helper()
	if _, _, err := c.next(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("then comes %v, want the end", err)
	}
}

// who is the answer of /who to c.
func (c *kept) who() string { return c.conn.LocalAddr().String() + " " + c.conn.RemoteAddr().String() }

// TestParkedGoesOn: a connection is one of HTTP again for whatever comes next.
func TestParkedGoesOn(t *testing.T) {
	var mu sync.Mutex
	var states []http.ConnState
	a := newSite(t, SocketsEpoll, Options{}, func(web *httptest.Server) {
		web.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			states = append(states, state)
		}
	})
	c := a.keep(t)
	s := c.begin(a, path4)
	for i := range 3 {
		c.poll(s)
		s.text(fmt.Sprint(i))
		c.want(fmt.Sprint("4", i))
		c.get("/who")
		c.want(c.who())
		c.send("POST " + path4 + "&sid=" + s.ID() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n4x")
		c.want("ok")
		c.get(path4 + "&sid=" + s.ID()) // answered at once
		c.want("4x")
	}
	w := &wsClient{t, c.conn, c.r}
	c.send(upgradeRequest("/?EIO=4&transport=websocket", ""))
	if res, _, err := c.next(); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade = %v, %v; want 101", res, err)
	}
	w.next()
	w.text("4a")
	w.want("text 4a")
	mu.Lock()
	defer mu.Unlock()
	const one, two = "new active hijacked", "new active idle active hijacked" // requests
	want := []string{one, one, two, one, one, two, one, one, two, one, one}
	if got := fmt.Sprint(states); got != fmt.Sprint(want) {
		t.Errorf("states are %v, want %v", got, want)
	}
}

// TestParkedPipelines: what comes too early is answered in order, however much
// and whenever it comes.
func TestParkedPipelines(t *testing.T) {
	const who = "GET /who HTTP/1.1\r\nHost: x\r\n\r\n"
	a := newSite(t, SocketsEpoll, Options{}, nil)
	for _, n := range []int{1, 3, 5000} { // the last are more than any buffer has
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			c := a.keep(t)
			s := c.begin(a, path4)
			poll := "GET " + path4 + "&sid=" + s.ID() + " HTTP/1.1\r\nHost: x\r\n\r\n"
			c.send(poll + who + who + poll + who)
			eventually(t, "the poll is parked", s.pollParked)
			var sent sync.WaitGroup
			sent.Go(func() { _, _ = io.WriteString(c.conn, strings.Repeat(who, n)) })
			s.text("a")
			c.want("4a", c.who(), c.who())
			eventually(t, "the poll is parked", s.pollParked)
			s.text("b")
			c.want("4b")
			for range 1 + n {
				c.want(c.who())
			}
			sent.Wait()
			c.poll(s)
			s.text("c")
			c.want("4c")
		})
	}
}

// TestParkedClientGoes in all ways, at all stages.
func TestParkedClientGoes(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*net.TCPConn)
	}{
		{"closed", func(c *net.TCPConn) { c.Close() }},
		{"half closed", func(c *net.TCPConn) { _ = c.CloseWrite() }},
		{"reset", func(c *net.TCPConn) { _ = c.SetLinger(0); c.Close() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newSite(t, SocketsEpoll, Options{}, nil)
			c := a.keep(t)
			s := c.begin(a, path4)
			c.poll(s)
			tt.end(c.conn.(*net.TCPConn))
			if got := a.reason(t, s); got != ReasonTransportError {
				t.Errorf("session ended with %q, want %q", got, ReasonTransportError)
			}
			c = a.keep(t)
			s = c.begin(a, path4)
			c.poll(s)
			s.text("a")
			c.want("4a")
			tt.end(c.conn.(*net.TCPConn)) // between two polls
			other := a.keep(t)
			other.poll(s)
			s.text("b")
			other.want("4b")
		})
	}
}

// TestParkedHalfClosed: one that sent another request is answered first.
func TestParkedHalfClosed(t *testing.T) {
	a := newSite(t, SocketsEpoll, Options{}, nil)
	for _, early := range []bool{false, true} { // HTTP has read it with the poll
		c := a.keep(t)
		s := c.begin(a, path4)
		if early {
			c.send("GET " + path4 + "&sid=" + s.ID() + " HTTP/1.1\r\nHost: x\r\n\r\nGET /who HTTP/1.1\r\nHost: x\r\n\r\n")
			eventually(t, "the poll is parked", s.pollParked)
		} else {
			c.poll(s)
			c.get("/who")
		}
		_ = c.conn.(*net.TCPConn).CloseWrite()
		<-time.After(20 * time.Millisecond) // the server may take notice
		s.text("a")
		c.want("4a", c.who())
		c.wantEnd()
	}
}

// TestParkedTimes are the limits of a connection that waits for its next
// request, and of a client that does not read its answer.
func TestParkedTimes(t *testing.T) {
	const idle = time.Second
	a := newSite(t, SocketsEpoll, Options{QueueBytes: 1 << 30}, func(web *httptest.Server) {
		web.Config.IdleTimeout = idle
		littleRoom(web)
	})
	c := a.keep(t)
	s := c.begin(a, path4)
	c.poll(s)
	<-time.After(2 * idle) // which is no idleness
	start := time.Now()    // before the answer, from which the server measures
	s.text("a")
	c.want("4a")
	if c.wantEnd(); time.Since(start) < idle {
		t.Errorf("the end came after %v, want %v", time.Since(start), idle)
	}

	c = a.keep(t)
	c.littleRoom()
	c.poll(s)
	s.mu.Lock()
	k := s.poll.replier
	s.mu.Unlock()
	s.text(strings.Repeat("x", 16*littleBytes)) // more than fits
	k.within(100 * time.Millisecond)
	if got := a.reason(t, s); got != ReasonTransportError {
		t.Errorf("session ended with %q, want %q", got, ReasonTransportError)
	}
	c.wantReset()
}

// TestParkedHandshake: a client that does not poll keeps its connection for a
// ping interval.
func TestParkedHandshake(t *testing.T) {
	for _, idle := range []time.Duration{0, time.Hour, -1} { // the server's own bound
		a := newSite(t, SocketsEpoll, Options{PingInterval: time.Second, PingTimeout: time.Hour},
			func(web *httptest.Server) { web.Config.IdleTimeout = idle })
		c := a.keep(t)
		s := c.begin(a, path4)
		c.wantEnd()
		if a.lookup(s.ID()) != s {
			t.Error("the session is gone with it")
		}
		c = a.keep(t)
		s = c.begin(a, path4)
		c.get(path4 + "&sid=" + s.ID()) // the first ping is its answer
		c.want("2")
		_ = c.conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		if _, err := c.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("after a poll the connection ends with %v, want it kept", err)
		}
	}
}

// TestParkedCut: a session may be cut while its connection is being taken from
// HTTP.
func TestParkedCut(t *testing.T) {
	var a *app
	var taken atomic.Int32 // connections; the first for the answer to the handshake
	a = newSite(t, SocketsEpoll, Options{QueueBytes: 1 << 20}, func(web *httptest.Server) {
		web.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateHijacked && taken.Add(1) == 2 {
				s := a.last()
				for s.server.Stats().SlowClosed == 0 {
					s.text(strings.Repeat("x", 100_000))
				}
			}
		}
	})
	c := a.keep(t)
	s := c.begin(a, path4)
	s.text("a")
	c.get(path4 + "&sid=" + s.ID())
	c.wantReset()
	if got := a.reason(t, s); got != ReasonSlow {
		t.Errorf("session ended with %q, want %q", got, ReasonSlow)
	}
}

// TestParkedShutdown: whoever waits is told, and nobody is waited for.
func TestParkedShutdown(t *testing.T) {
	var web *httptest.Server
	a := newSite(t, SocketsEpoll, Options{}, func(w *httptest.Server) { web = w })
	waits, idles, posts := a.keep(t), a.keep(t), a.keep(t)
	s := waits.begin(a, path4)
	idles.poll(s)
	s.text("a")
	idles.want("4a")
	posts.send("POST " + path4 + "&sid=" + s.ID() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n3")
	posts.want("ok")
	waits.poll(s)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if res, body, err := waits.next(); err != nil || body != "1" || !res.Close {
		t.Errorf("poll = %q, %v, closed %v; want 1, and the end", body, err, res.Close)
	}
	for _, c := range []*kept{waits, idles, posts} {
		c.wantEnd()
	}
	c := a.keep(t)
	c.get("/who") // HTTP goes on
	c.want(c.who())
	if err := web.Config.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := a.openReactor(); err == nil { // as a poll that comes too late does
		t.Error("pollers were started that nobody ends")
	}
}

// TestParkedWebShutdown: an http.Server that ends waits for no poll, and takes
// no connection back.
func TestParkedWebShutdown(t *testing.T) {
	var web *httptest.Server
	a := newSite(t, SocketsEpoll, Options{}, func(w *httptest.Server) { web = w })
	c := a.keep(t)
	s := c.begin(a, path4)
	c.poll(s)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := web.Config.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	s.text("a")
	c.want("4a")
	c.get("/who")
	c.wantEnd()
}
