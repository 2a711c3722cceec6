package socketio_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/socketio"
)

// A keeper is the application of these tests. It keeps the last word of each
// client, and replays it to who comes back with the offset "good".
type keeper struct {
	t      *testing.T
	url    string
	closed chan string // reasons of OnDisconnect, and who it was
	refuse bool        // whether CONNECT is refused
	server *socketio.Server
}

func newKeeper(t *testing.T, r socketio.Recovery) *keeper {
	s, url := newServer(t)
	k := &keeper{t: t, url: url, closed: make(chan string, 100), server: s}
	r.Keep = func(c socketio.Conn) (any, int) {
		word, ok := c.Context().(string)
		if !ok {
			return nil, 0
		}
		return word, len(word)
	}
	s.Use("/", func(socketio.Conn) error {
		if k.refuse {
			return fmt.Errorf("not now")
		}
		return socketio.Later(func() error { return nil })
	})
	s.Use("/", func(c socketio.Conn) error {
		c.Recover(func() bool {
			f := c.Former()
			if f.Offset != "good" {
				return false
			}
			c.SetContext(f.Kept)
			c.Emit("missed", c.ID(), f.Kept)
			return true
		})
		return nil
	})
	s.OnEvent("/", "say", func(c socketio.Conn, word string) {
		c.SetContext(word)
		c.Join("room of " + word)
		c.Emit("said", c.Rooms()[1:])
	})
	s.OnEvent("/", "rooms", func(c socketio.Conn) []string { return c.Rooms() })
	s.OnEvent("/", "leave", func(c socketio.Conn) { c.Disconnect() })
	s.OnEvent("/", "drop", func(c socketio.Conn) { c.Drop() })
	s.OnDisconnect("/", func(_ socketio.Conn, reason string) { k.closed <- reason })
	s.Recover("/", r)
	return k
}

// A known client is one that may come back.
type known struct {
	*poller

	id, pid string
}

// join connects, says a word, and is somebody then.
func (k *keeper) join(word string) known {
	k.t.Helper()
	p := open(k.t, k.url, "4")
	p.post("40")
	answer := p.poll()
	found := answerPattern.FindStringSubmatch(answer)
	if found == nil {
		k.t.Fatalf("the answer to CONNECT is %s", answer)
	}
	if word != "" {
		p.post(fmt.Sprintf(`42["say",%q]`, word))
		if got, want := p.poll(), fmt.Sprintf(`42["said",["room of %s"]]`, word); got != want {
			k.t.Fatalf("got %s, want %s", got, want)
		}
	}
	return known{p, found[1], found[2]}
}

// back connects by a pid, and returns what comes.
func (k *keeper) back(pid, offset string) (p *poller, got string) {
	k.t.Helper()
	p = open(k.t, k.url, "4")
	p.post(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, pid, offset))
	got = p.poll()
	for strings.HasPrefix(got, "42") && !strings.Contains(got, "\x1e40") {
		got += "\x1e" + p.poll() // what was missed comes first, and may have had a poll of its own
	}
	return p, got
}

// restored is what a client gets that is who it was.
func (c known) restored(word string) string {
	return fmt.Sprintf("42[\"missed\",%q,%q]\x1e40{\"sid\":%q,\"pid\":%q}", c.id, word, c.id, c.pid)
}

func (k *keeper) ends(reason string) {
	k.t.Helper()
	if got := <-k.closed; got != reason {
		k.t.Fatalf("OnDisconnect got %q, want %q", got, reason)
	}
}

// isNew fails the test unless what came makes the client a new one.
func (c known) isNew(got string) {
	c.t.Helper()
	found := answerPattern.FindStringSubmatch(got)
	if found == nil || found[1] == c.id || found[2] == c.pid {
		c.t.Fatalf("got %s, want an id and a pid other than %s and %s", got, c.id, c.pid)
	}
}
