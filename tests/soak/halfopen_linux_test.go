package soak

import (
	"context"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A halfOpen is a way to hold a connection and do nothing with it.
type halfOpen struct {
	name   string
	within time.Duration // that the server must end it in
	hello  string        // what is sent
	answer string        // that must begin what comes, if not empty
	again  string        // what is sent every two seconds
}

// TestHalfOpen holds connections half open, in four ways (RELIABILITY.md R1):
// the server ends all of them in time, and others connect meanwhile as if they
// were not there. HALFOPEN is how many, of all kinds together; without it there
// are few, and the heartbeat is shorter so that the test is.
func TestHalfOpen(t *testing.T) {
	path := build(t)
	if n, err := strconv.Atoi(os.Getenv("HALFOPEN")); err == nil {
		p := start(t, path, 20_000)
		holdOpen(t, p, n/4, "", 45*time.Second, 50*time.Millisecond)
		return
	}
	for _, tt := range []struct{ sockets, keep string }{
		{"epoll", ""},
		{"goroutine", "Connection: close\r\n"}, // an idle connection is net/http's there, for two minutes
	} {
		t.Run(tt.sockets, func(t *testing.T) {
			t.Parallel()
			p := start(t, path, 4096, "--sockets="+tt.sockets, "--ping-interval=5s", "--ping-timeout=3s")
			holdOpen(t, p, 300, tt.keep, 12*time.Second, time.Second)
		})
	}
}

// holdOpen holds so many of each kind. keep is what those that do not poll say of
// their connection.
func holdOpen(t *testing.T, p *process, each int, keep string, unpolled, connect time.Duration) {
	const soon = 12 * time.Second
	request := func(transport, header string) string {
		return "GET /socket.io/?EIO=4&transport=" + transport + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header + "\r\n"
	}
	kinds := []*halfOpen{
		{name: "nothing sent", within: soon},
		{name: "a header that does not end", within: soon, hello: "GET /socket.io/ HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", again: "x"},
		{
			name: "no CONNECT", within: soon, answer: "HTTP/1.1 101 ",
			hello: request("websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
			again: string(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte("3"))))), // its heart beats
		},
		{name: "no poll", within: unpolled, hello: request("polling", keep), answer: "HTTP/1.1 200 "},
	}
	if c, err := dial(p.address, 4); err != nil { // the first of all has the reactor made, which takes descriptors
		t.Fatal(err)
	} else {
		c.reset()
	}
	eventually(t, "it is gone", func() bool { return p.metrics()["stream_sessions"] == 0 }) // over a connection that stays
	before, memory := p.descriptors(), p.resident()
	ctx, cancel := context.WithCancel(t.Context())
	var others, watching sync.WaitGroup
	others.Go(func() { connects(ctx, t, p.address, connect) }) // ends with ctx
	defer watching.Wait()
	defer others.Wait()
	defer cancel()

	began := time.Now()
	ages := make([]chan time.Duration, len(kinds)) // of connections, when the server ended them
	for i := range ages {
		ages[i] = make(chan time.Duration, each)
	}
	var opening, reading sync.WaitGroup
	defer reading.Wait()
	next := atomic.Int64{}
	const openers, pace = 16, 8 * time.Millisecond // 2,000 a second: what is asked is what holding them costs others
	for range openers {
		opening.Go(func() { // ends when all are open
			for n := int(next.Add(1)) - 1; n < each*len(kinds); n = int(next.Add(1)) - 1 {
				i := n % len(kinds)
				kinds[i].hold(ctx, t, p.address, n, &reading, ages[i])
				<-time.After(pace)
			}
		})
	}
	opening.Wait()
	opened := time.Now()
	watching.Go(func() { unpolledGone(t, p, opened.Add(unpolled)) }) // ends then
	t.Logf("%d connections took %v to open; they take %d KB each", each*len(kinds), time.Since(began).Round(time.Millisecond),
		(p.resident()-memory)/(each*len(kinds))>>10)
	for i, kind := range kinds {
		var list []time.Duration
		for range each {
			select {
			case age := <-ages[i]:
				list = append(list, age)
			case <-time.After(time.Until(began.Add(3 * time.Minute))):
				t.Fatalf("%s: %d of %d connections are open after 3 minutes", kind.name, each-len(list), each)
			}
		}
		slices.Sort(list)
		t.Logf("%s: the server ended them after %v to %v", kind.name, list[0].Round(time.Millisecond), list[each-1].Round(time.Millisecond))
		if list[each-1] > kind.within {
			t.Errorf("%s: a connection lived for %v, want at most %v", kind.name, list[each-1], kind.within)
		}
	}
	cancel()
	others.Wait()
	watching.Wait()
	// The clients have not closed theirs: nothing of them may be left all the same.
	eventually(t, "no session and no descriptor is left", func() bool {
		return p.metrics()["stream_sessions"] == 0 && p.descriptors() <= before
	})
	for _, line := range p.lines() {
		if strings.Contains(line, "panic") {
			t.Error(line)
		}
	}
}

// hold opens a connection and says how old it was when the server ended it. It
// is closed when the test is over.
func (h *halfOpen) hold(ctx context.Context, t *testing.T, address string, n int, reading *sync.WaitGroup, ages chan<- time.Duration) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n%8))}, Timeout: patience}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		ages <- 0
		return
	}
	context.AfterFunc(t.Context(), func() { conn.Close() })
	opened := time.Now()
	if _, err := io.WriteString(conn, h.hello); err != nil {
		t.Error(err)
	}
	ended := make(chan struct{})
	reading.Go(func() { // ends with the connection
		defer close(ended)
		head := make([]byte, len(h.answer))
		if n, _ := io.ReadFull(conn, head); string(head[:n]) != h.answer {
			t.Errorf("%s: the answer begins %q, want %q", h.name, head[:n], h.answer)
		}
		_, _ = io.Copy(io.Discard, conn) // a reset is an end too
		ages <- time.Since(opened)
	})
	if h.again == "" {
		return
	}
	reading.Go(func() { // ends with the connection
		tick := time.NewTicker(2 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				_, _ = io.WriteString(conn, h.again) // an error shows in the reader
			case <-ended:
				return
			case <-ctx.Done():
				return
			}
		}
	})
}

// connects has one client after the other come and go. 99 % must be in within the
// time: the worst is in the log, and is the machine's as much as the server's.
func connects(ctx context.Context, t *testing.T, address string, within time.Duration) {
	var list []time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		c, err := dial(address, 4)
		if err != nil {
			t.Errorf("another client: %v", err)
			return
		}
		list = append(list, time.Since(began))
		c.reset()
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	slices.Sort(list)
	worst, most := list[len(list)-1], list[len(list)*99/100]
	t.Logf("%d others connected within %v, 99 %% of them within %v, half within %v", len(list), worst, most, list[len(list)/2])
	if most > within {
		t.Errorf("99 %% of other clients took up to %v to connect, want at most %v", most, within)
	}
}

// unpolledGone watches the sessions on polling until none is left.
func unpolledGone(t *testing.T, p *process, until time.Time) {
	began := time.Now()
	for {
		resp, err := p.web.Get(p.url + "/metrics")
		if err != nil {
			t.Error(err)
			return
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if strings.Contains(string(text), `stream_sessions{protocol="4",transport="polling"} 0`+"\n") {
			t.Logf("no poll: the last session was gone after %v", time.Since(began).Round(10*time.Millisecond))
			return
		}
		if time.Now().After(until) {
			t.Error("no poll: there are sessions on polling yet")
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}
