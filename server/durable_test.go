package server_test

import (
	"fmt"
	"strings"
	"testing"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/channels/redis"
	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/web"
)

// A client that comes back to another node, or after a restart of its own, gets
// what was published durably meanwhile: once, in order, and nothing else.
func TestDurableIsRecoveredAnywhere(t *testing.T) {
	const channel = "feed:football:fantasy"
	r := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	logs.allow(r.Addr())
	begin := func() *node {
		b, err := redis.New(redis.Config{URL: r.URL(), Prefix: "sb:", StreamPartitions: 4, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		return start(t, server.Config{Broker: b, PublishKeys: []string{"key"}, History: 50})
	}
	number := 0
	publish := func(n int) {
		t.Helper()
		p, err := web.New(web.Config{URL: r.URL(), Partitions: 4})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for range n {
			number++
			if err := p.Stream(t.Context(), channel, number, web.Durable()); err != nil {
				t.Fatal(err)
			}
			if err := p.Stream(t.Context(), "another", number, web.Durable()); err != nil {
				t.Fatal(err)
			}
		}
	}
	position, seen := "", 0
	visit := func(n *node, fresh bool) {
		t.Helper()
		b := n.open(t, client.Options{})
		defer b.Close()
		a := b.call("subscribe", channel, map[string]string{"since": position})
		entry := a.Channels[channel]
		if !a.OK || entry.Recovered == nil || *entry.Recovered == fresh {
			t.Fatalf("subscribe since %q = %+v, want recovered %v", position, a, !fresh)
		}
		publish(3)
		for seen < number {
			e := b.next()
			seen++
			if e.Name != channel || string(e.Args[0]) != fmt.Sprint(seen) {
				t.Fatalf("got %s %s, want %d", e.Name, e.Args, seen)
			}
			position = strings.Trim(string(e.Args[1]), `"`)
		}
	}
	one, two := begin(), begin()
	visit(one, true)
	publish(5)
	visit(two, false)
	publish(100) // more than a node has in memory
	visit(two, false)
	publish(5)
	r.Restart()
	eventually(t, "both are ready", func() bool { return one.ready() && two.ready() })
	publish(5)
	visit(one, false)
	visit(begin(), false)
	status, answer := one.post(t, "key", `[{"channel":"`+channel+`","data":0,"durable":true},{"channel":"plain","data":1}]`)
	if status != 200 || !strings.Contains(answer, `"plain":{"sessions":0}`) || !strings.Contains(answer, `"id":"`) {
		t.Errorf("POST = %d %s, want the id of the first alone", status, answer)
	}
	conn, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	keys, err := redigo.Values(conn.Do("KEYS", "sb:stream*"))
	if err != nil || len(keys) == 0 {
		t.Fatalf("KEYS = %q, %v", keys, err)
	}
	for _, key := range keys {
		if _, err := conn.Do("XTRIM", key, "MAXLEN", 1); err != nil {
			t.Fatal(err)
		}
	}
	fresh := two.open(t, client.Options{})
	if a := fresh.call("subscribe", channel, map[string]string{"since": "0.0@1-1"}); a.Channels[channel].Recovered == nil || *a.Channels[channel].Recovered {
		t.Errorf("subscribe since what is gone = %+v, want recovered false", a)
	}
}

// So it is with the embedded broker, across its restart.
func TestEmbeddedDurableIsRecovered(t *testing.T) {
	dir, position := t.TempDir(), ""
	for round := range 3 {
		b, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Prefix: "sb:", Dir: dir, Log: quiet()})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Open(); err != nil {
			t.Fatal(err)
		}
		ctx := t.Context()
		t.Run(fmt.Sprint("round ", round), func(t *testing.T) {
			n := start(t, server.Config{Broker: b})
			keep := func(data int) {
				if _, err := b.Keep(ctx, "x", fmt.Append(nil, data)); err != nil {
					t.Fatal(err)
				}
			}
			keep(10 * round) // while nobody hears
			c := n.open(t, client.Options{})
			a := c.call("subscribe", "x", map[string]string{"since": position})
			if entry := a.Channels["x"]; !a.OK || entry.Recovered == nil || *entry.Recovered != (round > 0) {
				t.Fatalf("subscribe since %q = %+v", position, a)
			}
			keep(10*round + 1)
			for i := min(round, 1) * 10 * round; i <= 10*round+1; i++ {
				if i == 0 {
					continue // it came before anybody heard
				}
				e := c.next()
				if e.Name != "x" || string(e.Args[0]) != fmt.Sprint(i) {
					t.Fatalf("got %s %s, want %d", e.Name, e.Args, i)
				}
				position = strings.Trim(string(e.Args[1]), `"`)
			}
		})
	}
}
