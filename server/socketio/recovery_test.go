package socketio_test

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"testing"

	"github.com/sb-stream/stream-server/server/socketio"
)

var answerPattern = regexp.MustCompile(`^40\{"sid":"([A-Z2-7]{26})","pid":"([A-Z2-7]{26}[\w-]{22})"\}$`)

func TestRecovery(t *testing.T) {
	k := newKeeper(t, socketio.Recovery{})
	c := k.join("hello")
	c.post("1")
	k.ends("transport close")
	for k.server.RoomLen("/", "room of hello") != 0 { // it leaves when OnDisconnect has returned
		runtime.Gosched()
	}
	p, got := k.back(c.pid, "good")
	if want := c.restored("hello"); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	p.post(`420["rooms"]`)
	if got, want := p.poll(), fmt.Sprintf(`430[[%q,"room of hello"]]`, c.id); got != want {
		t.Errorf("rooms: got %s, want %s", got, want)
	}
	if got := k.server.RoomLen("/", "room of hello"); got != 1 {
		t.Errorf("%d clients are in the room, want 1", got)
	}

	// And again, by the same pid.
	p.post("1")
	k.ends("transport close")
	p, got = k.back(c.pid, "good")
	if want := c.restored("hello"); got != want {
		t.Fatalf("the second time: got  %s\nwant %s", got, want)
	}
	p.post(`42["drop"]`)
	p.poll()
	k.ends("forced server close")
	if _, got = k.back(c.pid, "good"); got != c.restored("hello") {
		t.Fatalf("after Drop: got %s", got)
	}
}

// What was kept is there once.
func TestRecoveryOnce(t *testing.T) {
	for _, tt := range []struct{ name, offset string }{
		{"recovered", "good"}, {"not recovered", "bad"}, {"no offset", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKeeper(t, socketio.Recovery{})
			c := k.join("hello")
			c.post("1")
			k.ends("transport close")
			p, got := k.back(c.pid, tt.offset)
			if tt.offset == "good" {
				if got != c.restored("hello") {
					t.Fatalf("got %s", got)
				}
				p.post("41") // or it would be taken from who has it now
				k.ends("client namespace disconnect")
			} else {
				c.isNew(got)
			}
			_, got = k.back(c.pid, "good")
			c.isNew(got)
		})
	}
}

// A client may know before the server that its connection is dead.
func TestRecoveryOfOneWhoIsHere(t *testing.T) {
	k := newKeeper(t, socketio.Recovery{})
	c := k.join("hello")
	p, got := k.back(c.pid, "good")
	if got != c.restored("hello") {
		t.Fatalf("got %s", got)
	}
	if got := c.poll(); got != "6\x1e1" {
		t.Errorf("the connection before got %s, want its end", got)
	}
	k.ends("forced server close")
	// Its end took nothing from who has its ID now.
	p.post(`420["rooms"]`)
	if got, want := p.poll(), fmt.Sprintf(`430[[%q,"room of hello"]]`, c.id); got != want {
		t.Errorf("rooms: got %s, want %s", got, want)
	}
	k.server.BroadcastToRoom("/", "room of hello", "all")
	if got := p.poll(); got != `42["all"]` {
		t.Errorf("got %s", got)
	}
	p.post("1")
	k.ends("transport close")
	if _, got := k.back(c.pid, "good"); got != c.restored("hello") {
		t.Errorf("the second time: got %s", got)
	}
}

