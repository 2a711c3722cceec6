package redis

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mna/redisc"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/channels/dialect"
	"github.com/sb-stream/stream-server/internal/redisnet"
	"github.com/sb-stream/stream-server/internal/streams"
)

// Why clients may have missed messages, as they are told.
const (
	reasonLost     = "broker_lost"
	reasonTooLarge = "too_large"
	reasonOddity   = "unreadable"
)

// A Broker is the broker on a Redis, be it one, the primary of Sentinels or a
// Cluster. Make it with New; Run serves. One that does not run can still
// Publish, until Close.
//
// Its methods may be called from any goroutine; Run once.
type Broker struct {
	// Constant.
	config  Config
	names   *dialect.Set
	dialer  *dialer
	way     *way
	keeper  *redisnet.Pool     // for what was kept; nil if there are no streams, or on a Cluster
	tailed  []streams.Progress // how far each of them was read
	links   []*link            // that subscribe; none on a Cluster
	cluster *cluster           // nil: there is none

	clock      clock
	late       atomic.Int32 // tails of durable messages whose connection is not there
	tailing    atomic.Bool  // they are read
	reconnects atomic.Uint64
	refused    atomic.Uint64
}

// New makes a Broker. It connects when it is used.
func New(config Config) (*Broker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	d, err := newDialer(config.URL, config.TLS)
	if err != nil {
		return nil, err
	}
	config = config.withDefaults()
	d.connect, d.write = config.DialTimeout, config.PingTimeout
	d.largest = max(config.MaxPublish, minLargest)
	b := &Broker{config: config, dialer: d, names: config.Dialects}
	if b.names == nil {
		if b.names, err = dialect.New(dialect.Config{Prefix: config.Prefix}); err != nil {
			return nil, err
		}
	}
	if d.topology == clustered && b.names.On() {
		return nil, errors.New("redis: web servers of other systems are not heard on a Cluster: a channel has one name there, of one slot")
	}
	if d.topology == clustered {
		b.cluster = newCluster(b)
		b.way = b.cluster.way
	} else {
		b.way = d.way(config.PublishTimeout, maxActive, testAfter)
		for range config.Connections {
			l := b.newLink(d)
			if b.names.HasShared() {
				l.listen(dialect.Shared) // on each, so that all of a channel comes on its own, in order
			}
			b.links = append(b.links, l)
		}
	}
	if config.StreamPartitions > 0 {
		if b.cluster == nil {
			b.keeper = redisnet.NewPool(d.forStreams().pool(maxKeepers, testAfter))
		}
		b.tailed = make([]streams.Progress, config.StreamPartitions)
	}
	return b, nil
}

// minLargest is more bytes than any string of Redis' answers has, beside messages.
const minLargest = 4 << 10

// Listen asks for the messages of a channel.
func (b *Broker) Listen(tag string) {
	if b.cluster != nil {
		b.cluster.listen(tag)
		return
	}
	b.link(tag).listen(tag)
}

// Unlisten ends Listen.
func (b *Broker) Unlisten(tag string) {
	if b.cluster != nil {
		b.cluster.unlisten(tag)
		return
	}
	b.link(tag).unlisten(tag)
}

// link is the one that a channel is on.
func (b *Broker) link(tag string) *link {
	if b.cluster != nil {
		return b.cluster.home(tag)
	}
	if b.alone() {
		return b.links[0]
	}
	return b.links[redisc.Slot(tag)%len(b.links)]
}

// alone reports whether all channels are on one link.
func (b *Broker) alone() bool { return len(b.links) == 1 }

// all are the links there are.
func (b *Broker) all() []*link {
	if b.cluster != nil {
		return b.cluster.all()
	}
	return b.links
}

// Up reports whether the connections that subscribe are there, and their user
// may subscribe, and so are those that read durable messages, if Redis lets it.
func (b *Broker) Up() bool {
	if b.late.Load() > 0 || b.cluster != nil && !b.cluster.covered() {
		return false
	}
	return !slices.ContainsFunc(b.all(), func(l *link) bool { return !l.up.Load() || l.barred.Load() })
}

// Ordered is true: the one Redis that has a channel gives every subscriber the
// same order.
func (b *Broker) Ordered() bool { return true }

// Lag is how long Redis took to answer the last PING on a connection that
// subscribes, or how long it has not answered the next one, if that is longer:
// on the slowest of them.
func (b *Broker) Lag() (lag time.Duration) {
	for _, l := range b.all() {
		lag = max(lag, l.lagging())
	}
	return lag
}

// Address is where web servers reach this Redis: its own, that of a node of a
// Cluster, or that of the primary which Sentinels named last.
func (b *Broker) Address() (host string, port int) {
	addr := b.dialer.addr
	if b.dialer.watched != nil {
		addr = cmp.Or(b.dialer.watched.last(), addr)
	}
	host, text, _ := net.SplitHostPort(addr)
	port, _ = strconv.Atoi(text) // else it has no number
	return host, port
}

// Clustered reports whether this is a Redis Cluster, where SPUBLISH takes the
// place of PUBLISH.
func (b *Broker) Clustered() bool { return b.cluster != nil }

// Reconnects is how often such a connection was lost and made again.
func (b *Broker) Reconnects() uint64 { return b.reconnects.Load() }

// Refused is how many messages were over the limit, from Redis or to it.
func (b *Broker) Refused() uint64 { return b.refused.Load() }

// Unreadable is how many messages of others' dialects could not be read.
func (b *Broker) Unreadable() uint64 { return b.names.Refused() }

// Subscriptions is how many channels are wanted, and how many Redis has
// confirmed. Both are zero when nobody listens.
func (b *Broker) Subscriptions() (wanted, confirmed int) {
	for _, l := range b.all() {
		l.mu.Lock()
		w, c := l.subs.count()
		l.mu.Unlock()
		wanted, confirmed = wanted+w, confirmed+c
	}
	return wanted, confirmed
}

// Probes are names, one for each connection that subscribes, that begin with
// name: who hears all of them knows that none of the connections is deaf.
func (b *Broker) Probes(name string) []string {
	links := b.all()
	found := make(map[*link]string, len(links))
	for i := 0; len(found) < len(links) && i < maxProbes; i++ {
		probe := name + ":" + strconv.Itoa(i)
		if l := b.link(probe); found[l] == "" && slices.Contains(links, l) {
			found[l] = probe
		}
	}
	return slices.Sorted(maps.Values(found))
}

// maxProbes is how many names Probes tries.
const maxProbes = 10_000

// Run listens until ctx ends, and closes the Broker then. Redis may come and
// go meanwhile: the sink and the log are told once of each.
func (b *Broker) Run(ctx context.Context, sink channels.Sink) error {
	defer b.Close()
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { b.watch(ctx) }) // ends with ctx
	if b.cluster != nil {
		b.cluster.find(ctx)
	}
	for _, t := range b.newTails(sink) {
		running.Go(func() { t.run(ctx) }) // ends with ctx
		select {
		case <-t.placed: // no Live before: a durable message that follows one is read
		case <-ctx.Done():
			return nil
		}
	}
	if b.cluster != nil {
		b.cluster.run(ctx, sink)
		return nil
	}
	for _, l := range b.links {
		running.Go(func() { l.run(ctx, sink) }) // ends with ctx
	}
	return nil // once they have
}

// Close ends the connections that publish. Publish fails after it.
func (b *Broker) Close() {
	b.way.close()
	if b.keeper != nil {
		_ = b.keeper.Close()
	}
	b.dialer.close()
}
