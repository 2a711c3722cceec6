package redis

import (
	"fmt"
	"strings"
	"testing"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// spread are channels of every primary.
func spread(t *testing.T, set *redistest.Cluster) (tags []string, of map[*redistest.Server]string) {
	t.Helper()
	of = make(map[*redistest.Server]string)
	for i := range 30 {
		tag := fmt.Sprint("channel ", i)
		owner, _ := set.Owner("sb:" + tag)
		tags, of[owner] = append(tags, tag), tag
	}
	if len(of) != len(set.Nodes) {
		t.Fatalf("the channels are on %d primaries, want %d", len(of), len(set.Nodes))
	}
	return tags, of
}

// Messages, durable ones of each partition, leases and the keys of others are
// where their slot is.
func TestCluster(t *testing.T) {
	set := redistest.StartCluster(t, 3)
	config := quick(set.URL(), 8)
	b := run(t, config)
	if err := b.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	tags, of := spread(t, set)
	for _, tag := range tags {
		b.Listen(tag)
	}
	b.waitLive(t, tags...)
	for _, tag := range tags {
		if n, err := b.Publish(t.Context(), tag, []byte("1")); n != 1 || err != nil {
			t.Errorf("Publish(%s) = %d, %v, want 1 node", tag, n, err)
		}
		if _, err := b.Keep(t.Context(), tag, []byte("2")); err != nil {
			t.Errorf("Keep(%s) = %v", tag, err)
		}
		b.waitMessage(t, tag, "1")
		b.waitDurable(t, tag, "2")
		if kept, complete, err := b.Since(t.Context(), tag, b.sink.ids[tag][0], 10); len(kept) != 0 || !complete || err != nil {
			t.Errorf("Since(%s) = %v, %v, %v, want nothing more, complete", tag, kept, complete, err)
		}
		if err := b.Barrier(t.Context(), tag); err != nil {
			t.Errorf("Barrier(%s) = %v", tag, err)
		}
		if err := b.Hold(t.Context(), tag, "here", 1e10); err != nil {
			t.Errorf("Hold(%s) = %v", tag, err)
		}
		if value, err := b.Lookup(t.Context(), tag); value != "here" || err != nil {
			t.Errorf("Lookup(%s) = %q, %v, want here", tag, value, err)
		}
	}
	for owner, tag := range of { // a web server does the same
		owner.Do("SPUBLISH", "sb:"+tag, "3")
		b.waitMessage(t, tag, "3")
	}
	for i, tag := range tags { // and so does one that knows nothing of Clusters, at any node
		set.Nodes[i%len(set.Nodes)].Do("PUBLISH", "sb:"+tag, "4")
		b.waitMessage(t, tag, "4")
	}
	if got := b.losses(); len(got) != 0 {
		t.Errorf("losses = %q, want none", got)
	}
	if probes := b.Probes("$canary"); len(probes) != 3 {
		t.Errorf("Probes = %q, want one for each primary", probes)
	}
	s, err := NewStore(Config{URL: set.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for owner, tag := range of {
		owner.Do("SET", "sb:"+tag, "ann")
		if value, found, err := s.Get(t.Context(), "sb:"+tag); string(value) != "ann" || !found || err != nil {
			t.Errorf("Get by the Cluster = %q, %v, %v, want ann", value, found, err)
		}
	}
	for _, tag := range tags {
		b.Unlisten(tag)
	}
	eventually(t, "nothing is subscribed to", func() bool {
		for _, node := range set.Nodes {
			for _, kind := range []string{"SHARDCHANNELS", "CHANNELS"} {
				if channels, _ := redigo.Strings(node.Do("PUBSUB", kind), nil); len(channels) > 0 {
					return false
				}
			}
		}
		return true
	})
}

// A slot goes from one primary to another: its channel is told, and heard at
// the new one. The others notice nothing. So too when it comes back.
func TestClusterSlotMoves(t *testing.T) {
	set := redistest.StartCluster(t, 3)
	b := run(t, quick(set.URL(), 1))
	tags, of := spread(t, set)
	for _, tag := range tags {
		b.Listen(tag)
	}
	b.waitLive(t, tags...)
	from, to := set.Nodes[0], set.Nodes[1]
	moved := of[from]
	_, slot := set.Owner("sb:" + moved)
	for i, way := range []struct{ from, to *redistest.Server }{{from, to}, {to, from}} {
		set.Move(slot, way.from, way.to)
		b.wait(t, "the loss is told", func() bool { return len(b.lost) > i })
		b.waitLive(t, moved)
		message := fmt.Sprint("moved ", i)
		eventually(t, "it is subscribed at the new primary", func() bool { return way.to.Do("SPUBLISH", "sb:"+moved, message) == int64(1) })
		b.waitMessage(t, moved, message)
		if n, err := b.Publish(t.Context(), moved, []byte(message+" published")); n != 1 || err != nil {
			t.Errorf("Publish = %d, %v, want 1 node", n, err)
		}
		b.waitMessage(t, moved, message+" published")
		way.from.Do("PUBLISH", "sb:"+moved, message+" by PUBLISH")
		b.waitMessage(t, moved, message+" by PUBLISH")
		eventually(t, "the old primary has no subscription left", func() bool {
			left, err := redigo.Strings(way.from.Do("PUBSUB", "CHANNELS", "sb:"+moved), nil)
			return err == nil && len(left) == 0
		})
	}
	if got := b.losses(); len(got) != 2 || strings.Join(got, "") != strings.Repeat("[broker_lost "+moved+"]", 2) {
		t.Errorf("losses = %q, want that of %s alone, twice", got, moved)
	}
	for _, tag := range tags {
		if n, err := b.Publish(t.Context(), tag, []byte("last")); n != 1 || err != nil {
			t.Errorf("Publish(%s) = %d, %v, want 1 node", tag, n, err)
		}
		b.waitMessage(t, tag, "last")
	}
}

// A primary is killed and its replica takes over: its channels are told and
// those of the others are not, and all are heard again.
func TestClusterFailover(t *testing.T) {
	t.Parallel() // it waits
	set := redistest.StartCluster(t, 3)
	set.AddReplicas()
	b := run(t, quick(set.URL(), 8))
	tags, of := spread(t, set)
	for _, tag := range tags {
		b.Listen(tag)
	}
	b.waitLive(t, tags...)
	dead := set.Nodes[0]
	lost := of[dead]
	dead.Kill()
	b.wait(t, "the loss is told", func() bool { return !b.up[lost] })
	if b.Up() {
		t.Error("Up() = true without a primary")
	}
	b.waitLive(t, tags...)
	for _, tag := range tags {
		eventually(t, tag+" is published", func() bool { _, err := b.Publish(t.Context(), tag, []byte("again")); return err == nil })
		b.waitMessage(t, tag, "again")
		eventually(t, tag+" is kept", func() bool { _, err := b.Keep(t.Context(), tag, []byte("kept")); return err == nil })
		b.wait(t, "it is delivered", func() bool { return len(b.durable[tag]) > 0 })
	}
	for owner, tag := range of {
		told := strings.Contains(fmt.Sprint(b.losses()), "broker_lost "+tag) || strings.Contains(fmt.Sprint(b.losses()), " "+tag+" ") ||
			strings.Contains(fmt.Sprint(b.losses()), " "+tag+"]")
		if told != (owner == dead) {
			t.Errorf("%s is told of a loss: %v, want %v; all: %q", tag, told, owner == dead, b.losses())
		}
	}
	eventually(t, "Up", b.Up)
}

// Where there is no Cluster, or none that has its slots, that is said in a line.
func TestClusterErrors(t *testing.T) {
	alone, gone := redistest.Start(t), redistest.Start(t)
	gone.Kill()
	for _, tt := range []struct{ name, url, want string }{
		{"no Cluster", "redis-cluster://" + alone.Addr(), "cluster support disabled"},
		{"nobody there", "redis-cluster://" + gone.Addr(), "connection refused"},
	} {
		b := newBroker(t, Config{URL: tt.url})
		if err := b.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: Ping = %v, want one line with %q", tt.name, err, tt.want)
		}
		if b.Up() {
			t.Errorf("%s: Up() = true", tt.name)
		}
	}
}

// The rights of docs/security-redis.md suffice.
func TestACL(t *testing.T) {
	cluster := func() (string, []*redistest.Server) {
		set := redistest.StartCluster(t, 3)
		return set.URL(), set.Nodes
	}
	for _, tt := range []struct {
		name, rights string
		start        func() (url string, all []*redistest.Server)
	}{
		{"Cluster", "+ssubscribe +sunsubscribe +spublish +cluster|slots +subscribe +unsubscribe", cluster},
		{"Cluster without PUBLISH", "+ssubscribe +sunsubscribe +spublish +cluster|slots", cluster},
		{"Sentinel", "+subscribe +unsubscribe +publish +info", func() (string, []*redistest.Server) {
			set := redistest.StartSentinel(t)
			return set.URL(), []*redistest.Server{set.Primary}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			url, all := tt.start()
			for _, s := range all {
				args := []any{"SETUSER", "node", "on", ">pass"}
				for right := range strings.FieldsSeq("resetchannels -@all +ping +time &sb:* +xread +xrange +xinfo|stream +xadd ~sb:stream ~sb:stream:* " + tt.rights) {
					args = append(args, right)
				}
				s.Do("ACL", append(args, "(+set +get +del ~sb:$node:*)")...)
			}
			b := run(t, quick(strings.Replace(url, "://", "://node:pass@", 1), 2))
			if err := b.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.Listen("x")
			b.waitLive(t, "x")
			if n, err := b.Publish(t.Context(), "x", []byte("1")); n != 1 || err != nil {
				t.Errorf("Publish = %d, %v, want 1 node", n, err)
			}
			if _, err := b.Keep(t.Context(), "x", []byte("2")); err != nil {
				t.Errorf("Keep = %v", err)
			}
			b.waitMessage(t, "x", "1")
			b.waitDurable(t, "x", "2")
			if _, complete, err := b.Since(t.Context(), "x", b.sink.ids["x"][0], 10); !complete || err != nil {
				t.Errorf("Since = %v, %v, want all", complete, err)
			}
			if err := b.Hold(t.Context(), "$node:a", "here", 1e10); err != nil {
				t.Errorf("Hold = %v", err)
			}
			eventually(t, "Up", b.Up)
		})
	}
}
