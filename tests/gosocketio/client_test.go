// Package gosocketio runs the Socket.IO client that go-socket.io has had since
// v1.8.0-rc.1, which cannot stand in the go.mod of the server beside v1.7.0.
package gosocketio

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	theirs "github.com/googollee/go-socket.io"

	"github.com/sb-stream/stream-server/server/socketio"
)

func wait[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(5 * time.Second):
		t.Fatalf("%s did not come", what)
		panic("unreachable")
	}
}

func TestClient(t *testing.T) {
	// It has no other transport than polling, whatever the options say.
	s := socketio.NewServer(nil)
	connected := make(chan string, 1)
	asked := make(chan string, 1)
	s.OnConnect("/", func(c socketio.Conn) error {
		connected <- c.Transport()
		return nil
	})
	s.OnEvent("/", "echo", func(c socketio.Conn, text string, n int) { c.Emit("echo-back", text, n) })
	s.OnEvent("/", "add", func(_ socketio.Conn, a, b int) int { return a + b })
	s.OnEvent("/", "ask", func(c socketio.Conn) { c.Emit("question", "how?", func(answer string) { asked <- answer }) })
	web := httptest.NewServer(s)
	defer web.Close()
	defer s.Close()

	c, err := theirs.NewClient(web.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	echoed := make(chan string, 1)
	added := make(chan int, 1)
	c.OnEvent("echo-back", func(_ theirs.Conn, text string, n int) { echoed <- strings.Repeat(text, n) })
	c.OnEvent("question", func(_ theirs.Conn, q string) string { return "so " + q })
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, "the connection", connected); got != "polling" {
		t.Errorf("it connected by %s", got)
	}
	// ASCII alone: it counts the characters of a packet where bytes count.
	c.Emit("echo", "x", 3)
	if got := wait(t, "the echo", echoed); got != "xxx" {
		t.Errorf("the echo is %q", got)
	}
	c.Emit("add", 2, 3, func(sum int) { added <- sum })
	if got := wait(t, "the ack", added); got != 5 {
		t.Errorf("the ack is %d", got)
	}
	c.Emit("ask")
	if got := wait(t, "the client's ack", asked); got != "so how?" {
		t.Errorf("the client's ack is %q", got)
	}
	_ = c.Close()
}
