package load

import (
	"bytes"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// closer is a connection that keeps what is written to it.
type closer struct {
	bytes.Buffer
	closed bool
}

func (c *closer) Close() error {
	c.closed = true
	return nil
}

// fed is a swarm of one client in channel 0 of two, which has been sent so many
// messages.
func fed(t *testing.T, sent int) (*Swarm, *client, *closer) {
	t.Helper()
	protocol, err := EngineIO(4, "/socket.io/", "")
	if err != nil {
		t.Fatal(err)
	}
	conn := new(closer)
	c := &client{conn: conn}
	s := &Swarm{
		config: Config{Protocol: protocol, Size: 128}, started: time.Now(),
		clients: []*client{c}, channels: make([]channel, 2),
	}
	s.channels[0].listeners = 1
	s.begin(8)
	for range sent {
		if err := s.publish(discard{}, 0, 0); err != nil {
			t.Fatal(err)
		}
	}
	return s, c, conn
}

type discard struct{}

func (discard) Publish(string, []byte) error { return nil }
func (discard) Close() error                 { return nil }

func frameOf(channel int, n int64) []byte {
	text := append([]byte(`42["bench:0",`), appendPayload(nil, message{channel, n, 0}, 128)...)
	return ws.MustCompileFrame(ws.NewTextFrame(append(text, ']')))
}

func TestFeedFindsFaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		messages [][2]int64 // channel, number
		want     Faults
		underWay int
	}{
		{"none", [][2]int64{{0, 1}, {0, 2}, {0, 3}}, Faults{}, 0},
		{"missing", [][2]int64{{0, 1}, {0, 3}}, Faults{Lost: 1}, 1},
		{"doubled", [][2]int64{{0, 1}, {0, 2}, {0, 2}, {0, 3}}, Faults{Doubled: 1}, 0},
		{"swapped", [][2]int64{{0, 1}, {0, 3}, {0, 2}}, Faults{Swapped: 1}, 0},
		{"foreign", [][2]int64{{0, 1}, {1, 1}, {0, 2}, {0, 3}}, Faults{Foreign: 1}, 0},
		{"nothing", nil, Faults{Lost: 3}, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, _ := fed(t, 3)
			for _, m := range tt.messages {
				s.feed(c, frameOf(int(m[0]), m[1]), nil)
			}
			underWay := s.phase.underWay
			if got := s.end(time.Now()).Faults; got != tt.want || underWay != tt.underWay {
				t.Errorf("%v: %+v with %d under way, want %+v with %d", tt.messages, got, underWay, tt.want, tt.underWay)
			}
		})
	}
}

func TestFeedInPieces(t *testing.T) {
	var all []byte
	for n := int64(1); n <= 3; n++ {
		all = append(all, frameOf(0, n)...)
	}
	for size := 1; size < len(all); size += 7 {
		s, c, _ := fed(t, 3)
		for rest := all; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			s.feed(c, rest[:min(size, len(rest))], nil)
		}
		if got := s.end(time.Now()); got.Delivered != 3 || got.Faults.Any() {
			t.Errorf("in pieces of %d: %d delivered, %+v", size, got.Delivered, got.Faults)
		}
	}
}

func TestFeedAnswersHeartbeats(t *testing.T) {
	s, c, conn := fed(t, 0)
	s.feed(c, ws.MustCompileFrame(ws.NewTextFrame([]byte("2"))), nil)
	h, err := ws.ReadHeader(conn)
	if err != nil || !h.Masked || h.Length != 1 {
		t.Fatalf("the answer is %+v, %v, want a masked frame of 1 byte", h, err)
	}
	answer := conn.Bytes()
	ws.Cipher(answer, h.Mask, 0)
	if string(answer) != "3" {
		t.Errorf("the answer is %q, want 3", answer)
	}
}

func TestFeedLosesClients(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
	}{
		{"close frame", ws.CompiledCloseNormalClosure},
		{"masked", []byte{0x81, 0x81, 0, 0, 0, 0, 'x'}},
		{"too long", []byte{0x82, 127, 1, 0, 0, 0, 0, 0, 0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, c, conn := fed(t, 2)
			s.feed(c, append(frameOf(0, 1), tt.in...), nil)
			underWay := s.phase.underWay
			if got := s.end(time.Now()).Faults; got != (Faults{Lost: 1, Closed: 1}) || !conn.closed || underWay != 0 {
				t.Errorf("%+v with %d under way, want one lost and one closed", got, underWay)
			}
		})
	}
}

func TestLatency(t *testing.T) {
	s, _, _ := fed(t, 0)
	for ms := 1; ms <= 1000; ms++ {
		_ = s.phase.latency.RecordValue(int64(time.Duration(ms) * time.Millisecond))
	}
	r := s.end(time.Now())
	for _, tt := range []struct {
		percentile float64
		want       time.Duration
	}{{50, 500 * time.Millisecond}, {90, 900 * time.Millisecond}, {99, 990 * time.Millisecond}, {99.9, 999 * time.Millisecond}, {100, time.Second}} {
		got := r.Latency(tt.percentile)
		if d := (got - tt.want).Abs(); d > tt.want/500 {
			t.Errorf("Latency(%v) = %v, want %v", tt.percentile, got, tt.want)
		}
	}
}
