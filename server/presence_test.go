package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/presence"
)

var withPresence = map[string]any{"presence": true}

// attend subscribes with presence, and fails the test unless this is who is there.
func (b *browser) attend(tag, want string) {
	b.t.Helper()
	a := b.call("subscribe", tag, withPresence)
	if !a.OK || string(a.Channels[tag].Presence) != want {
		b.t.Fatalf("subscribe %s: %+v %s, want %s", tag, a.Error, a.Channels[tag].Presence, want)
	}
}

// list is who is there, as an ack says it.
func list(guests int, members ...string) string {
	names, _ := json.Marshal(append([]string{}, members...))
	return fmt.Sprintf(`{"members":%s,"count":%d,"guests":%d}`, names, len(members), guests)
}

// news is the argument of $join and $leave on channel x.
func news(guests int, members ...string) string {
	names, _ := json.Marshal(append([]string{}, members...))
	return fmt.Sprintf(`{"channel":"x","members":%s,"guests":%d}`, names, guests)
}

// Who may hear a channel may see who else is there, and is seen, for as long.
func TestPresence(t *testing.T) {
	n := start(t, server.Config{Identity: tokens(), Redis: server.Redis{Embedded: true}, Drain: 0})
	ann := n.open(t, as(t, "ann"))
	ann.attend("x", list(0, "ann"))
	ann.attend("x", list(0, "ann")) // again is the same

	n.open(t, as(t, "spy")).hear("x") // neither sees nor is seen
	guest := n.open(t, client.Options{})
	guest.attend("x", list(1, "ann"))
	ann.want("$join", news(1))
	bob := n.open(t, as(t, "bob"))
	bob.attend("x", list(1, "ann", "bob"))
	ann.want("$join", news(1, "bob"))
	tab := n.open(t, as(t, "bob"))
	tab.attend("x", list(1, "ann", "bob"))

	if a := guest.call("identify", granted(t, "eve", time.Now().Add(time.Hour))); !a.OK {
		t.Fatalf("identify: %+v", *a.Error)
	}
	ann.want("$join", news(0, "eve"))
	if a := guest.call("subscribe", "x", map[string]any{"presence": false}); !a.OK || a.Channels["x"].Presence != nil {
		t.Fatalf("the end of presence is answered %+v", a)
	}
	ann.want("$leave", news(0, "eve")) // who hears still
	if a := guest.call("subscribe", []string{"x", "y"}, map[string]any{"presence": []string{"y", "z"}}); !a.OK ||
		a.Channels["x"].Presence != nil || string(a.Channels["y"].Presence) != list(0, "eve") {
		t.Fatalf("presence in one of two channels is answered %+v", a)
	}
	for _, nonsense := range []any{7, "x", nil, map[string]int{}, []int{1}} {
		if a := guest.call("subscribe", "x", map[string]any{"presence": nonsense}); !a.OK || a.Channels["x"].Presence != nil {
			t.Fatalf("presence %v is answered %+v", nonsense, a)
		}
	}
	if status, text := n.operate(t, "GET", "/api/channels/x/members", ""); status != 200 || text !=
		`{"channel":"x","members":[{"member":"ann","sessions":1,"present":true},{"member":"bob","sessions":2,"present":true},`+
			`{"member":"eve","sessions":1,"present":false},{"member":"spy","sessions":1,"present":false}],"guests":0,"nodes":1,"answered":1}` {
		t.Errorf("GET /api/channels/x/members = %d %s", status, text)
	}
	for name, want := range map[string]float64{"channels": 2, "members": 3, "guests": 0} {
		if got := n.metric(t, "stream_presence_"+name); got != want {
			t.Errorf("stream_presence_%s = %v, want %v", name, got, want)
		}
	}

	// An operator's word is at once, and a member stays while one session does.
	n.operate(t, "POST", "/api/disconnect", `{"session":"`+tab.session.ID+`"}`)
	n.operate(t, "POST", "/api/unsubscribe", `{"member":"bob","channel":"x"}`)
	ann.want("$leave", news(0, "bob"))
	bob.attend("x", list(0, "ann", "bob"))
	ann.want("$join", news(0, "bob"))
	began := time.Now()
	n.operate(t, "POST", "/api/disconnect", `{"member":"bob"}`)
	ann.want("$leave", news(0, "bob"))
	if took := time.Since(began); took > presence.Grace {
		t.Errorf("who was disconnected left after %v", took)
	}

	// Without an ack the list is an event.
	kim := n.open(t, as(t, "kim"))
	if err := kim.Emit("subscribe", "x", withPresence); err != nil {
		t.Fatal(err)
	}
	kim.want("$presence", `{"channel":"x","members":["ann","kim"],"count":2,"guests":0}`)
	ann.want("$join", news(0, "kim"))
	kim.call("unsubscribe", "x")
	ann.want("$leave", news(0, "kim"))
}