func TestNotRecoverable(t *testing.T) {
	for _, tt := range []struct {
		name, last, reason string
		waits              bool // for a poll to take its end
	}{
		{"the client said goodbye", "41", "client namespace disconnect", false},
		{"the server took it out", `42["leave"]`, "server namespace disconnect", false},
		{"the server closed it", `42["kick"]`, "server namespace disconnect", true},
		{"it broke the rules", "4abc", "parse error", true},
		{"a handler panicked", `42["panic"]`, "handler panicked", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKeeper(t, socketio.Recovery{})
			c := k.join("hello")
			c.postTo(tt.last, tt.last == "4abc")
			if tt.waits {
				_, got := k.back(c.pid, "good")
				c.isNew(got)
				c.poll() // the goodbye, or the end
				c.poll()
			}
			k.ends(tt.reason)
			_, got := k.back(c.pid, "good")
			c.isNew(got)
		})
	}
	t.Run("the application says so", func(t *testing.T) {
		k := newKeeper(t, socketio.Recovery{})
		c := k.join("")
		_, got := k.back(c.pid, "good") // while it is here
		c.isNew(got)
		c = k.join("")
		c.post("1")
		_, got = k.back(c.pid, "good")
		c.isNew(got)
	})
	t.Run("a check refuses", func(t *testing.T) {
		k := newKeeper(t, socketio.Recovery{})
		c := k.join("hello")
		k.refuse = true
		if _, got := k.back(c.pid, "good"); got != `44{"message":"not now"}` {
			t.Errorf("got %s", got)
		}
	})
}

func TestForgedPID(t *testing.T) {
	k := newKeeper(t, socketio.Recovery{})
	c, other := k.join("hello"), k.join("other")
	c.post("1")
	k.ends("transport close")
	flipped := []byte(c.pid)
	flipped[30] ^= 1
	for _, auth := range []string{
		fmt.Sprintf(`{"pid":%q,"offset":"good"}`, c.id),
		fmt.Sprintf(`{"pid":%q,"offset":"good"}`, c.id+other.pid[26:]),
		fmt.Sprintf(`{"pid":%q,"offset":"good"}`, string(flipped)),
		fmt.Sprintf(`{"pid":%q,"offset":"good"}`, c.pid+"A"),
		fmt.Sprintf(`{"pid":%q,"offset":"good"}`, c.pid[:len(c.pid)-1]),
		fmt.Sprintf(`{"pid":[%q],"offset":"good"}`, c.pid),
		fmt.Sprintf(`{"pid":%q,"offset":{"good":1}}`, c.pid),
		fmt.Sprintf(`{"token":{"pid":%q,"offset":"good"}}`, c.pid),
		`{"pid":""}`, `{"pid":null,"offset":null}`,
	} {
		p := open(t, k.url, "4")
		p.post("40" + auth)
		c.isNew(p.poll())
	}
	if _, got := k.back(c.pid, "good"); got != c.restored("hello") { // all the same
		t.Errorf("got %s", got)
	}

	// Clients of version 4 have no pid, and none is theirs.
	p := open(t, k.url, "3")
	if got := p.poll(); got != "2:40" {
		t.Errorf("the answer to version 3 is %s", got)
	}
}

// Of other namespaces, and of other servers, nothing is known.
func TestRecoveryNamespaces(t *testing.T) {
	k := newKeeper(t, socketio.Recovery{})
	c := k.join("hello")
	c.post("40/custom,")
	if got := anyID(c.poll()); got != `40/custom,{"sid":"…"}` {
		t.Errorf("a namespace without recovery answers %s", got)
	}
	c.post("1")
	k.ends("transport close")
	_, got := newKeeper(t, socketio.Recovery{}).back(c.pid, "good")
	c.isNew(got)
}

func TestMaxAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    socketio.Recovery
	}{
		{"clients", socketio.Recovery{MaxAway: 2}},
		{"bytes", socketio.Recovery{MaxBytes: 2 * 400}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKeeper(t, tt.r)
			var list []known
			for _, word := range []string{"first", "second", "third"} {
				c := k.join(word)
				c.post("1")
				k.ends("transport close")
				list = append(list, c)
			}
			_, got := k.back(list[0].pid, "good")
			list[0].isNew(got)
			for i, word := range slices.Backward([]string{"", "second", "third"}) {
				if word == "" {
					break
				}
				if _, got := k.back(list[i].pid, "good"); got != list[i].restored(word) {
					t.Errorf("%s: got %s", word, got)
				}
			}
		})
	}
}
