package presence

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
)

// What the tests are made of: a Redis of their own, nodes that lose it and die,
// and sessions that keep a list by what they are told.

// A world is what all nodes share.
type world struct {
	t      *testing.T
	random *rand.Rand
	delay  time.Duration // that a message takes at most
	alone  bool          // nodes know of no others

	mu     sync.Mutex
	nodes  []*node              // guarded by mu; those that live
	leases map[string]time.Time // guarded by mu; node → until when
	made   int                  // guarded by mu
	said   int                  // guarded by mu; messages
	ghosts int                  // guarded by mu; who listen and never answer
}

// A node has Rosters, and a connection.
type node struct {
	*Rosters

	world *world
	name  string
	end   context.CancelFunc

	// Guarded by world.mu.
	cut      bool
	mute     bool // it hears, and cannot say anything: what it says may come later
	line     int  // counts connections: what was sent on an older one is lost
	hears    map[string]bool
	last     time.Time // when the newest message arrives
	sessions []*session
}

var errCut = errors.New("cut off")

func newWorld(t *testing.T, seed, n uint64) *world {
	return &world{
		t: t, random: rand.New(rand.NewPCG(seed, n)), delay: 50 * time.Millisecond,
		leases: make(map[string]time.Time),
	}
}

// start makes a node.
func (w *world) start() *node {
	w.mu.Lock()
	w.made++
	n := &node{world: w, name: "node" + strconv.Itoa(w.made), hears: make(map[string]bool)}
	w.nodes = append(w.nodes, n)
	w.mu.Unlock()
	log := logrus.New()
	log.SetOutput(io.Discard)
	config := Config{Node: n.name, Nodes: n, Encode: encoded, Log: log}
	if w.alone {
		config.Nodes, config.Alone = nil, true
	}
	n.Rosters = New(config)
	ctx, end := context.WithCancel(context.Background())
	n.end = end
	go n.Run(ctx)
	return n
}

// die ends a node as kill -9 does.
func (n *node) die() {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	n.world.nodes = slices.DeleteFunc(n.world.nodes, func(one *node) bool { return one == n })
	n.end()
	n.cut = true
	n.line++
}

// lose cuts a node off from Redis.
func (n *node) lose() {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	n.cut = true
	n.line++
}

// mend ends lose.
func (n *node) mend() {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	n.mute = false
	if n.cut {
		n.cut = false
		for tag := range n.hears {
			n.deliverLocked(func() { n.Live(tag) })
		}
	}
}

// deliverLocked does f when it is its turn, if the connection holds until then.
func (n *node) deliverLocked(f func()) {
	now, line := time.Now(), n.line
	n.last = n.last.Add(1)
	if at := now.Add(rand.N(n.world.delay + 1)); at.After(n.last) {
		n.last = at
	}
	time.AfterFunc(n.last.Sub(now), func() {
		n.world.mu.Lock()
		holds := n.line == line
		n.world.mu.Unlock()
		if holds {
			f()
		}
	})
}

func (n *node) Listen(tag string) {
	go func() { // the lock of the Rosters is held
		n.world.mu.Lock()
		defer n.world.mu.Unlock()
		n.hears[tag] = true
		if !n.cut {
			n.deliverLocked(func() { n.Live(tag) })
		}
	}()
}

func (n *node) Unlisten(tag string) {
	go func() {
		n.world.mu.Lock()
		defer n.world.mu.Unlock()
		delete(n.hears, tag)
	}()
}

func (n *node) Say(_ context.Context, tag string, body []byte) (int, error) {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	if n.cut {
		return 0, errCut
	}
	n.world.said++
	data := slices.Concat([]byte(n.name+" "), body)
	if n.mute {
		if rand.IntN(2) == 0 {
			time.AfterFunc(rand.N(3*time.Second), func() {
				n.world.mu.Lock()
				defer n.world.mu.Unlock()
				n.world.publishLocked(tag, data)
			})
		}
		return 0, errCut
	}
	return n.world.ghosts + n.world.publishLocked(tag, data), nil
}

func (w *world) publishLocked(tag string, data []byte) (reached int) {
	for _, one := range w.nodes {
		if one.hears[tag] && !one.cut {
			reached++
			one.deliverLocked(func() { one.Message(tag, data) })
		}
	}
	return reached
}

func (*node) Open(_ string, data []byte) (string, []byte, error) {
	name, body, ok := bytes.Cut(data, []byte(" "))
	if !ok {
		return "", nil, errors.New("forged")
	}
	return string(name), body, nil
}

func (*node) Room() int { return 1 << 16 }

func (n *node) Hold(_ context.Context, ttl time.Duration) error {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	if n.cut || n.mute {
		return errCut
	}
	n.world.leases[n.name] = time.Now().Add(ttl)
	return nil
}

func (n *node) Alive(_ context.Context, name string) (bool, error) {
	n.world.mu.Lock()
	defer n.world.mu.Unlock()
	if n.cut || n.mute {
		return false, errCut
	}
	return time.Now().Before(n.world.leases[name]), nil
}
