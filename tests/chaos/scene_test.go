package chaos

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// A cast says who takes part in a scene.
type cast struct {
	store   *store // standalone, and made by the scene, if not set
	nodes   int
	clients int
	polling int           // of the clients, by long-polling
	shims   int           // further clients: the shim itself, in Node
	patient bool          // the clients wait for a ping however long it takes
	flags   []string      // of each node
	redis   []string      // options of redis-server
	drain   time.Duration // of each node; 10 s
}

// A store is the Redis of a scene.
type store struct {
	url func() string // for the next node
	way func() way    // for web servers
}

// A scene is nodes behind a balancer on a Redis, clients that listen, and
// web servers that publish.
//
// Every client hears one plain and one durable channel that all hear, and one
// plain and one durable channel that nobody else hears.
type scene struct {
	t         *testing.T
	store     *store
	redis     *redistest.Server // standalone; nil if the store is another
	links     []*link           // of each node to it
	nodes     []*node
	balancer  *balancer
	channels  []*channel
	listeners []*listener
	flags     []string

	listening context.CancelFunc
	listens   sync.WaitGroup
	quit      func() // ends publishing; nil while nobody publishes
}

// settled is how long nothing comes any more when all has come that will.
const settled = 3 * time.Second

// durableRedis are the options with which Redis keeps what it has accepted.
var durableRedis = []string{"--appendonly", "yes", "--appendfsync", "always"}

// setScene starts all of a scene, up to the clients' subscriptions, and ends it
// with the test.
func setScene(t *testing.T, c cast) *scene {
	t.Helper()
	s := &scene{t: t, store: c.store, flags: c.flags}
	if s.store == nil {
		s.redis = redistest.Start(t, c.redis...)
		s.store = &store{s.link, func() way { return &pipeline{dial: dialRedis(s.redis.Addr())} }}
	}
	if c.drain > 0 {
		s.flags = append(s.flags, known(t, fmt.Sprintf("--drain=%v", c.drain))...)
	}
	for range c.nodes {
		s.startNode()
	}
	s.balancer = startBalancer(t, s.nodes...)
	shared, durable := s.channel("all", plainShared), s.channel("all:durable", durableShared)
	for i := range c.clients + c.shims {
		l := newListener(s.balancer.url, shared, durable,
			s.channel(fmt.Sprintf("one:%d", i), plainSingle), s.channel(fmt.Sprintf("one:%d:durable", i), durableSingle))
		l.polling = i < c.polling && knows(t, "--node-address") // else polls find another node
		l.patient = c.patient
		s.listeners = append(s.listeners, l)
	}
	s.listen(c.clients)
	return s
}

// link is a new one to the standalone Redis.
func (s *scene) link() string {
	l := startLink(s.t, s.redis.Addr())
	s.links = append(s.links, l)
	return l.url()
}

// startNode adds a node, with a link of its own. It is not behind the balancer.
func (s *scene) startNode() *node {
	s.t.Helper()
	n := startNode(s.t, s.store.url(), s.flags...)
	s.nodes = append(s.nodes, n)
	return n
}

func (s *scene) channel(tag string, k kind) *channel {
	c := &channel{tag: tag, kind: k}
	s.channels = append(s.channels, c)
	return c
}

// listen lets the clients in, and waits until all are subscribed. Those after
// the first so many are in Node.
func (s *scene) listen(here int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.listening = cancel
	s.t.Cleanup(s.end)
	for _, l := range s.listeners[:here] {
		s.listens.Go(func() { l.run(ctx) }) // ends with ctx
	}
	startBrowsers(s.t, s.balancer.url, s.listeners[here:])
	eventually(s.t, patience, "all clients are subscribed", func() bool {
		return !slices.ContainsFunc(s.listeners, func(l *listener) bool { return l.connects.Load() == 0 })
	})
	for _, l := range s.listeners {
		l.mu.Lock()
		failures := l.failures
		l.mu.Unlock()
		if len(failures) > 0 {
			s.t.Logf("a client could not connect at first: %s", failures[0])
			return
		}
	}
}

// publish begins to publish so many messages a second on each channel.
func (s *scene) publish(perChannel float64) {
	s.quit = publishing(s.store.way, perChannel*float64(len(s.channels)), s.channels)
}

// settle ends publishing, waits until the clients have what was published,
// and judges by kind what each got.
func (s *scene) settle() (by [kinds]verdict) {
	s.t.Helper()
	s.quit()
	s.quit = nil
	newest := make(map[*channel]int)
	for _, c := range s.channels {
		newest[c] = c.last()
	}
	// A message that is lost at the end never comes: it is judged below.
	moved, count := time.Now(), -1
	for time.Since(moved) < settled {
		behind := 0
		for _, l := range s.listeners {
			behind += l.behind(newest)
		}
		if behind == 0 {
			break
		}
		if behind != count {
			moved, count = time.Now(), behind
		}
		<-time.After(10 * time.Millisecond)
	}
	s.end()
	for _, l := range s.listeners {
		for _, h := range l.heard {
			v := check(h.channel.published(), h.all())
			for i, fault := range v.faults {
				v.faults[i] = h.channel.tag + ": " + fault
			}
			by[h.channel.kind].add(v)
		}
	}
	return by
}

// behind is how many messages are between what has come and the newest.
func (l *listener) behind(newest map[*channel]int) (n int) {
	for _, h := range l.heard {
		n += max(0, newest[h.channel]-h.seen())
	}
	return n
}

// end ends publishing and listening.
func (s *scene) end() {
	if s.quit != nil {
		s.quit()
		s.quit = nil
	}
	s.listening()
	s.listens.Wait()
}

// histories are those of the channels of a kind, for all clients.
func (s *scene) histories(keep func(kind) bool) (all []*hearing) {
	for _, l := range s.listeners {
		for _, h := range l.heard {
			if keep(h.channel.kind) {
				all = append(all, h)
			}
		}
	}
	return all
}

// plainKind is for histories.
func plainKind(k kind) bool { return !k.durable() }

// told is how many of the plain subscriptions were told of a gap after a time.
func (s *scene) told(after time.Time) (told, of int) {
	all := s.histories(plainKind)
	for _, h := range all {
		if !h.first(gap, after).IsZero() {
			told++
		}
	}
	return told, len(all)
}

// firstMessage is how long after a time the first message came to any client.
func (s *scene) firstMessage(after time.Time) time.Duration {
	var first time.Time
	for _, h := range s.histories(func(kind) bool { return true }) {
		if at := h.first(message, after); !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if first.IsZero() {
		return -1
	}
	return first.Sub(after)
}

// disconnects is how many connections of clients have ended.
func (s *scene) disconnects() (n int64) {
	for _, l := range s.listeners {
		n += l.disconnects.Load()
	}
	return n
}
