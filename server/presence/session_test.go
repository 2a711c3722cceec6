package presence

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// An event is what sessions are told.
type event struct {
	name string
	body []byte
	said []json.RawMessage
}

func encoded(n News) any { return event{n.Event, n.Body, n.Said} }

// A session keeps the list of one channel.
type session struct {
	node *node
	tag  string
	who  Who

	listens bool

	mu      sync.Mutex
	left    bool            // guarded by mu
	here    map[string]bool // guarded by mu; nil: too many
	count   int             // guarded by mu
	guests  int             // guarded by mu
	news    []string        // guarded by mu; what it was told, in short
	welcome bool            // guarded by mu
}

// sit makes a session that is told nothing.
func (n *node) sit(tag string, who Who) (s *session, ready <-chan struct{}) {
	s = &session{node: n, tag: tag, who: who}
	n.world.mu.Lock()
	n.sessions = append(n.sessions, s)
	n.world.mu.Unlock()
	return s, n.Enter(tag, who, s)
}

// enter makes a session, which is welcome as a server would do it.
func (n *node) enter(tag string, who Who) *session {
	s, ready := n.sit(tag, who)
	s.listens = true
	go func() {
		select {
		case <-ready:
		case <-time.After(time.Second):
		}
		n.Welcome(s, []string{tag}, func(lists map[string]json.RawMessage) {
			if list, ok := lists[tag]; ok {
				s.set(list)
			}
		})
	}()
	return s
}

func (s *session) exit(atOnce bool) {
	s.node.world.mu.Lock()
	s.node.sessions = slices.DeleteFunc(s.node.sessions, func(one *session) bool { return one == s })
	s.node.world.mu.Unlock()
	s.node.Exit(s.tag, s, atOnce)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = true
}

func (s *session) set(body []byte) {
	var list present
	if err := json.Unmarshal(body, &list); err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.welcome = true
	s.count, s.guests, s.here = list.Count, list.Guests, nil
	if list.Members != nil {
		s.here = make(map[string]bool)
		for _, id := range list.Members {
			s.here[id] = true
		}
	}
}

func (s *session) Tell(told any) {
	e := told.(event)
	s.mu.Lock()
	if s.left || !s.welcome {
		s.mu.Unlock()
		panic("presence: a session was told " + e.name + " that has left, or is not welcome")
	}
	var news strings.Builder
	news.WriteString(e.name + " " + string(e.body))
	for _, said := range e.said {
		news.WriteString(" " + string(said))
	}
	s.news = append(s.news, news.String())
	s.mu.Unlock()
	if e.name == EventAll {
		s.set(e.body)
		return
	}
	var c change
	if err := json.Unmarshal(e.body, &c); err != nil || c.Channel != s.tag {
		panic(string(e.body))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.guests = c.Guests
	for _, id := range c.Members {
		if e.name == EventJoin {
			s.here[id] = true
		} else {
			delete(s.here, id)
		}
	}
	s.count = len(s.here)
}

// list is what the session shows.
func (s *session) list() (members []string, count, guests int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.here)), s.count, s.guests
}

// told is what the session was told since the last call.
func (s *session) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	news := s.news
	s.news = nil
	return news
}

// truth is who is in a channel on these nodes.
func (w *world) truth(tag string, nodes []*node) (members []string, guests int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	type one struct {
		id    string
		guest bool
	}
	found := map[one]bool{}
	for _, n := range nodes {
		for _, s := range n.sessions {
			if s.tag == tag {
				found[one{s.who.ID, s.who.Guest}] = true
			}
		}
	}
	for who := range found {
		if who.guest {
			guests++
		} else {
			members = append(members, who.id)
		}
	}
	slices.Sort(members)
	return members, guests
}

// check fails the test unless every session on these nodes shows who is on them.
func (w *world) check(nodes []*node, why func() string) {
	w.t.Helper()
	for _, n := range nodes {
		w.mu.Lock()
		sessions := slices.Clone(n.sessions)
		w.mu.Unlock()
		for _, s := range sessions {
			if !s.listens {
				continue
			}
			want, wantGuests := w.truth(s.tag, nodes)
			members, count, guests := s.list()
			if !slices.Equal(members, want) || count != len(want) || guests != wantGuests {
				w.t.Fatalf("%s of %s shows %v (%d) and %d guests, want %v and %d\nafter:\n%s",
					s.who.ID, n.name, members, count, guests, want, wantGuests, why())
			}
		}
	}
}

// finish ends all nodes.
func (w *world) finish() {
	for _, n := range slices.Clone(w.nodes) {
		n.die()
	}
}