// A private channel shows nobody to who may not hear it, and not any more to who
// might.
func TestPresenceIsPrivate(t *testing.T) {
	n := start(t, server.Config{Identity: tokens(), Redis: server.Redis{Embedded: true}})
	later := time.Now().Add(time.Hour)
	ann, bob := n.as(t, granted(t, "ann", later, "private:*")), n.as(t, granted(t, "bob", later, "private:*"))
	ann.attend("private:x", list(0, "ann"))
	bob.attend("private:x", list(0, "ann", "bob"))
	ann.want("$join", `{"channel":"private:x","members":["bob"],"guests":0}`)
	guest := n.open(t, client.Options{})
	if a := guest.call("subscribe", "private:x", withPresence); a.OK || a.Error.Code != "forbidden" {
		t.Fatalf("a guest is answered %+v", a)
	}
	bob.call("identify", granted(t, "bob", later)) // and without the grant
	ann.want("$leave", `{"channel":"private:x","members":["bob"],"guests":0}`)
	for e := bob.next(); e.Name != "$expired"; e = bob.next() {
		if e.Name != "$session" && e.Name != "$join" {
			t.Fatalf("bob is told %s %s", e.Name, e.Args)
		}
	}
	guest.call("subscribe", "x", withPresence)
	ann.call("unsubscribe", "private:x")
	for _, b := range []*browser{bob, guest} {
		b.hear("end")
		redisPublish(t, n.broker, "sb:end", "1")
		b.want("end", "1") // and nothing before
	}
}

// eventually waits until a subscribe shows these.
func (b *browser) eventually(tag, want string) {
	b.t.Helper()
	eventually(b.t, "who is in "+tag+" is "+want, func() bool {
		return string(b.call("subscribe", tag, withPresence).Channels[tag].Presence) == want
	})
}

// Two nodes show one list. A reconnect to the other node is no news.
func TestPresenceOnTwoNodes(t *testing.T) {
	r := redistest.Start(t)
	one, two := startNode(t, r, clusterKey), startNode(t, r, clusterKey)
	ann := one.open(t, as(t, "ann"))
	ann.attend("x", list(0, "ann"))
	bob := two.open(t, as(t, "bob"))
	bob.attend("x", list(0, "ann", "bob"))
	ann.want("$join", news(0, "bob"))
	guest := two.open(t, client.Options{})
	guest.attend("x", list(1, "ann", "bob"))
	ann.want("$join", news(1))

	bob.Close()
	again := one.open(t, as(t, "bob"))
	again.attend("x", list(1, "ann", "bob"))
	guest.call("unsubscribe", "x")
	ann.want("$leave", news(0))
	again.call("unsubscribe", "x")
	ann.want("$leave", news(0, "bob")) // and before that there was nothing
	guest.attend("x", list(1, "ann"))
}

// Without the key a node shows its own people, and says that it does.
func TestPresenceWithoutClusterKey(t *testing.T) {
	r := redistest.Start(t)
	one, two := startNode(t, r), startNode(t, r)
	one.open(t, as(t, "ann")).attend("x", `{"members":["ann"],"count":1,"guests":0,"alone":true}`)
	two.open(t, as(t, "bob")).attend("x", `{"members":["bob"],"count":1,"guests":0,"alone":true}`)
}

// Redis goes and comes back: who left meanwhile has left, who came is there.
func TestPresenceAfterRedisRestart(t *testing.T) {
	r := redistest.Start(t)
	one, two := startNode(t, r, clusterKey), startNode(t, r, clusterKey)
	ann, bob, eve := one.open(t, as(t, "ann")), two.open(t, as(t, "bob")), two.open(t, as(t, "eve"))
	ann.attend("x", list(0, "ann"))
	bob.attend("x", list(0, "ann", "bob"))
	eve.attend("x", list(0, "ann", "bob", "eve"))
	r.Kill()
	eventually(t, "the nodes know", func() bool { return !one.ready() && !two.ready() })
	eve.call("unsubscribe", "x")
	late := two.open(t, as(t, "late"))
	if err := late.Emit("subscribe", "x", withPresence); err != nil {
		t.Fatal(err)
	}
	r.Restart()
	began := time.Now()
	ann.eventually("x", list(0, "ann", "bob", "late"))
	bob.eventually("x", list(0, "ann", "bob", "late"))
	if took := time.Since(began); took > presence.GoneAfter {
		t.Errorf("it took %v after Redis came back, want %v", took, presence.GoneAfter)
	}
}

// The list of a channel's members is that of all nodes, in pages.
func TestMembersOfChannel(t *testing.T) {
	r := redistest.Start(t)
	nodes := []*node{startNode(t, r, clusterKey), startNode(t, r, clusterKey)}
	for i := range 7 {
		nodes[i%2].open(t, as(t, fmt.Sprint("m", i%5))).hear("zimmer/é")
	}
	guest := nodes[1].open(t, client.Options{})
	guest.hear("zimmer/é")
	path := "/api/channels/" + url.PathEscape("zimmer/é") + "/members"
	got, after := "", ""
	for range 10 {
		status, text := nodes[0].operate(t, "GET", path+"?limit=2&after="+after, "")
		var page struct {
			Members []struct {
				Member   string
				Sessions int
			}
			Guests, Answered int
			Next             string
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil || status != 200 || page.Guests != 1 || page.Answered != 2 || len(page.Members) > 2 {
			t.Fatalf("the page after %q is %d %s", after, status, text)
		}
		for _, m := range page.Members {
			got += fmt.Sprint(m.Member, "×", m.Sessions, " ")
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if got != "m0×2 m1×2 m2×1 m3×1 m4×1 " {
		t.Errorf("the pages are of %s", got)
	}
	for path, want := range map[string]int{
		"/api/channels/nobody/members":        404,
		"/api/channels/$nodes/members":        400,
		"/api/channels/x/members?limit=0":     400,
		"/api/channels/x/members?limit=9&x=%": 400,
	} {
		if status, text := nodes[0].operate(t, "GET", path, ""); status != want {
			t.Errorf("GET %s = %d %s, want %d", path, status, text, want)
		}
	}
}
