package engineio

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A sink is a socket that takes everything.
type sink struct{ frames int }

func (s *sink) Start([]byte) {}

func (s *sink) Write(bufs ...[]byte) bool {
	s.frames += len(bufs)
	return true
}

func (s *sink) Busy() bool      { return false }
func (s *sink) Close(...[]byte) {}
func (s *sink) Abort()          {}

// inMemory is sessions over sinks, ended by the returned function.
func inMemory(n int) (sessions []*Session, end func()) {
	s := NewServer(nil, func(*Session) Receiver { return nobody{} })
	r := httptest.NewRequest("GET", "/?EIO=4&transport=websocket", nil)
	for range n {
		session := newSession(s, packet.V4, newHandshake(r))
		session.ws = &socket{session: session, conn: &sink{}, live: true}
		s.add(session, webSocket)
		session.begin(r)
		sessions = append(sessions, session)
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
	unit := []Frame{frame, frame}
	if got := testing.AllocsPerRun(100, func() { sessions[0].Send(frame) }); got != 0 {
		t.Errorf("Send allocates %v times, want 0", got)
	}
	sessions[0].SendAll(unit)
	if got := sessions[0].ws.conn.(*sink).frames; got != 101+2 {
		t.Errorf("socket got %d frames, want 103", got)
	}
}
