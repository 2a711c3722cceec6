package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/mna/redisc"

	"github.com/sb-stream/stream-server/internal/redisnet"
)

// A cluster is a Redis Cluster: which primary has a slot, and a link to each
// primary. A channel is subscribed to at the primary of its slot, by SSUBSCRIBE
// and SUBSCRIBE (classic.go).
// When the slot goes elsewhere, so does the channel: its clients are told of the
// gap in between.
//
// Its methods may be called from any goroutine, run once. mu is taken before
// that of a link.
type cluster struct {
	// Constant.
	broker  *Broker
	way     *way
	nowhere *link         // has no connection: for channels whose slot nobody has
	stale   chan struct{} // holds one value while the slots have to be asked for
	changed chan struct{} // holds one value while channels may be on the wrong link
	muted   atomic.Bool   // the log has heard that PUBLISH is not

	mu     sync.Mutex
	owners [redisc.HashSlots]string  // guarded by mu; slot → address of its primary
	links  map[string]*link          // guarded by mu; by address
	homes  map[string]*link          // guarded by mu; channel → the link that it is on
	ends   map[*link]func()          // guarded by mu; what ends each, and waits
	pools  map[string]*redisnet.Pool // guarded by mu; for what was kept, by address
	closed bool                      // guarded by mu
}

// settleIn is until a channel that could not be moved is looked at again, and
// between two questions for the slots.
const settleIn = 50 * time.Millisecond

func newCluster(b *Broker) *cluster {
	c := &cluster{
		broker:  b,
		way:     b.dialer.way(b.config.PublishTimeout, maxActive, testAfter),
		nowhere: b.newLink(b.dialer),
		stale:   make(chan struct{}, 1),
		changed: make(chan struct{}, 1),
		links:   make(map[string]*link),
		homes:   make(map[string]*link),
		ends:    make(map[*link]func()),
		pools:   make(map[string]*redisnet.Pool),
	}
	c.way.nodes.LayoutRefresh = c.laid
	return c
}

// laid takes the slots as the Cluster says that they are.
func (c *cluster) laid(_, now [redisc.HashSlots][]string) {
	c.mu.Lock()
	for i, nodes := range now {
		c.owners[i] = ""
		if len(nodes) > 0 {
			c.owners[i] = nodes[0]
		}
	}
	c.mu.Unlock()
	notify(c.changed)
}

// doubt has the Cluster asked for its slots.
func (c *cluster) doubt() { notify(c.stale) }

func notify(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // it is noted
	}
}

// owner is the address of the primary that has a key or a channel; "" if nobody
// has it.
func (c *cluster) owner(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.owners[redisc.Slot(name)]
}

// rightLocked is the link that a channel should be on.
func (c *cluster) rightLocked(tag string) *link {
	if l := c.links[c.owners[redisc.Slot(c.broker.config.Prefix+tag)]]; l != nil {
		return l
	}
	return c.nowhere
}

func (c *cluster) listen(tag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.homes[tag]
	if l == nil {
		l = c.rightLocked(tag)
		c.homes[tag] = l
	}
	l.listen(tag)
}

func (c *cluster) unlisten(tag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.homes[tag]; l != nil {
		delete(c.homes, tag)
		l.unlisten(tag)
	}
}

// home is the link that a channel is on, or would be.
func (c *cluster) home(tag string) *link {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.homes[tag]; l != nil {
		return l
	}
	return c.rightLocked(tag)
}

// all are the links to primaries.
func (c *cluster) all() []*link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.links))
}

// covered reports whether somebody has each slot.
func (c *cluster) covered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !slices.Contains(c.owners[:], "")
}

// refresh asks for the slots.
func (c *cluster) refresh() error {
	if err := c.way.nodes.Refresh(); err != nil {
		return fmt.Errorf("no node of the Cluster says who has which slots: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}

// find asks for the slots until they are known, and for the time.
func (c *cluster) find(ctx context.Context) {
	b := c.broker
	var away outage
	for tries := 0; ; tries++ {
		err := c.refresh()
		if err == nil {
			away.over(b.config.Log)
			b.refresh(ctx)
			return
		}
		away.note(b.config.Log, err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(b.redial(tries)):
		}
	}
}

// end ends all links.
func (c *cluster) end() {
	c.mu.Lock()
	ends := slices.Collect(maps.Values(c.ends))
	clear(c.ends)
	pools := slices.Collect(maps.Values(c.pools))
	c.closed = true
	c.mu.Unlock()
	for _, end := range ends {
		end()
	}
	for _, pool := range pools {
		_ = pool.Close() // which waits for those who ask it
	}
}

// errNoOwner is that of a key whose slot nobody is known to have.
var errNoOwner = errors.New("no node of the Cluster is known to have the slot")

// keeper is a connection for what was kept, to the primary that has the stream.
func (c *cluster) keeper(ctx context.Context, key string) (redis.Conn, error) {
	c.mu.Lock()
	addr := c.owners[redisc.Slot(key)]
	pool := c.pools[addr]
	switch {
	case addr == "" || c.closed:
		c.mu.Unlock()
		return nil, errNoOwner
	case pool == nil:
		pool = redisnet.NewPool(c.broker.dialer.at(addr).forStreams().pool(maxKeepers, testAfter))
		c.pools[addr] = pool
	}
	c.mu.Unlock()
	return pool.GetContext(ctx)
}
