package redis

import (
	"fmt"
	"maps"
	"testing"
	"time"
)

// A model is a Redis that answers in order, and the two sides of the state
// machine: what the server wished last, and what it was told.
type model struct {
	t    *testing.T
	subs *subscriptions
	now  time.Time

	wire      []*command          // sent, and not yet seen by Redis
	replies   []func() error      // by Redis, and not yet read
	held      map[string]bool     // what Redis has subscribed this connection to
	classic   map[string]bool     // the same by the classic half of each command, which is never refused
	forbidden map[string]bool     // what its ACL refuses
	wanted    map[string]bool     // between listen and unlisten
	told      map[string]bool     // Live was begun since listen or the break
	live      []map[string]string // calls of Live under way
}

func newModel(t *testing.T) *model {
	return &model{
		t: t, subs: newSubscriptions(), now: time.Unix(0, 0),
		held: map[string]bool{}, classic: map[string]bool{}, forbidden: map[string]bool{}, wanted: map[string]bool{}, told: map[string]bool{},
	}
}

func (m *model) listen(tag string) {
	if !m.wanted[tag] {
		m.subs.listen(tag)
		m.wanted[tag] = true
		delete(m.told, tag)
	}
}

func (m *model) unlisten(tag string) {
	if m.wanted[tag] {
		m.subs.unlisten(tag)
		delete(m.wanted, tag)
		delete(m.told, tag)
	}
}

// most is how many tags one command may have: on a Cluster they are of one slot.
func (m *model) most(n int) int {
	if m.subs.classic {
		return 1
	}
	return n
}

// send is one step of the writer.
func (m *model) send(limit int) bool {
	c := m.subs.next(limit)
	if c == nil {
		return false
	}
	if len(c.tags) > limit {
		m.t.Fatalf("next(%d) has %d tags", limit, len(c.tags))
	}
	if m.subs.classic && !c.classic {
		m.wire = append(m.wire, &command{kind: c.kind, classic: true, tags: c.tags})
	}
	m.wire = append(m.wire, c)
	return true
}

func (m *model) ping() {
	m.now = m.now.Add(time.Second)
	m.subs.ping(m.now)
	m.wire = append(m.wire, &command{kind: ping, sentAt: m.now})
}

// redis is Redis taking one command.
func (m *model) redis() bool {
	if len(m.wire) == 0 {
		return false
	}
	c := m.wire[0]
	m.wire = m.wire[1:]
	if c.kind == ping {
		m.replies = append(m.replies, func() error {
			at, err := m.subs.pong()
			if err == nil && !at.Equal(c.sentAt) {
				err = fmt.Errorf("pong() = %v, want %v", at, c.sentAt)
			}
			return err
		})
		return true
	}
	if c.classic {
		tag := c.tags[0]
		if m.classic[tag] = c.kind == subscribe; !m.classic[tag] {
			delete(m.classic, tag)
		}
		m.replies = append(m.replies, func() error { return m.subs.confirmClassic(c.kind, tag) })
		return true
	}
	for _, tag := range c.tags {
		if m.forbidden[tag] {
			m.replies = append(m.replies, func() error { _, err := m.subs.refuse(); return err })
			return true
		}
	}
	for _, tag := range c.tags {
		if c.kind == subscribe {
			m.held[tag] = true
		} else {
			delete(m.held, tag)
		}
		m.replies = append(m.replies, func() error { return m.subs.confirm(c.kind, tag) })
	}
	return true
}

// read is one step of the reader.
func (m *model) read() bool {
	if len(m.replies) == 0 {
		return false
	}
	if err := m.replies[0](); err != nil {
		m.t.Fatal(err)
	}
	m.replies = m.replies[1:]
	return true
}

// announce begins calls of Live, and checks that what they say is true.
func (m *model) announce() bool {
	tags := m.subs.announce()
	for _, tag := range tags {
		if !m.wanted[tag] {
			m.t.Fatalf("Live(%s), which nobody wants", tag)
		}
		m.told[tag] = true
	}
	if len(tags) == 0 {
		return false
	}
	calls := map[string]string{}
	for _, tag := range tags {
		calls[tag] = tag
	}
	m.live = append(m.live, calls)
	return true
}

// announced ends the oldest calls of Live.
func (m *model) announced() bool {
	if len(m.live) == 0 {
		return false
	}
	var tags []string
	for tag := range m.live[0] {
		tags = append(tags, tag)
	}
	m.live = m.live[1:]
	m.subs.announced(tags)
	return true
}

// check holds what must be true at any time: while Live is being said, Redis
// has the subscription and nothing is on its way that ends it.
func (m *model) check() {
	for _, calls := range m.live {
		for tag := range calls {
			if !m.held[tag] {
				m.t.Fatalf("Live(%s) is being said, and Redis does not have the subscription", tag)
			}
			for _, c := range m.wire {
				for _, other := range c.tags {
					if c.kind == unsubscribe && other == tag {
						m.t.Fatalf("Live(%s) is being said, and an UNSUBSCRIBE is on its way", tag)
					}
				}
			}
		}
	}
}

// breaks is the end of the connection.
func (m *model) breaks() {
	for m.announced() { // serve waits for both goroutines
	}
	m.subs.reset()
	m.wire, m.replies = nil, nil
	clear(m.held)
	clear(m.classic)
	clear(m.told)
}

// run takes steps while one is left to take.
func (m *model) run(step func() bool) {
	for range 10_000 {
		if !step() {
			return
		}
	}
	m.t.Fatal("it does not come to rest")
}

// settle lets everything that was begun end, and checks where it ended.
func (m *model) settle() {
	for range 2 { // answers that were under way may be refusals, which the check tries again
		m.subs.check()
		m.run(func() bool {
			moved := m.send(m.most(3)) || m.redis() || m.read() || m.announce() || m.announced()
			m.check()
			return moved
		})
	}
	confirmed := 0
	for tag := range m.wanted {
		if m.held[tag] {
			confirmed++
		}
		if m.held[tag] != m.told[tag] || m.held[tag] == m.forbidden[tag] {
			m.t.Fatalf("%s is wanted: held %v, told %v, forbidden %v", tag, m.held[tag], m.told[tag], m.forbidden[tag])
		}
	}
	for tag := range m.held {
		if !m.wanted[tag] && !m.forbidden[tag] {
			m.t.Fatalf("%s is held, and nobody wants it", tag)
		}
	}
	if m.subs.classic && !maps.Equal(m.classic, m.held) {
		m.t.Fatalf("the classic halves hold %v, the others %v", m.classic, m.held)
	}
	if w, c := m.subs.count(); w != len(m.wanted) || c != len(m.held) {
		m.t.Fatalf("count() = %d, %d, want %d, %d", w, c, len(m.wanted), len(m.held))
	}
	if got := m.subs.check(); got != 0 {
		m.t.Fatalf("check() finds %d astray at rest", got)
	}
}
