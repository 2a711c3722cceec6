package reactor

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// A guest is a Guest that passes on its events.
type guest chan Event

func (g guest) Event(e Event) { g <- e }

// watched is a connection that waits, and its peer.
func newWatch(t *testing.T) (w *Watch, g guest, server *net.TCPConn, client net.Conn) {
	t.Helper()
	r, err := NewReactor()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	c, client := tcpPair(t)
	server = c.(*net.TCPConn)
	t.Cleanup(func() { server.Close() })
	w, g = &Watch{}, make(guest, 16)
	if err := r.Watch(w, server, g); err != nil {
		t.Fatal(err)
	}
	return w, g, server, client
}

// TestWatch: a connection that waits says what comes, and loses nothing of it.
func TestWatch(t *testing.T) {
	w, g, server, client := newWatch(t)
	if _, err := client.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	if e := wait(t, g, "an event"); e != Readable || w.Ended() {
		t.Errorf("event %b, Ended() = %v; want Readable, and more", e, w.Ended())
	}
	if n, err := w.Send([]byte("sent")); n != 4 || err != nil {
		t.Errorf("Send() = %d, %v; want 4", n, err)
	}
	p := make([]byte, 4)
	if _, err := io.ReadFull(client, p); string(p) != "sent" {
		t.Errorf("peer read %q, %v; want %q", p, err, "sent")
	}
	w.Call()
	if e := wait(t, g, "an event"); e != Called {
		t.Errorf("event %b, want Called", e)
	}
	w.Leave()
	if _, err := client.Write([]byte(" and more")); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if got := wait(t, readAll(server), "what was sent"); string(got) != "unread and more" {
		t.Errorf("the connection read %q, want all that was sent", got)
	}
	if len(g) > 0 {
		t.Errorf("event %b after Leave, want none", <-g)
	}
}

func TestWatchEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(*net.TCPConn) error
		want Event
	}{
		{"half", (*net.TCPConn).CloseWrite, Readable | Ended},
		{"closed", (*net.TCPConn).Close, Readable | Ended},
		{"reset", func(c *net.TCPConn) error { _ = c.SetLinger(0); return c.Close() }, Readable | Ended | Failed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, g, _, client := newWatch(t)
			if err := tt.end(client.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			if e := wait(t, g, "an event"); e != tt.want {
				t.Errorf("event %b, want %b", e, tt.want)
			}
			if !w.Ended() {
				t.Error("Ended() = false, want true")
			}
			w.Leave()
		})
	}
}

// TestWatchAwaitsRoom sends more than fits.
func TestWatchAwaitsRoom(t *testing.T) {
	w, g, server, client := newWatch(t)
	want := numbered(12 << 20)
	rest := want
	got := make(<-chan []byte)
	for len(rest) > 0 {
		n, err := w.Send(rest)
		if err != nil {
			t.Fatal(err)
		}
		if rest = rest[n:]; n > 0 {
			continue
		}
		if err := w.AwaitRoom(); err != nil {
			t.Fatal(err)
		}
		if len(g) == 0 && cap(got) == 0 {
			got = readAll(client)
		}
		if e := wait(t, g, "room"); e != Writable {
			t.Fatalf("event %b, want Writable", e)
		}
	}
	w.Leave()
	server.Close()
	if p := wait(t, got, "all bytes"); !bytes.Equal(p, want) {
		t.Errorf("peer got %d bytes, want the %d sent, in order", len(p), len(want))
	}
}

func TestCallAll(t *testing.T) {
	w, g, _, _ := newWatch(t)
	r := &Reactor{pollers: []*poller{w.poller}}
	r.CallAll()
	if e := wait(t, g, "an event"); e != Called {
		t.Errorf("event %b, want Called", e)
	}
	w.Leave()
	r.CallAll()
	if len(g) > 0 {
		t.Errorf("event %b after Leave, want none", <-g)
	}
}
