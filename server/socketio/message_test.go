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
