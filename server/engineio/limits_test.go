package engineio

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

const maxPayload = 1000

// TestPayloadLimit posts just as much as is allowed, and one byte more.
func TestPayloadLimit(t *testing.T) {
	a := newApp(t, &Options{MaxPayload: maxPayload})
	url, s := a.open(t, packet.V4)
	for _, tt := range []struct {
		name    string
		size    int
		chunked bool
		want    int
	}{
		{"just below", maxPayload, false, 200},
		{"above", maxPayload + 1, false, 413},
		{"far above", 100 * maxPayload, false, 413},
		{"chunked, just below", maxPayload, true, 200},
		{"chunked, above", maxPayload + 1, true, 413},
		{"chunked, far above", 1000 * maxPayload, true, 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			message := "4" + strings.Repeat("x", tt.size-1)
			var body io.Reader = strings.NewReader(message)
			if tt.chunked {
				body = struct{ io.Reader }{body} // hides its size
			}
			res, err := http.Post(url, "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != tt.want {
				t.Errorf("POST of %d bytes = %d, want %d", tt.size, res.StatusCode, tt.want)
			}
			if a.lookup(s.ID()) != s {
				t.Fatal("the session is gone, want it kept")
			}
			if tt.want == 200 {
				if got := httpGet(url); got.body != message {
					t.Errorf("poll = %d bytes, want the %d sent", len(got.body), len(message))
				}
			}
		})
	}
}

// TestFrameLimit does the same on a WebSocket, in one frame and in several.
func TestFrameLimit(t *testing.T) {
	text := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name, frames string
		want         string
	}{
		{"just below", clientFrame(ws.OpText, true, "4"+text(maxPayload-1)), "text 4" + text(maxPayload-1)},
		{"above", clientFrame(ws.OpText, true, "4"+text(maxPayload)), "close 1009"},
		{"from the header alone", "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff1234", "close 1009"},
		{"fragments, just below", clientFrame(ws.OpText, false, "4"+text(499)) + clientFrame(ws.OpContinuation, true, text(500)), "text 4" + text(999)},
		{"fragments, above", clientFrame(ws.OpText, false, "4"+text(499)) + clientFrame(ws.OpContinuation, true, text(501)), "close 1009"},
		{
			"most fragments", clientFrame(ws.OpText, false, "4a") + strings.Repeat(clientFrame(ws.OpContinuation, false, ""), maxFragments-2) +
				clientFrame(ws.OpContinuation, true, ""), "text 4a",
		},
		{"too many fragments", clientFrame(ws.OpText, false, "4") + strings.Repeat(clientFrame(ws.OpContinuation, false, ""), maxFragments), "close 1008"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, &Options{MaxPayload: maxPayload})
			c, s := a.openWS(t, "EIO=4")
			c.raw(tt.frames)
			c.want(tt.want)
			if strings.HasPrefix(tt.want, "close") {
				c.want("end")
				if got := a.reason(t, s); got != ReasonParseError {
					t.Errorf("session ended with %q, want %q", got, ReasonParseError)
				}
			}
		})
	}
}

// TestSlowWebSocket has one client that does not read, and one that does.
func TestSlowWebSocket(t *testing.T) {
	a := newApp(t, &Options{QueueBytes: 100_000, PingInterval: time.Hour})
	slow, s := a.openWS(t, "EIO=4")
	good, other := a.openWS(t, "EIO=4")
	message := TextFrame(packet.V4, []byte(strings.Repeat("x", 10_000)))
	sent := 0
	for a.Stats().SlowClosed == 0 {
		if sent++; sent > 10_000 {
			t.Fatal("100 MB went to a client that does not read")
		}
		s.Send(message)
		other.Send(TextFrame(packet.V4, []byte("tick")))
		good.want("text 4tick")
		s.mu.Lock()
		if s.queued > 100_000 {
			t.Errorf("%d bytes are queued, want at most 100,000", s.queued)
		}
		s.mu.Unlock()
	}
	if got := a.reason(t, s); got != ReasonSlow {
		t.Errorf("session ended with %q, want %q", got, ReasonSlow)
	}
	other.Send(TextFrame(packet.V4, []byte("still")))
	good.want("text 4still")
	if _, err := io.Copy(io.Discard, slow.conn); err == nil {
		t.Error("the slow client saw an orderly end, want a reset")
	}
}

