package engineio

import (
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/reactor"
)

// A sink is a socket that takes everything.
type sink struct {
	handler reactor.Handler
	closed  sync.Once
	writes  int
	bytes   int
}

func (s *sink) Start([]byte) {}

func (s *sink) Write(buf []byte) bool {
	s.writes++
	s.bytes += len(buf)
	return true
}

func (s *sink) WriteAll(...[]byte) bool { panic("nothing is queued") }
func (s *sink) Busy() bool              { return false }

func (s *sink) Close(...[]byte) {
	s.closed.Do(func() { go s.handler.Closed(net.ErrClosed) }) // a Conn never calls its owner
}

func (s *sink) Abort() { s.Close() }

// inMemory is sessions over sinks, ended by the returned function.
func inMemory(n int) (sessions []*Session, end func()) {
	s := NewServer(nil, func(session *Session) Receiver {
		sessions = append(sessions, session)
		return nobody{}
	})
	for range n {
		r := httptest.NewRequest("GET", "/?EIO=4&transport=websocket", nil)
		s.Attach(r, func(h reactor.Handler) reactor.Conn { return &sink{handler: h} })
	}
	return sessions, func() { s.Close() }
}

// BenchmarkSend is one message to each of n sessions.
func BenchmarkSend(b *testing.B) {
	for _, n := range []int{1, 1000, 20_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			sessions, end := inMemory(n)
			defer end()
			frame := TextFrame(packet.V4, []byte(strings.Repeat("x", 128)))
			b.ReportAllocs()
			for b.Loop() {
				for _, s := range sessions {
					s.Send(frame)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
		})
	}
}

// BenchmarkTextFrame is what a message costs once for all sessions.
func BenchmarkTextFrame(b *testing.B) {
	data := []byte(strings.Repeat("x", 128))
	b.ReportAllocs()
	for b.Loop() {
		TextFrame(packet.V4, data)
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	sessions, end := inMemory(1)
	defer end()
	frame := TextFrame(packet.V4, []byte("x"))
	one, two := NewBundle("", frame), NewBundle("", frame, frame)
	if got := testing.AllocsPerRun(100, func() { sessions[0].Send(frame) }); got != 0 {
		t.Errorf("Send allocates %v times, want 0", got)
	}
	for _, b := range []*Bundle{one, two} {
		if got := testing.AllocsPerRun(100, func() { sessions[0].SendAll(b) }); got != 0 {
			t.Errorf("SendAll of %d allocates %v times, want 0", len(b.frames), got)
		}
	}
	// AllocsPerRun calls once more to warm up; the open packet came first.
	to := sessions[0].ws.conn.(*sink)
	if want := 101*4*frame.Len() + len(sessions[0].openFrame(webSocket).buf); to.writes != 1+3*101 || to.bytes != want {
		t.Errorf("the socket got %d bytes in %d writes, want %d in %d", to.bytes, to.writes, want, 1+3*101)
	}
}
