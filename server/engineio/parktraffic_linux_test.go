package engineio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// TestParkedAtRandom lets 100 clients poll, ask and leave at random, with
// descriptors that go from one to the next: no byte may come to the wrong one.
func TestParkedAtRandom(t *testing.T) {
	a := newSite(t, SocketsEpoll, Options{PingInterval: time.Hour}, nil)
	var all sync.WaitGroup
	for client := range 100 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(client), 3))
			for range 5 {
				if err := pollAtRandom(a, r); err != nil {
					t.Errorf("client %d: %v", client, err)
				}
			}
		})
	}
	all.Wait()
}

// pollAtRandom is one client, whose messages are its session's id.
func pollAtRandom(a *app, r *rand.Rand) error {
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(a.url, "http://"), "/?"))
	if err != nil {
		return err
	}
	defer conn.Close()
	c := &kept{conn: conn, r: bufio.NewReader(conn)}
	request := func(method, path, body string) string {
		return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	}
	if _, err := io.WriteString(conn, request("GET", path4, "")); err != nil {
		return err
	}
	_, open, err := c.next()
	if err != nil {
		return err
	}
	sid := open[len(`0{"sid":"`):][:26]
	path := path4 + "&sid=" + sid
	s := a.lookup(sid)
	for range r.IntN(30) {
		text := strings.Repeat(sid, 1+r.IntN(100))
		var sent string
		var want []string
		switch r.IntN(4) {
		case 0:
			sent, want = request("GET", path, "")+request("GET", "/who", ""), []string{"4" + text, c.who()}
		case 1:
			sent, want = request("POST", path, "3")+request("GET", path, ""), []string{"ok", "4" + text}
		default:
			sent, want = request("GET", path, ""), []string{"4" + text}
		}
		all := make(chan error, 1)
		go func() { // ends when that is sent
			n := r.IntN(len(sent))
			_, err := io.WriteString(conn, sent[:n])
			if err == nil {
				_, err = io.WriteString(conn, sent[n:])
			}
			all <- err
		}()
		if len(text)%3 == 0 {
			<-time.After(time.Duration(len(text)) * time.Microsecond)
		}
		s.Send(TextFrame(packet.V4, []byte(text)))
		for _, w := range want {
			if _, got, err := c.next(); err != nil || got != w {
				return fmt.Errorf("answer = %.80q, %w; want %.80q", got, err, w)
			}
		}
		if err := <-all; err != nil {
			return err
		}
	}
	if r.IntN(2) == 0 { // cut off while it waits
		_, err = io.WriteString(conn, request("GET", path, ""))
	}
	return err
}

// TestParkedReadsLate: an answer that does not fit goes on when there is room,
// and so does its session.
func TestParkedReadsLate(t *testing.T) {
	a := newSite(t, SocketsEpoll, Options{QueueBytes: 1 << 30}, littleRoom)
	c := a.keep(t)
	c.littleRoom()
	s := c.begin(a, path4)
	for i := range 3 {
		c.poll(s)
		want := string(numbered(16*littleBytes + i))
		s.text(want)
		eventually(t, "the answer is being written", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.answering != nil
		})
		if i == 1 {
			c.get("/who")
		}
		c.want("4" + want)
		if i == 1 {
			c.want(c.who())
		}
	}
	for range 2 { // what fits may be made by a goroutine too
		c.poll(s)
		want := string(numbered(2 * largeAnswer))
		s.text(want)
		c.want("4" + want)
	}
}

// littleBytes is what the kernel takes of an answer, whose buffers would else grow
// to megabytes, and so the answers of a test that are not to fit.
const littleBytes = 64 << 10

func littleRoom(web *httptest.Server) {
	web.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateNew {
			_ = conn.(*net.TCPConn).SetWriteBuffer(littleBytes)
		}
	}
}

func (c *kept) littleRoom() {
	c.t.Helper()
	if err := c.conn.(*net.TCPConn).SetReadBuffer(littleBytes); err != nil {
		c.t.Fatal(err)
	}
}

func (c *kept) wantReset() {
	c.t.Helper()
	if _, err := io.Copy(io.Discard, c.conn); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("then comes %v, want a reset", err)
	}
}

// numbered is n bytes of text in which a loss or a change of order shows.
func numbered(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = 'a' + byte(i*7>>3)%26
	}
	return p
}
