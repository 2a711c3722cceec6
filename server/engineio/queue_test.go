package engineio

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/reactor"
)

// A blocked is a socket that takes nothing until it is let to.
type blocked struct {
	sink

	let  bool
	wire strings.Builder
}

func (b *blocked) Write(p []byte) bool { return b.WriteAll(p) }

func (b *blocked) WriteAll(bufs ...[]byte) bool {
	if b.let {
		for _, p := range bufs {
			b.wire.Write(p)
		}
	}
	return b.let
}

// attach is a session over a blocked socket.
func attach(t *testing.T, s *Server) (*Session, *blocked) {
	t.Helper()
	b := &blocked{}
	s.Attach(httptest.NewRequest("GET", "/?EIO=4&transport=websocket", nil), func(h reactor.Handler) reactor.Conn {
		b.handler = h
		return b
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, session := range s.sessions {
		if session.ws.conn == b {
			return session, b
		}
	}
	t.Fatal("there is no session")
	return nil, nil
}

func text(data string) Frame { return TextFrame(packet.V4, []byte(data)) }

// Of the messages of one name, a client that is behind gets the newest alone;
// the others are in their order, and come all.
func TestLatest(t *testing.T) {
	s := NewServer(nil, func(*Session) Receiver { return nobody{} })
	defer s.Close()
	session, socket := attach(t, s)
	session.Send(text("first"))
	for i := range 5000 { // five times as many as may wait
		session.SendAll(NewBundle("a", text(fmt.Sprint("a", i))))
		session.SendAll(NewBundle("b", text("old"), text(fmt.Sprint("b", i))))
		if i%2500 == 0 {
			session.SendAll(NewBundle("", text("all"), text(fmt.Sprint(i))))
		}
	}
	if got := s.Stats(); got.Replaced != 2*4999 || got.SlowClosed != 0 || got.Queued != int64(session.queued) {
		t.Errorf("%d messages were replaced, %d clients closed and %d bytes wait, want %d, 0, %d",
			got.Replaced, got.SlowClosed, got.Queued, 2*4999, session.queued)
	}
	socket.let = true
	socket.handler.Writable()
	got := []string{}
	rest := strings.NewReader(socket.wire.String())
	for {
		var head [2]byte
		if _, err := io.ReadFull(rest, head[:]); err != nil {
			break
		}
		data := make([]byte, head[1])
		if _, err := io.ReadFull(rest, data); err != nil {
			t.Fatal(err)
		}
		got = append(got, string(data[1:]))
	}
	if got, want := fmt.Sprint(got), "[first all 0 all 2500 a4999 b4999]"; got[strings.Index(got, "first")-1:] != want {
		t.Errorf("the client got %s, want %s", got, want)
	}
	if got := s.Stats().Queued; got != 0 {
		t.Errorf("%d bytes wait for nobody", got)
	}
}

// All clients together may have so much waiting: above it, those that are
// behind are closed when they are sent more, and nobody else.
func TestTotalQueue(t *testing.T) {
	const clients, size, total = 20, 1000, 15_000
	s := NewServer(&Options{TotalQueueBytes: total}, func(*Session) Receiver { return nobody{} })
	defer s.Close()
	good, reads := attach(t, s)
	reads.let = true
	var slow []*Session
	for range clients {
		session, _ := attach(t, s)
		slow = append(slow, session)
	}
	message := text(strings.Repeat("x", size-5)) // with type and header
	for range 10 {
		for _, session := range slow {
			session.Send(message)
		}
		good.Send(message)
		if got, most := s.Stats().Queued, int64(total+clients*size); got > most {
			t.Fatalf("%d bytes wait, want at most %d", got, most)
		}
	}
	stats := s.Stats()
	if stats.SlowClosed == 0 || stats.SlowClosed > clients {
		t.Errorf("%d clients were closed as slow", stats.SlowClosed)
	}
	if stats.Queued > total {
		t.Errorf("%d bytes wait, want at most %d", stats.Queued, total)
	}
	if reason, ended := good.ended(); ended {
		t.Errorf("the client that reads was closed: %s", reason)
	}
}

// What is sent while a message of the client is handled waits for the end of
// that, but not if it is long; all of it comes, in order.
func TestHeldBack(t *testing.T) {
	for _, size := range []int{10, mostHeld - 100, mostHeld, 20 * mostHeld} {
		a := newApp(t, nil)
		c, s := a.openWS(t, "EIO=4")
		long := strings.Repeat("x", size)
		a.mu.Lock()
		a.hook = func(s *Session, _ []byte, _ bool) bool {
			s.Send(text("a"))
			s.SendAll(NewBundle("", text("b"), text(long)))
			s.Send(text(long))
			s.SendAll(NewBundle("", text("c")))
			return true
		}
		a.mu.Unlock()
		c.text("4go")
		c.want("text 4a", "text 4b", "text 4"+long, "text 4"+long, "text 4c")
		if s.mu.Lock(); s.held || len(s.queue) > 0 || s.queued != 0 {
			t.Errorf("with %d bytes the session holds %d messages back", size, len(s.queue))
		}
		s.mu.Unlock()
	}
}