// TestSlowPolling: the same for a client that takes no poll, and for one that
// does not read the answer to its poll.
func TestSlowPolling(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		a := newApp(t, &Options{QueueBytes: 8 << 20, QueueMessages: 1 << 30, PingInterval: time.Hour})
		url, s := a.open(t, packet.V4)
		message := TextFrame(packet.V4, []byte(strings.Repeat("x", 100_000)))
		var conn net.Conn
		if stuck {
			for range 80 {
				s.Send(message)
			}
			conn = a.rawClient(t, pollRequest("GET", s, ""))
			eventually(t, "the answer is written", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.answering != nil
			})
		}
		for a.Stats().SlowClosed == 0 {
			s.Send(message)
		}
		if got := a.reason(t, s); got != ReasonSlow {
			t.Errorf("session ended with %q, want %q", got, ReasonSlow)
		}
		if got := httpGet(url); got.body != `{"code":1,"message":"Session ID unknown"}` {
			t.Errorf("poll = %q, want an unknown session", got.body)
		}
		if stuck { // the handler is not kept by the answer that nobody reads
			eventually(t, "the answer is given up", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				return s.answering == nil
			})
			conn.Close()
		}
	}
}

// TestQueueLimits is the budget, exactly.
func TestQueueLimits(t *testing.T) {
	frame := func(n int) Frame { // of n bytes on a WebSocket
		return TextFrame(packet.V4, []byte(strings.Repeat("x", n-3)))
	}
	for _, tt := range []struct {
		name  string
		units [][]Frame
		slow  bool
	}{
		{"bytes, just full", [][]Frame{{frame(60)}, {frame(40)}}, false},
		{"bytes, one more", [][]Frame{{frame(60)}, {frame(41)}}, true},
		{"messages, just full", [][]Frame{{frame(3)}, {frame(3)}, {frame(3)}, {frame(3)}}, false},
		{"messages, one more", [][]Frame{{frame(3)}, {frame(3)}, {frame(3)}, {frame(3)}, {frame(3)}}, true},
		{"one large message alone", [][]Frame{{frame(120)}}, false},
		{"any after it", [][]Frame{{frame(120)}, {frame(3)}}, true},
		{"one large unit alone", [][]Frame{{frame(60), frame(60), frame(3), frame(3), frame(3), frame(3)}}, false},
		{"a unit that has no room", [][]Frame{{frame(60)}, {frame(20), frame(21)}}, true},
		{"an empty unit", [][]Frame{{}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, &Options{QueueBytes: 100, QueueMessages: 4})
			url, s := a.open(t, packet.V4)
			want := 0
			for _, unit := range tt.units {
				if len(unit) == 1 {
					s.Send(unit[0])
				} else {
					s.SendAll(NewBundle("", unit...))
				}
				want += len(unit)
			}
			if got := a.Stats().SlowClosed == 1; got != tt.slow {
				t.Fatalf("closed as slow is %v, want %v", got, tt.slow)
			}
			if !tt.slow && want > 0 {
				if got := len(strings.Split(httpGet(url).body, "\x1e")); got != want {
					t.Errorf("poll has %d messages, want %d", got, want)
				}
			}
		})
	}
}

func TestOptionsValidate(t *testing.T) {
	bad := Options{PingInterval: -1, PingTimeout: time.Microsecond, MaxPayload: -1, QueueMessages: -5}
	err := bad.Validate()
	if err == nil {
		t.Fatal("Validate() = nil, want errors")
	}
	for _, name := range []string{"PingInterval", "PingTimeout", "MaxPayload", "QueueMessages"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("Validate() = %q, want %s named too", err, name)
		}
	}
	if err := (&Options{}).Validate(); err != nil {
		t.Errorf("Validate() of the zero Options = %v, want nil", err)
	}
	defer func() {
		if err, ok := recover().(error); !ok || errors.Is(err, nil) {
			t.Error("NewServer with bad options did not panic")
		}
	}()
	NewServer(&bad, nil)
}
