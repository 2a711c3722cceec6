package server

import (
	"sync"

	"github.com/sb-stream/stream-server/server/identity"
)

// members is the map: member's id → the sessions that are theirs, on this node.
// Guests are in no list: each is as many as they like. Its methods may be
// called from any goroutine, with locks of clients held.
type members struct {
	mu   sync.Mutex
	list map[string][]*client // guarded by mu; none is empty
}

func newMembers() *members { return &members{list: make(map[string][]*client)} }

// enter makes the session the member's. It is false if there are as many as
// limit already; 0 is no limit.
func (m *members) enter(member string, c *client, limit int) bool {
	if identity.IsGuest(member) {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	theirs := m.list[member]
	if limit > 0 && len(theirs) >= limit {
		return false
	}
	c.seat = int32(len(theirs))
	m.list[member] = append(theirs, c)
	return true
}

// leave undoes enter.
func (m *members) leave(member string, c *client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	theirs := m.list[member]
	i, last := int(c.seat), len(theirs)-1
	if i > last || theirs[i] != c {
		return // a guest, or gone already
	}
	theirs[i] = theirs[last]
	theirs[i].seat = c.seat
	theirs[last] = nil
	if last == 0 {
		delete(m.list, member)
	} else {
		m.list[member] = theirs[:last]
	}
}

// move is leave and enter; if it is false, nothing has changed.
func (m *members) move(from, to string, c *client, limit int) bool {
	if from == to {
		return true
	}
	m.leave(from, c)
	if m.enter(to, c, limit) {
		return true
	}
	m.enter(from, c, 0)
	return false
}

// of are the member's sessions.
func (m *members) of(member string) []*client {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*client(nil), m.list[member]...)
}

// len is how many members have sessions.
func (m *members) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.list)
}
