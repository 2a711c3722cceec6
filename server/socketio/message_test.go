package socketio_test

import (
	"encoding/json"
	"testing"

	"github.com/sb-stream/stream-server/server/socketio"
)

// A message for many is the same for each, in the dialect of its version.
func TestMessage(t *testing.T) {
	s, base := newServer(t)
	conns := make(chan socketio.Conn, 2)
	s.OnConnect("/", func(c socketio.Conn) error { conns <- c; return nil })
	v4, v3 := open(t, base, "4"), open(t, base, "3")
	v4.post("40")
	v4.poll()
	v3.poll()
	data, err := json.Marshal("é\u2028😀")
	if err != nil {
		t.Fatal(err)
	}
	m := socketio.NewMessage("/", "zimmer/é", data, []byte("7"))
	for range 2 {
		(<-conns).Send(m)
	}
	if got, want := v4.poll(), `42["zimmer/é","é\u2028😀",7]`; got != want {
		t.Errorf("version 5 got %s, want %s", got, want)
	}
	if got, want := v3.poll(), `48:42["zimmer/\u00e9","\u00e9\u2028\ud83d\ude00",7]`; got != want {
		t.Errorf("version 4 got %s, want %s", got, want)
	}
}

func TestReservedEventsPanicAtRegistration(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("OnEvent took the reserved name connect")
		}
	}()
	socketio.NewServer(nil).OnEvent("/", "connect", func(socketio.Conn, *socketio.Event) {})
}

// A counted value counts how often it is encoded.
type counted struct{ n *int }

func (c counted) MarshalJSON() ([]byte, error) {
	*c.n++
	return []byte(`"é"`), nil
}

// What goes to many is encoded once, binary too, and is the same for all of one
// dialect.
func TestEncodedOnce(t *testing.T) {
	s, base := newServer(t)
	connected := make(chan struct{}, 1)
	s.OnConnect("/", func(socketio.Conn) error { connected <- struct{}{}; return nil })
	wants := map[string]string{
		"4":       "451-[\"x\",\"é\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID",
		"3&b64=1": "48:451-[\"x\",\"\\u00e9\",{\"_placeholder\":true,\"num\":0}]6:b4AQID",
		"3":       "\x00\x04\x08\xff451-[\"x\",\"\\u00e9\",{\"_placeholder\":true,\"num\":0}]\x01\x04\xff\x04\x01\x02\x03",
	}
	var clients []*poller
	var expected []string
	for version, want := range wants {
		for range 3 {
			p := open(t, base, version)
			if version == "4" {
				p.post("40")
			}
			<-connected
			p.poll()
			clients, expected = append(clients, p), append(expected, want)
		}
	}
	encoded := 0
	if n, err := s.Of("/").Emit("x", counted{&encoded}, []byte{1, 2, 3}); n != 9 || err != nil {
		t.Fatalf("Emit = %d, %v", n, err)
	}
	for i, p := range clients {
		if got := p.poll(); got != expected[i] {
			t.Errorf("came %q, want %q", got, expected[i])
		}
	}
	if encoded != 1 {
		t.Errorf("the argument was encoded %d times, want once", encoded)
	}
}
