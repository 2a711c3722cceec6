package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// A stock client is one of socket.io-client from 4.6 on, by hand.
type stock struct {
	t *testing.T
	n *node
	*socket

	auth      map[string]any // with each CONNECT
	id, pid   string
	offset    string   // the last argument of the last event, if that is a string
	missed    []string // events that came before the answer to CONNECT
	session   string   // the argument of $session
	recovered bool
}

// connect opens a connection, the first one or after cut.
func (c *stock) connect() {
	c.t.Helper()
	auth := make(map[string]any)
	if c.pid != "" {
		auth["pid"] = c.pid
		if c.offset != "" {
			auth["offset"] = c.offset
		}
	}
	maps.Copy(auth, c.auth)
	text, err := json.Marshal(auth)
	if err != nil {
		c.t.Fatal(err)
	}
	conn, r, _, err := ws.Dial(c.t.Context(), strings.Replace(c.n.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	c.socket = &socket{c.t, conn, reader(conn, r)}
	if open := c.hear(); !strings.HasPrefix(open, "0{") {
		c.t.Fatalf("the handshake is %s", open)
	}
	c.send(ws.OpText, true, "40"+string(text))
	c.missed = nil
	for {
		message := c.hear()
		found := connectPattern.FindStringSubmatch(message)
		if found == nil {
			if strings.HasPrefix(message, "44") {
				c.t.Fatalf("CONNECT was answered %s", message)
			}
			c.missed = append(c.missed, c.event(message))
			continue
		}
		c.recovered = c.pid == found[2]
		if c.recovered && c.id != found[1] {
			c.t.Fatalf("the pid is the same, and the id is another")
		}
		c.id, c.pid = found[1], found[2]
		break
	}
	if name := c.event(c.hear()); !strings.HasPrefix(name, "$session ") {
		c.t.Fatalf("after CONNECT comes %s, want $session", name)
	} else {
		c.session = strings.TrimPrefix(name, "$session ")
	}
}

// event is the name and the first argument of an event, and notes its offset.
func (c *stock) event(message string) string {
	c.t.Helper()
	found := eventPattern.FindStringSubmatch(message)
	var args []json.RawMessage
	var name string
	if found == nil || json.Unmarshal([]byte(found[1]), &args) != nil || json.Unmarshal(args[0], &name) != nil || len(args) < 2 {
		c.t.Fatalf("got %s, want an event", message)
	}
	_ = json.Unmarshal(args[len(args)-1], &c.offset) // unless it is a string
	return name + " " + string(args[1])
}

// next is the next event.
func (c *stock) next() string {
	c.t.Helper()
	return c.event(c.hear())
}

// subscribe subscribes, with the second argument if that is not empty. What
// comes before the answer has come.
func (c *stock) subscribe(tag, options string) {
	c.t.Helper()
	if options != "" {
		options = "," + options
	}
	c.send(ws.OpText, true, fmt.Sprintf(`427["subscribe",%q%s]`, tag, options))
	for {
		message := c.hear()
		if strings.HasPrefix(message, `437[{"ok":true`) {
			return
		}
		c.event(message)
	}
}

// cut ends the connection without a word, and waits until the server is done with
// the session.
func (c *stock) cut() {
	c.t.Helper()
	before := c.n.ends(c.t, c.id)
	c.Conn.Close()
	eventually(c.t, "the session has ended", func() bool { return c.n.ends(c.t, c.id) > before })
}

// ends is how often a session has ended, which may come back as itself. The
// recorder has it when the session is in no map any more.
func (n *node) ends(t *testing.T, id string) (count int) {
	t.Helper()
	for _, e := range n.why(t, "x", id).On[0].Events {
		if e.Event == "closed" {
			count++
		}
	}
	return count
}

// publish publishes, and fails the test unless it reaches so many.
func (n *node) publish(t *testing.T, tag, data string, want int) {
	t.Helper()
	if got := n.Message(tag, []byte(data)); got != want {
		t.Fatalf("%s on %s reaches %d sessions, want %d", data, tag, got, want)
	}
}
