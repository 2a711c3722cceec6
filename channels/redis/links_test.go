package redis

import (
	"fmt"
	"strings"
	"testing"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// Channels are spread over the connections, each on one: when one of them is
// lost, its channels are told and no others, and the rest goes on.
func TestConnections(t *testing.T) {
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL(), Connections: 4})
	var tags []string
	of := make(map[*link][]string)
	for i := range 40 {
		tag := fmt.Sprint("channel ", i)
		b.Listen(tag)
		tags = append(tags, tag)
		of[b.link(tag)] = append(of[b.link(tag)], tag)
	}
	b.waitLive(t, tags...)
	if len(of) != 4 {
		t.Fatalf("40 channels are on %d connections, want 4", len(of))
	}
	if w, c := b.Subscriptions(); w != 40 || c != 40 {
		t.Errorf("Subscriptions() = %d, %d, want 40, 40", w, c)
	}
	probes := b.Probes("$canary:x")
	hit := make(map[*link]bool)
	for _, probe := range probes {
		hit[b.link(probe)] = true
	}
	if len(probes) != 4 || len(hit) != 4 {
		t.Errorf("Probes = %q, which are on %d connections, want 4 on 4", probes, len(hit))
	}

	lost := tags[0]
	b.Redial(lost, "deaf")
	b.wait(t, "the loss is told", func() bool { return len(b.lost) == 1 })
	told := b.losses()[0]
	for _, tag := range tags {
		of := b.link(tag) == b.link(lost)
		// One name is a part of another's: fmt has brackets around and spaces between.
		if is := strings.Contains(strings.TrimSuffix(told, "]")+" ", " "+tag+" "); is != of {
			t.Errorf("the loss of the connection of %s says %s of %s: want %v", lost, told, tag, of)
		}
	}
	if !strings.HasPrefix(told, "[deaf ") {
		t.Errorf("the loss = %s, want the reason first", told)
	}
	b.waitLive(t, tags...)
	for _, tag := range tags {
		if _, err := b.Publish(t.Context(), tag, []byte("1")); err != nil {
			t.Fatal(err)
		}
		b.waitMessage(t, tag, "1")
	}
	if got := b.Reconnects(); got != 1 {
		t.Errorf("Reconnects() = %d, want 1", got)
	}
	if !b.Up() {
		t.Error("Up() = false with all connections there")
	}
}

// After a failover the Broker is on the new primary, by itself: who listened is
// told of the gap, and hears what is published and kept there.
func TestSentinel(t *testing.T) {
	t.Parallel() // it waits
	set := redistest.StartSentinel(t)
	config := quick(set.URL(), 1)
	config.Connections, config.PingInterval = 2, 0
	b := run(t, config)
	if err := b.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Listen("x")
	b.Listen("y")
	b.waitLive(t, "x", "y")
	if _, err := b.Publish(t.Context(), "x", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Keep(t.Context(), "y", []byte("1")); err != nil {
		t.Fatal(err)
	}
	b.waitMessage(t, "x", "1")
	b.waitDurable(t, "y", "1")
	set.Primary.Do("WAIT", 1, 2000)
	set.Primary.Kill()
	b.wait(t, "the loss is told", func() bool { return !b.up["x"] && !b.up["y"] })
	if b.Up() {
		t.Error("Up() = true without a primary")
	}
	set.Promoted()
	b.waitLive(t, "x", "y")
	eventually(t, "it publishes", func() bool { _, err := b.Publish(t.Context(), "x", []byte("2")); return err == nil })
	eventually(t, "it keeps", func() bool { _, err := b.Keep(t.Context(), "y", []byte("2")); return err == nil })
	b.waitMessage(t, "x", "2")
	b.waitDurable(t, "y", "1", "2")
	if got := string(redigoRole(t, set.Replica)); got != "master" {
		t.Errorf("the Redis that was the replica is %s", got)
	}
	eventually(t, "Up", b.Up)
}

func redigoRole(t *testing.T, s *redistest.Server) []byte {
	t.Helper()
	role, err := redigo.Values(s.Do("ROLE"), nil)
	if err != nil {
		t.Fatal(err)
	}
	name, _ := role[0].([]byte)
	return name
}

// A primary that lives on as a replica is left, although its connections are
// well: Sentinels that cannot reach it do not close them.
func TestSentinelDemoted(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinel(t)
	b := run(t, Config{URL: set.URL(), PingInterval: 0, MinRedial: 1, MaxRedial: 1e8})
	b.Listen("x")
	b.waitLive(t, "x")
	set.Primary.Pause() // as a partition: it answers nobody
	set.Promoted()
	set.Primary.Resume()
	b.wait(t, "it listens to the new primary", func() bool {
		counts, err := redigo.Values(set.Replica.Do("PUBSUB", "NUMSUB", "sb:x"), nil)
		return err == nil && len(counts) == 2 && counts[1] == int64(1)
	})
	set.Replica.Do("PUBLISH", "sb:x", "new")
	b.waitMessage(t, "x", "new")
}

// What no Sentinel knows is an error of one line.
func TestSentinelErrors(t *testing.T) {
	set := redistest.StartSentinel(t)
	gone := redistest.Start(t)
	gone.Kill()
	for _, tt := range []struct{ name, url, want string }{
		{"another name", strings.Replace(set.URL(), "/mymaster", "/cache", 1), `no Sentinel says where "cache" is`},
		{"nobody there", "redis-sentinel://" + gone.Addr() + "/mymaster", "connection refused"},
		{"no Sentinel", "redis-sentinel://" + set.Primary.Addr() + "/mymaster", "unknown command"},
	} {
		err := newBroker(t, Config{URL: tt.url}).Ping(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: Ping = %v, want one line with %q", tt.name, err, tt.want)
		}
	}
	first := redistest.Start(t)
	first.Kill()
	url := strings.Replace(set.URL(), "redis-sentinel://", "redis-sentinel://"+first.Addr()+",", 1)
	if err := newBroker(t, Config{URL: url}).Ping(t.Context()); err != nil {
		t.Errorf("Ping where the first Sentinel is gone = %v", err)
	}
	s, err := NewStore(Config{URL: set.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	set.Primary.Do("SET", "session", "ann")
	if value, found, err := s.Get(t.Context(), "session"); string(value) != "ann" || !found || err != nil {
		t.Errorf("Get by Sentinel = %q, %v, %v, want ann", value, found, err)
	}
}
