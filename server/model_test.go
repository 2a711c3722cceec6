package server

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/server/identity"
)

// Clients of two nodes come and go, subscribe, bring new tokens, let them
// expire and have channels taken away, at random; after each message it is
// looked up in a model who may have got it and who must. Sessions are real, but
// for their sockets, and time is that of the test.

const (
	modelKey   = "a key of at least 32 bytes, for the model"
	modelGrace = 10 * time.Second
	leeway     = 30 * time.Second // for which an expired token is still taken
	tickTime   = 2 * time.Second  // by which an end may come late
)

// A model is the world of one test.
type model struct {
	t       *testing.T
	random  *rand.Rand
	bus     *bus
	people  []*person
	message int
	tagOf   map[int]string // message → its channel
	steps   []string
	ended   map[string]int // how often an end was seen, by its kind
}

var modelTags = []string{
	"feed:a", "feed:b", "private:1", "private:2", "private:x:1", "private:x:2", "member:ann", "member:bob", "member:guest:x",
}

func (m *model) step(format string, args ...any) {
	m.steps = append(m.steps, fmt.Sprintf(format, args...))
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf("%s\nafter:\n%s", fmt.Sprintf(format, args...), strings.Join(m.steps, "\n"))
}

// pick is one of a list.
func pick[T any](m *model, list []T) T { return list[m.random.IntN(len(list))] }

func (m *model) bearer() bearer {
	b := bearer{member: pick(m, []string{"", "ann", "bob"})}
	if b.member == "" {
		return b
	}
	for _, pattern := range []string{"private:1", "private:2", "private:x:*", "*"} {
		if m.random.IntN(4) == 0 {
			b.channels = append(b.channels, pattern)
		}
	}
	b.exp = time.Now().Add(time.Duration(1+m.random.IntN(90)) * time.Second).Truncate(time.Second)
	return b
}

// run is one sequence.
func (m *model) run(length int) {
	m.steps = nil
	for range length {
		p := pick(m, m.people)
		if p.wire == nil {
			m.connect(p, m.bearer())
			continue
		}
		switch m.random.IntN(13) {
		case 0:
			p.say("41") // leaves
			p.Close()
			p.wire = nil
			m.step("%p leaves", p)
		case 1: // comes back, on either node, with what it has
			again := slices.Sorted(maps.Keys(p.hears))
			p.Close()
			p.wire = nil
			for range m.random.IntN(4) {
				m.publish()
			}
			if time.Since(p.who.exp.Add(leeway)) > -tickTime {
				p.who = m.bearer()
			}
			m.connect(p, p.who)
			for _, tag := range again {
				if ok, _ := m.call(p, "subscribe", tag, map[string]any{"since": p.position}); ok {
					p.hears[tag] = true
				}
			}
		case 2:
			m.identify(p)
		case 3, 4:
			time.Sleep(time.Duration(m.random.IntN(40_000)) * time.Millisecond)
			m.step("%v later", time.Now())
			m.publish()
		case 5, 6, 7:
			m.subscribe(p)
		case 8:
			m.revoke(p)
		default:
			m.publish()
		}
		synctest.Wait()
	}
}

func TestMembersOnly(t *testing.T) {
	const worlds, sequences = 100, 100
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	total := make(map[string]int)
	for world := range uint64(worlds) {
		synctest.Test(t, func(t *testing.T) {
			m := &model{t: t, random: rand.New(rand.NewPCG(seed, world)), bus: &bus{}, ended: total, tagOf: make(map[int]string)}
			log := logrus.New()
			log.SetOutput(io.Discard)
			for range 2 {
				s, err := New(Config{
					Broker: m.bus, Log: log, PingInterval: 24 * time.Hour, PingTimeout: 24 * time.Hour, TokenGrace: modelGrace, Linger: 5 * time.Minute,
					Identity:    identity.Config{Keys: [][]byte{[]byte(modelKey)}},
					ClusterKeys: [][]byte{[]byte(modelKey)},
				})
				if err != nil {
					t.Fatal(err)
				}
				m.bus.nodes = append(m.bus.nodes, s)
			}
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			for _, s := range m.bus.nodes {
				go s.nodes.run(ctx)
			}
			time.Sleep(time.Second) // what was said at the very start is not believed
			for range 4 {
				m.people = append(m.people, &person{})
			}
			for range sequences {
				m.run(8)
			}
			for _, p := range m.people {
				if p.wire != nil {
					p.Close()
				}
			}
			stop()
			synctest.Wait()
			for _, s := range m.bus.nodes {
				if n := s.sessions.Len(); n != 0 {
					t.Errorf("%d sessions are left", n)
				}
				if len(s.agenda.due) != 0 {
					t.Errorf("the agenda has %v after everybody has left", s.agenda.due)
				}
				_ = s.io.Shutdown(t.Context())
				s.agenda.Close()
				s.channels.Close()
				s.rules.Load().stop()
			}
		})
	}
	for _, reason := range []string{reasonExpired, reasonChanged, reasonOperator, "replayed"} {
		if total[reason] < 100 {
			t.Errorf("%d channels ended, or messages came, as %s: the test tests too little", total[reason], reason)
		}
	}
}
