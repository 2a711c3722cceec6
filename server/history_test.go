package server

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
)

// Clients hear channels on nodes that are late, lose Redis, forget and die. They
// are cut off in the middle and go on wherever they come back, with the last
// position that they saw. Whatever happens, what a client gets of a channel is
// all of it, once and in order, or it was told where something may be missing
// (RELIABILITY.md F11).

type histories struct {
	t      *testing.T
	random *rand.Rand
	world  *redisWorld
	nodes  []*lateBroker
	alive  *party
	known  map[string]*lateBroker // node, dead ones too
	people []*reader
	steps  []string
	seen   map[string]int // how often what came about
	ends   []func()
}

var historyTags = []string{"plain:a", "plain:b", "kept:c"}

func (h *histories) step(format string, args ...any) {
	h.steps = append(h.steps, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

func (h *histories) fail(format string, args ...any) {
	h.t.Helper()
	h.t.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(h.steps, "\n"))
}

// join starts a node.
func (h *histories) join() *lateBroker {
	log := logrus.New()
	log.SetOutput(io.Discard)
	b := &lateBroker{
		world: h.world, hears: make(map[string]bool),
		line: queue{more: make(chan struct{}, 1)}, stream: queue{more: make(chan struct{}, 1)},
		index: make(map[uint64]logged), most: 3 * time.Millisecond,
	}
	s, err := New(Config{
		Broker: b, Log: log, PingInterval: 24 * time.Hour, PingTimeout: 24 * time.Hour,
		MessageRate: -1, SubscribeRate: -1, ClusterKeys: [][]byte{[]byte(modelKey)},
		History: 6, HistoryAge: 5 * time.Minute, Linger: time.Minute,
	})
	if err != nil {
		h.t.Fatal(err)
	}
	b.node, s.peers = s, h.alive
	h.known[s.node] = b
	h.alive.set(s.node, s)
	h.world.mu.Lock()
	h.world.lines[b] = struct{}{}
	h.world.mu.Unlock()
	ctx, stop := context.WithCancel(context.Background())
	go b.run(ctx, &b.line)
	go b.run(ctx, &b.stream)
	b.stop = stop
	h.ends = append(h.ends, func() {
		stop()
		_ = s.io.Shutdown(context.Background())
		s.agenda.Close()
		s.channels.Close()
		s.rules.Load().stop()
	})
	h.step("node %s joins", s.node)
	return b
}

// die is the end of a node, and a new one in its place.
func (h *histories) die(i int) {
	b := h.nodes[i]
	h.step("node %s dies", b.node.node)
	h.alive.set(b.node.node, nil)
	h.world.mu.Lock()
	delete(h.world.lines, b)
	h.world.mu.Unlock()
	b.mu.Lock()
	b.gone = true
	b.mu.Unlock()
	b.stop()
	for _, p := range h.people {
		if p.node == b {
			h.cut(p)
		}
	}
	h.nodes[i] = h.join()
}

// run is one history.
func (h *histories) run(length int) {
	for range length {
		switch p := h.people[h.random.IntN(len(h.people))]; h.random.IntN(12) {
		case 0, 1, 2, 3:
			tag := historyTags[h.random.IntN(len(historyTags))]
			durable := strings.HasPrefix(tag, "kept:")
			for range 1 + h.random.IntN(4) {
				data := strconv.Itoa(h.random.IntN(2)) // one looks like the other
				h.world.say(tag, []byte(data), durable)
			}
			h.step("%s has %d", tag, len(h.world.logs[tag]))
		case 4, 5:
			if p.node == nil {
				h.connect(p)
			}
		case 6:
			if p.node != nil {
				h.cut(p)
			}
		case 7:
			if p.node != nil {
				p.unread = append(p.unread, p.packets()...)
				h.read(p, len(p.unread))
			}
		case 8:
			pause := []time.Duration{time.Millisecond, 20 * time.Millisecond, time.Second, 4 * time.Second, 20 * time.Second, 2 * time.Minute}
			d := time.Duration(h.random.Int64N(int64(pause[h.random.IntN(len(pause))])))
			h.step("%v pass", d)
			time.Sleep(d)
		case 9:
			b := h.nodes[h.random.IntN(len(h.nodes))]
			b.mu.Lock()
			b.most = []time.Duration{time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond}[h.random.IntN(3)]
			h.step("%s takes up to %v", b.node.node, b.most)
			b.mu.Unlock()
		case 10:
			switch h.random.IntN(4) {
			case 0:
				h.die(h.random.IntN(len(h.nodes)))
			case 1:
				b := h.nodes[h.random.IntN(len(h.nodes))]
				h.step("%s loses Redis", b.node.node)
				b.lose()
			case 2:
				h.world.mu.Lock()
				h.world.kept["kept:c"] = max(0, len(h.world.logs["kept:c"])-h.random.IntN(10))
				h.world.mu.Unlock()
			}
		}
		if h.random.IntN(3) == 0 {
			synctest.Wait()
		}
	}
	// In the end everybody is there, and nothing is under way.
	for _, p := range h.people {
		if p.node == nil {
			h.connect(p)
		}
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	for _, p := range h.people {
		p.unread = append(p.unread, p.packets()...)
		h.read(p, len(p.unread))
		if !p.answered {
			h.fail("%p was not answered", p)
		}
		for tag, at := range p.at {
			if want := len(h.world.logs[tag]) - 1; at != want {
				h.fail("%p has had %d of %s in the end, want %d", p, at, tag, want)
			}
		}
	}
	for _, p := range h.people {
		h.cut(p)
	}
}

// HISTORIES is how many there are; 10,000 if it is not set.
func TestHistories(t *testing.T) {
	count := 10_000
	if n, err := strconv.Atoi(os.Getenv("HISTORIES")); err == nil {
		count = n
	}
	seed := rand.Uint64()
	if n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("seed %d", seed)
	seen := make(map[string]int)
	const perWorld = 10
	for world := range uint64(count / perWorld) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, world))
			h := &histories{
				t: t, random: random, seen: seen, alive: &party{nodes: make(map[string]*Server)}, known: make(map[string]*lateBroker),
				world: &redisWorld{random: random, logs: make(map[string][]uttered), kept: make(map[string]int), lines: make(map[*lateBroker]struct{})},
			}
			defer func() {
				for _, end := range h.ends {
					end()
				}
			}()
			for range 2 {
				h.nodes = append(h.nodes, h.join())
			}
			time.Sleep(time.Second) // what was said at the very start is not believed
			for range 3 {
				h.people = append(h.people, &reader{position: make(map[string]channels.Position), at: make(map[string]int), most: make(map[string]int)})
			}
			for range perWorld {
				h.steps = nil
				h.run(40)
			}
		})
		if t.Failed() {
			t.Fatalf("world %d", world)
		}
	}
	t.Logf("%v", seen)
	for _, what := range []string{"recovered", "replayed", "not recovered", "gap"} {
		if seen[what] < count/10 {
			t.Errorf("%s %d times in %d histories: the test tests too little", what, seen[what], count)
		}
	}
}
