package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/brokertest"
)

// What the histories of history_test.go are made of: a Redis of the test's own,
// and nodes that hear it late, lose it, and end.

// An uttered message is one of a channel, at an index of its log.
type uttered struct {
	data []byte
	id   string // of the stream; empty: it was published without
}

// logged is a place in the log of a channel.
type logged struct {
	tag   string
	index int
}

// A redisWorld is what all nodes share: the order of everything.
type redisWorld struct {
	random *rand.Rand

	mu    sync.Mutex
	logs  map[string][]uttered     // guarded by mu; tag → all that was accepted
	kept  map[string]int           // guarded by mu; tag → how many of a durable channel's are gone
	ids   int                      // guarded by mu
	lines map[*lateBroker]struct{} // guarded by mu; of nodes that live
}

// A lateBroker is a node's connection: what Redis sends is in line for a while.
type lateBroker struct {
	brokertest.Near

	world *redisWorld
	node  *Server
	stop  context.CancelFunc // of its readers

	reading sync.Mutex // held while something is given to the node: else nobody knows whose number it is

	mu     sync.Mutex
	line   queue // guarded by mu; what comes by PUBLISH
	stream queue // guarded by mu; what comes by XADD
	hears  map[string]bool
	index  map[uint64]logged // guarded by mu; number of this node → what it is there
	most   time.Duration     // guarded by mu; that one item may take
	gone   bool              // guarded by mu
}

func (*lateBroker) Run(ctx context.Context, _ channels.Sink) error {
	<-ctx.Done()
	return nil
}

func (b *lateBroker) Listen(tag string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hears[tag] = true
	b.line.add(func() { b.node.Live(tag) })
}

func (b *lateBroker) Unlisten(tag string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.hears, tag)
}

// A queue is what Redis has sent and the node has not read, oldest first.
type queue struct {
	items []func()

	connection int           // counts those that there were
	more       chan struct{} // holds one value while there may be some
}

func (q *queue) add(f func()) {
	q.items = append(q.items, f)
	select {
	case q.more <- struct{}{}:
	default:
	}
}

// run is the reader of a queue.
func (b *lateBroker) run(ctx context.Context, q *queue) {
	random := rand.New(rand.NewPCG(1, 2))
	for {
		b.mu.Lock()
		var next func()
		if len(q.items) > 0 {
			next = q.items[0]
			q.items = q.items[1:]
		}
		most, connection := b.most, q.connection
		b.mu.Unlock()
		if next == nil {
			select {
			case <-q.more:
				continue
			case <-ctx.Done():
				return
			}
		}
		time.Sleep(time.Duration(random.Int64N(int64(most) + 1)))
		if ctx.Err() != nil {
			return
		}
		b.reading.Lock()
		b.mu.Lock()
		current := connection == q.connection
		b.mu.Unlock()
		if current { // else it was lost with the connection
			next()
		}
		b.reading.Unlock()
	}
}

// Publish brings markers and messages to whoever hears the channel.
func (b *lateBroker) Publish(_ context.Context, tag string, data []byte) (int, error) {
	return b.world.publish(tag, data, -1), nil
}

func (w *redisWorld) publish(tag string, data []byte, index int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for b := range w.lines {
		b.mu.Lock()
		if b.hears[tag] && !b.gone {
			n++
			b.line.add(func() { b.deliver(tag, bytes.Clone(data), "", index) })
		}
		b.mu.Unlock()
	}
	return n
}

// deliver gives a message to the node, and notes what number it has there.
func (b *lateBroker) deliver(tag string, data []byte, id string, index int) {
	before := b.node.channels.Last()
	if id == "" {
		b.node.Message(tag, data)
	} else {
		b.node.Durable(tag, data, id)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if after := b.node.channels.Last(); after > before && index >= 0 {
		b.index[after] = logged{tag, index}
	}
}

// at is the index of the channel's newest message that has at most this number.
func (b *lateBroker) at(tag string, number uint64) (index int, ok bool) {
	b.reading.Lock() // what a client has may not be noted yet
	defer b.reading.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	best := uint64(0)
	for n, one := range b.index {
		if n <= number && n > best && one.tag == tag {
			index, best = one.index, n
		}
	}
	return index, best > 0
}

// say publishes a message of a channel.
func (w *redisWorld) say(tag string, data []byte, durable bool) {
	w.mu.Lock()
	one := uttered{data: data}
	if durable {
		w.ids += 1 + w.random.IntN(3)
		one.id = fmt.Sprintf("%d-%d", 1000+w.ids/3, w.ids)
	}
	w.logs[tag] = append(w.logs[tag], one)
	index := len(w.logs[tag]) - 1
	if !durable {
		w.mu.Unlock()
		w.publish(tag, data, index)
		return
	}
	defer w.mu.Unlock()
	for b := range w.lines {
		b.mu.Lock()
		b.stream.add(func() { b.deliver(tag, bytes.Clone(data), one.id, index) })
		b.mu.Unlock()
	}
}

// Barrier is in line behind all that Redis has sent.
func (b *lateBroker) Barrier(ctx context.Context, tag string) error {
	done := make(chan struct{})
	b.mu.Lock()
	hears := b.hears[tag]
	b.line.add(func() { close(done) })
	b.mu.Unlock()
	if !hears {
		return errors.New("not subscribed")
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Since is what the stream has.
func (b *lateBroker) Since(ctx context.Context, tag, id string, limit int) (kept []channels.Kept, complete bool, err error) {
	b.world.mu.Lock()
	log := b.world.logs[tag]
	at := slices.IndexFunc(log, func(p uttered) bool { return p.id == id })
	if complete = at >= 0 && at+1 >= b.world.kept[tag] && len(log)-at-1 <= limit; complete {
		for _, one := range log[at+1:] {
			kept = append(kept, channels.Kept{ID: one.id, Data: bytes.Clone(one.data)})
		}
	}
	b.world.mu.Unlock()
	done := make(chan struct{})
	b.mu.Lock()
	b.stream.add(func() { close(done) })
	b.mu.Unlock()
	select {
	case <-done:
		return kept, complete, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// lose is the end of the connection, and the next one: what was in line is lost.
func (b *lateBroker) lose() {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.mu.Lock()
	b.line.items = nil
	b.line.connection++
	b.mu.Unlock()
	b.node.Lost("broker_lost")
	b.mu.Lock()
	defer b.mu.Unlock()
	for tag := range b.hears {
		b.line.add(func() { b.node.Live(tag) })
	}
}

// A party is the other nodes, as one of them reaches them.
type party struct {
	mu    sync.Mutex
	nodes map[string]*Server // guarded by mu
}

// set makes a node one of them, or takes it away if s is nil.
func (p *party) set(node string, s *Server) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nodes[node] = s
}

func (p *party) find(node string) *Server {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.nodes[node]
}

func (p *party) alive(_ context.Context, node string) error {
	if p.find(node) == nil {
		return errNodeGone
	}
	return nil
}

func (p *party) post(ctx context.Context, node, _ string, body []byte) ([]byte, error) {
	s := p.find(node)
	if s == nil {
		return nil, errNodeGone
	}
	return s.history(ctx, body)
}
