package channels

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A gate is a client that takes a round when it is let to.
type gate struct {
	fakeClient

	pass chan struct{}
}

func (g *gate) Send(r *Round) {
	<-g.pass
	g.fakeClient.Send(r)
}

// What comes while a round is under way goes out as one in the next. What comes
// to an idle channel goes at once.
func TestRoundsCoalesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing, Latest: func(tag string) bool { return tag == "x" }})
		g := &gate{fakeClient: fakeClient{id: "g"}, pass: make(chan struct{})}
		subscribe(cs, "x", g)
		for i := range 6 {
			go cs.Publish("x", fmt.Append(nil, i)) // the first waits for the gate
			synctest.Wait()
		}
		for range 2 {
			g.pass <- struct{}{}
		}
		synctest.Wait()
		go cs.Publish("x", []byte("6"))
		g.pass <- struct{}{}
		synctest.Wait()
		if got := g.seen(); got != "0 1 2 3 4 5 6" {
			t.Errorf("the client got %s, want all in order", got)
		}
		var sizes []int
		for _, r := range g.rounds {
			sizes = append(sizes, len(r.Messages))
			if !r.Latest || r.Channel != "x" {
				t.Errorf("a round is of channel %q, latest %v, want x, true", r.Channel, r.Latest)
			}
		}
		if got := fmt.Sprint(sizes); got != "[1 5 1]" {
			t.Errorf("the rounds have %s messages, want [1 5 1]", got)
		}
	})
}

// A publisher that is far ahead of the rounds waits for one to begin.
func TestPendingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
		g := &gate{fakeClient: fakeClient{id: "g"}, pass: make(chan struct{})}
		subscribe(cs, "x", g)
		const size = maxPending / 4
		var done atomic.Int64
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				cs.Publish("x", make([]byte, size))
				done.Add(1)
			})
			synctest.Wait()
		}
		// The first walks, those of the next round have returned.
		if got := done.Load(); got != 5 {
			t.Errorf("%d publishers have returned, want 5", got)
		}
		close(g.pass)
		all.Wait()
		synctest.Wait()
		if len(g.got) != 20 {
			t.Errorf("the client got %d messages, want 20", len(g.got))
		}
		for _, r := range g.rounds {
			if len(r.Messages) > 5 {
				t.Errorf("a round has %d messages, want at most 5", len(r.Messages))
			}
		}
	})
}

// numbered notes the numbers that it gets after its position.
type numbered struct {
	id string

	mu      sync.Mutex
	numbers []uint64
}

func (c *numbered) ID() string { return c.id }

func (c *numbered) Send(r *Round) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range r.Messages {
		c.numbers = append(c.numbers, m.number)
	}
	if len(c.numbers)%64 == 0 {
		runtime.Gosched() // so that others come between
	}
}

// Clients come and go while messages are sent on all cores: each gets every
// message after its position until it leaves, once and in order.
func TestNoHoleUnderChurn(t *testing.T) {
	for _, start := range []int{1, partSize - 2, partSize, 3 * partSize} {
		t.Run(fmt.Sprint(start), func(t *testing.T) {
			const publishers, perPublisher, movers, moves = 3, 300, 8, 150
			cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
			stay := make([]*numbered, start)
			for i := range stay {
				stay[i] = &numbered{id: fmt.Sprint("stays ", i)}
				subscribe(cs, "x", stay[i])
			}
			var all sync.WaitGroup
			for range publishers {
				all.Go(func() {
					for range perPublisher {
						cs.Publish("x", []byte("1"))
					}
				})
			}
			for m := range movers {
				all.Go(func() {
					random := rand.New(rand.NewPCG(uint64(m), uint64(start)))
					var there []*numbered
					for i := range moves {
						if len(there) > 0 && random.IntN(3) == 0 {
							at := random.IntN(len(there))
							cs.Unsubscribe("x", there[at].id)
							there = append(there[:at], there[at+1:]...)
							continue
						}
						c := &numbered{id: fmt.Sprint("mover ", m, " ", i)}
						from := subscribe(cs, "x", c).From
						there = append(there, c)
						defer func() { checkNumbers(t, c, from) }()
					}
					for _, c := range there {
						cs.Unsubscribe("x", c.id)
					}
				})
			}
			all.Wait()
			for cs.find("x").walking() {
				runtime.Gosched()
			}
			for _, c := range stay {
				if len(c.numbers) != publishers*perPublisher {
					t.Fatalf("%s got %d messages, want %d", c.id, len(c.numbers), publishers*perPublisher)
				}
			}
			if got := cs.Clients("x"); got != start {
				t.Errorf("Clients = %d, want %d", got, start)
			}
			for _, c := range stay {
				cs.Unsubscribe("x", c.id)
			}
			if heard, _ := cs.Len(); heard != 0 {
				t.Errorf("%d channels are heard by nobody", heard)
			}
		})
	}
}

// checkNumbers holds what a client got against what it was told: the next number
// first, and no hole. All messages of the test are of one channel.
func checkNumbers(t *testing.T, c *numbered, from uint64) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.numbers) == 0 {
		return
	}
	if got, want := from, c.numbers[0]-1; got != want {
		t.Errorf("%s is told that it gets what comes after %d and gets number %d first", c.id, got, c.numbers[0])
	}
	for i := 1; i < len(c.numbers); i++ {
		if c.numbers[i] != c.numbers[i-1]+1 {
			t.Fatalf("%s got %d after %d", c.id, c.numbers[i], c.numbers[i-1])
		}
	}
}

// The map holds who came and did not leave, whatever the order.
func TestClientsModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var cs clients
	model := map[string]Client{}
	for step := range 20_000 {
		id := fmt.Sprint(random.IntN(1000))
		// It grows for a while, and then shrinks, several times.
		if random.IntN(10) < 3+4*(step/2500%2) {
			_, there := model[id]
			if got := cs.remove(id); got != there {
				t.Fatalf("remove = %v, want %v", got, there)
			}
			delete(model, id)
		} else {
			c := &fakeClient{id: id}
			_, there := model[id]
			p, was := cs.claim(id, 0)
			if was != there {
				t.Fatalf("claim says there %v, want %v", was, there)
			}
			cs.put(c, p, was)
			p.mu.Unlock()
			model[id] = c
		}
		if cs.size() != len(model) {
			t.Fatalf("size = %d, want %d", cs.size(), len(model))
		}
	}
	seen := map[string]bool{}
	for _, p := range append([]*part{&cs.first}, cs.more.list[1:]...) {
		for _, c := range p.list {
			if model[c.ID()] != c || seen[c.ID()] {
				t.Errorf("the list has %s, which is gone, replaced or there twice", c.ID())
			}
			seen[c.ID()] = true
		}
	}
	if len(seen) != len(model) {
		t.Errorf("the lists have %d clients, want %d", len(seen), len(model))
	}
	for id := range model {
		cs.remove(id)
	}
	if cs.more != nil || cs.size() != 0 {
		t.Error("a map without clients is not as small as at first")
	}
}
