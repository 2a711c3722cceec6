package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/brokertest"
)

// askTimeout is how long nodes have to answer in these tests.
const askTimeout = time.Second

// A hub passes messages between nodes and counts who listens, as Redis does.
type hub struct {
	mu        sync.Mutex
	listeners map[string][]*nodes // guarded by mu; by tag
	strangers int                 // guarded by mu; who listen as well and say nothing
	away      error               // guarded by mu; why nothing can be published
	said      []arrival           // guarded by mu
}

// A spoke is the broker of one node.
type spoke struct {
	brokertest.Near

	hub  *hub
	node *nodes
}

func (s *spoke) Listen(tag string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.listeners[tag] = append(s.hub.listeners[tag], s.node)
}

func (s *spoke) Unlisten(tag string) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.hub.listeners[tag] = slices.DeleteFunc(s.hub.listeners[tag], func(n *nodes) bool { return n == s.node })
}

func (s *spoke) Publish(_ context.Context, tag string, data []byte) (int, error) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	if s.hub.away != nil {
		return 0, s.hub.away
	}
	s.hub.said = append(s.hub.said, arrival{tag, data})
	for _, n := range s.hub.listeners[tag] {
		n.message(tag, data)
	}
	return len(s.hub.listeners[tag]) + s.hub.strangers, nil
}

// set says who listens and says nothing, and why nothing can be published.
func (h *hub) set(strangers int, away error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.strangers, h.away = strangers, away
}

func (*spoke) Run(context.Context, channels.Sink) error { return nil }

// join makes a node that answers "name" with its name, until the test ends.
func (h *hub) join(t *testing.T, name string, keys ...[]byte) *nodes {
	log := logrus.New()
	log.SetOutput(io.Discard)
	var s *seal
	if len(keys) > 0 {
		s = newSeal(keys, time.Now)
	}
	broker := &spoke{hub: h}
	n := newNodes(channels.NewNode(), broker, log, s, 1<<20, askTimeout)
	broker.node = n
	handle(n, "name", func(greeting string) string { return greeting + " " + name })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.run(ctx) }() // ends with ctx
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run = %v, want nil", err)
		}
	})
	return n
}

// check asks and fails the test unless these nodes answer, of so many, after a time.
func (n *nodes) check(t *testing.T, what, names string, nodes int, after time.Duration) {
	t.Helper()
	began := time.Now()
	answers, got, err := n.ask(t.Context(), "name", "I am")
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	list := decodeAll[string](answers)
	slices.Sort(list)
	for i := range list {
		list[i] = strings.TrimPrefix(list[i], "I am ")
	}
	if joined := strings.Join(list, " "); joined != names || got != nodes || time.Since(began) != after {
		t.Errorf("%s: %q answered, of %d, after %v; want %q of %d after %v", what, joined, got, time.Since(began), names, nodes, after)
	}
}

func TestAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{listeners: map[string][]*nodes{}}
		alone := h.join(t, "alone")
		a, b := h.join(t, "a", clusterKey), h.join(t, "b", clusterKey)
		c := h.join(t, "c", otherKey, clusterKey) // believes a and b, who do not believe it
		synctest.Wait()
		alone.check(t, "without a key", "alone", 1, 0)
		if len(h.said) != 0 {
			t.Errorf("a node without a key published %d messages", len(h.said))
		}
		c.check(t, "what the others do not believe", "c", 3, askTimeout)
		c.seal.use([][]byte{clusterKey})
		a.check(t, "all", "a b c", 3, 0)
		b.check(t, "from another", "a b c", 3, 0)
		h.set(1, nil)
		a.check(t, "with somebody who says nothing", "a b c", 4, askTimeout)
		h.set(0, nil)
		delete(b.kinds, "name")
		a.check(t, "with one who knows no answer", "a c", 3, askTimeout)
		a.broker.Unlisten(nodesTag)
		c.check(t, "when it is not there", "c", 2, askTimeout)
		a.check(t, "when it is not heard itself", "a c", 3, askTimeout)

		away := errors.New("away")
		h.set(0, away)
		answers, nodes, err := a.ask(t.Context(), "name", "I am")
		if !errors.Is(err, away) || len(answers) != 1 || nodes != 1 {
			t.Errorf("while the broker is away: %s of %d, %v; want its own answer and why", answers, nodes, err)
		}
		if len(a.asking)+len(b.asking)+len(c.asking) != 0 {
			t.Error("questions are kept after they were answered")
		}
	})
}

// A hundred questions at once, from both sides.
func TestAskAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{listeners: map[string][]*nodes{}}
		a, b := h.join(t, "a", clusterKey), h.join(t, "b", clusterKey)
		synctest.Wait()
		var all sync.WaitGroup
		for i := range 100 {
			from := []*nodes{a, b}[i%2]
			all.Go(func() {
				answers, nodes, err := from.ask(t.Context(), "name", fmt.Sprint(i))
				list := decodeAll[string](answers)
				slices.Sort(list)
				if want := []string{fmt.Sprint(i, " a"), fmt.Sprint(i, " b")}; err != nil || nodes != 2 || !slices.Equal(list, want) {
					t.Errorf("answers %q of %d, %v; want %q", list, nodes, err, want)
				}
			})
		}
		all.Wait()
	})
}

// What others publish is not answered, and what was said is not heard twice.
func TestNodesRefuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hub{listeners: map[string][]*nodes{}}
		a, b := h.join(t, "a", clusterKey), h.join(t, "b", clusterKey)
		asked := 0
		handle(b, "name", func(string) string { asked++; return "" })
		synctest.Wait()
		if _, _, err := a.ask(t.Context(), "name", ""); err != nil || asked != 1 {
			t.Fatalf("asked %d times, %v; want once", asked, err)
		}
		said := slices.Clone(h.said)
		forged, err := json.Marshal(nodeMessage{Node: a.id, ID: "x", Time: time.Now().UnixMilli(), Kind: "name"})
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, arrival{nodesTag, forged}, arrival{nodeTag + b.id, forged}, arrival{nodesTag, nil})
		for _, m := range said {
			if _, err := b.broker.Publish(t.Context(), m.tag, m.data); err != nil {
				t.Fatal(err)
			}
		}
		b.message(nodesTag, make([]byte, b.most+1)) // not even looked at
		synctest.Wait()
		// The question, its answer, and what was made up: twice at those who listen.
		if asked != 1 || a.refused.Load() != 4 || b.refused.Load() != 4 {
			t.Errorf("asked %d times, refused %d and %d messages; want 1, 4 and 4", asked, a.refused.Load(), b.refused.Load())
		}
		for range 2 * nodeInbox { // it never blocks
			b.message(nodesTag, forged)
		}
	})
}
