package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
)

// A stream goes on where it stood on another node, which asks the first, has heard
// the same, or has it from Redis' stream; and is told when nobody knows.
func TestEventsOnAnotherNode(t *testing.T) {
	r := redistest.Start(t)
	config := server.Config{Linger: time.Minute}
	first, second := startPeer(t, r, config), startPeer(t, r, config)
	publish := func(tags string, from int) {
		for i, tag := range tags {
			redisPublish(t, r.Addr(), "sb:"+string(tag), fmt.Sprint(from+i))
		}
	}
	xadd := func(tag, data string) {
		conn, err := redis.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Do("XADD", "sb:stream", "*", "channel", tag, "data", data); err != nil {
			t.Fatal(err)
		}
	}
	// set is what comes next, of several channels in any order.
	set := func(s *stream, want ...string) {
		t.Helper()
		got := map[string]bool{}
		for range want {
			e := s.next()
			got[e.name+" "+e.data] = true
		}
		for _, one := range want {
			if !got[one] {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	}

	s := first.listen(t, "a,b,kept").hears()
	publish("abab", 1)
	xadd("kept", "5")
	set(s, "a 1", "b 2", "a 3", "b 4", "kept 5")
	s.closed()
	publish("ba", 6)
	xadd("kept", "8")
	back := second.listen(t, "a,b,kept", "Last-Event-ID", s.id)
	set(back, "b 6", "a 7", "kept 8")
	if back.hears(); len(back.gaps) > 0 {
		t.Fatalf("it was told %v, and has missed nothing", back.gaps)
	}
	if a := first.poll(t, "a,b,kept", s.id); len(a.Messages) != 3 {
		t.Errorf("a poll got %s, want three", a.texts())
	}

	// The second node has gone. The first hears a and b still, since shortly before.
	publish("ab", 9)
	set(back, "a 9", "b 10")
	back.closed()
	second.stop()
	publish("a", 11)
	xadd("kept", "12")
	third := first.listen(t, "a,b,kept", "Last-Event-ID", back.id)
	got := map[string]bool{}
	for e := third.next(); e.name != "$subscribed"; e = third.next() {
		got[e.name+" "+e.data] = true
	}
	for _, tt := range []struct{ tag, missed string }{{"a", "a 11"}, {"kept", "kept 12"}} {
		if lost := got[fmt.Sprintf(`$gap {"channel":%q,"reason":"not_recovered"}`, tt.tag)]; lost == got[tt.missed] {
			t.Errorf("of %s it got %v, want what it missed or to be told", tt.tag, got)
		}
	}
	if !got["kept 12"] {
		t.Errorf("it got %v, want what Redis has kept", got)
	}
}
