package presence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// People come, go, come back elsewhere and become others, nodes die, start and
// lose Redis, and Redis forgets everything, at random. In the end, and within
// GoneAfter of the last fault, every session of every node that has Redis shows
// who is there.

// A model is one sequence.
type model struct {
	*world

	steps []string
	seen  map[string]int
}

func (m *model) step(kind, format string, args ...any) {
	m.seen[kind]++
	m.steps = append(m.steps, kind+" "+fmt.Sprintf(format, args...))
}

func (m *model) who() Who {
	i := m.random.IntN(8)
	return Who{ID: []string{"ann", "bob", "eve", "joe", "kim", "guest:1", "guest:2", "guest:3"}[i], Guest: i >= 5}
}

func (m *model) tag() string { return []string{"a", "b"}[m.random.IntN(2)] }

func pick[T any](m *model, list []T) T { return list[m.random.IntN(len(list))] }

// sessions are those of all nodes.
func (m *model) sessions() (list []*session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.nodes {
		list = append(list, n.sessions...)
	}
	return list
}

// act is one step.
func (m *model) act() {
	n := pick(m, m.nodes)
	sessions := m.sessions()
	if len(sessions) == 0 || m.random.IntN(4) == 0 {
		s := n.enter(m.tag(), m.who())
		m.step("enters", "%s %s at %s", s.who.ID, s.tag, n.name)
		return
	}
	s := pick(m, sessions)
	switch m.random.IntN(16) {
	case 0, 1:
		m.step("leaves", "%s %s at %s", s.who.ID, s.tag, s.node.name)
		s.exit(true)
	case 2, 3:
		m.step("breaks off", "%s %s at %s", s.who.ID, s.tag, s.node.name)
		s.exit(false)
	case 4, 5, 6:
		s.exit(false)
		time.Sleep(rand.N(Grace))
		m.step("comes back", "%s %s from %s to %s", s.who.ID, s.tag, s.node.name, n.name)
		n.enter(s.tag, s.who)
	case 7:
		who := m.who()
		m.step("becomes", "%s %s at %s", s.who.ID, who.ID, s.node.name)
		m.mu.Lock()
		s.who = who
		m.mu.Unlock()
		s.node.Enter(s.tag, who, s)
	case 8:
		if len(m.nodes) > 1 {
			m.step("dies", "%s", n.name)
			n.die()
		}
	case 9:
		if len(m.nodes) < 3 {
			m.step("starts", "%s", m.start().name)
		}
	case 10:
		m.step("loses", "%s", n.name)
		n.lose()
	case 14, 15:
		m.step("is mute", "%s", n.name)
		m.mu.Lock()
		n.mute = true
		m.mu.Unlock()
		if m.random.IntN(2) == 0 {
			time.Sleep(rand.N(4 * time.Second))
			n.mend()
		}
	case 11:
		m.step("mends", "%s", n.name)
		n.mend()
	case 12:
		m.step("forgets", "redis")
		m.mu.Lock()
		clear(m.leases)
		nodes := slices.Clone(m.nodes)
		m.mu.Unlock()
		for _, n := range nodes {
			n.lose()
		}
		time.Sleep(rand.N(3 * time.Second))
		for _, n := range nodes {
			n.mend()
			time.Sleep(rand.N(time.Second))
		}
	case 13:
		m.mu.Lock()
		m.ghosts = m.random.IntN(2)
		m.step("listens", "%d strangers", m.ghosts)
		m.mu.Unlock()
	}
}

// settle waits for as long as is promised, and looks.
func (m *model) settle(all bool) {
	m.mu.Lock()
	nodes := slices.Clone(m.nodes)
	m.mu.Unlock()
	for _, n := range nodes {
		if all || n.mute { // what a mute node says comes, at times
			n.mend()
		}
	}
	time.Sleep(GoneAfter)
	synctest.Wait()
	nodes = slices.DeleteFunc(nodes, func(n *node) bool { return n.cut })
	m.check(nodes, func() string { return strings.Join(m.steps, "\n") })
	m.step("settles", "%d nodes", len(nodes))
}

func TestEveryNodeShowsTheTruth(t *testing.T) {
	const worlds, rounds = 60, 25
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	seen := make(map[string]int)
	for n := range uint64(worlds) {
		synctest.Test(t, func(t *testing.T) {
			m := &model{world: newWorld(t, seed, n), seen: seen}
			defer m.finish()
			for range 1 + m.random.IntN(3) {
				m.start()
			}
			for range rounds {
				for range m.random.IntN(12) {
					m.act()
					time.Sleep(rand.N(time.Duration(1+m.random.IntN(3000)) * time.Millisecond))
				}
				m.settle(m.random.IntN(2) == 0)
			}
			m.settle(true)
			for _, s := range m.sessions() {
				s.exit(false)
			}
			m.settle(true)
			time.Sleep(time.Minute) // two of the others' rounds
			for _, n := range m.nodes {
				n.Rosters.mu.Lock()
				if len(n.rosters)+len(n.peers)+len(n.queue)+len(n.lingering)+len(n.dirty) > 0 {
					t.Errorf("%d rosters and %d peers are left when everybody has gone", len(n.rosters), len(n.peers))
				}
				n.Rosters.mu.Unlock()
			}
		})
	}
	t.Log(seen)
	for _, kind := range []string{"enters", "leaves", "breaks off", "comes back", "becomes", "dies", "starts", "loses", "mends", "forgets", "listens", "is mute"} {
		if seen[kind] < worlds {
			t.Errorf("%s happened %d times: the test tests too little", kind, seen[kind])
		}
	}
}
