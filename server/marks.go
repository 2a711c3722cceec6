package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"
)

// kindMarker is that of a message which all nodes that hear a channel get, and no
// client: a place in it.
const kindMarker = "marker"

// mark publishes a marker on the channel and returns its id.
func (n *nodes) mark(ctx context.Context, tag string) (id string, err error) {
	m := nodeMessage{Node: n.id, ID: rand.Text(), Kind: kindMarker}
	_, err = n.send(ctx, tag, m)
	return m.ID, err
}

// marker reports whether what the broker brought on a channel is a marker, and
// notes where it stands: after the message of this number. Nobody without a
// cluster key can make one, so what only looks like one goes to the clients.
func (n *nodes) marker(tag string, data []byte, number uint64) bool {
	if n.seal == nil || !bytes.HasPrefix(data, []byte(sealHead)) {
		return false
	}
	m, err := n.seal.open(tag, data)
	switch {
	case errors.Is(err, errForged):
		return false
	case err != nil:
		n.refuse(err)
	case m.Kind == kindMarker:
		n.marks.put(m.ID, number)
	}
	return true
}

// marks are the markers that have come, for a while, and who waits for others.
//
// Its methods may be called from any goroutine.
type marks struct {
	mu    sync.Mutex
	known map[string]*mark // guarded by mu
	order []*mark          // guarded by mu; oldest first
}

// A mark is the place of a marker, or one that somebody waits for.
type mark struct {
	// Constant.
	id      string
	expires time.Time
	come    chan struct{} // closed when it has come

	number uint64 // constant once it has come
}

const (
	marksKept = 10 * time.Second
	maxMarks  = 1 << 16
)

func newMarks() *marks { return &marks{known: make(map[string]*mark)} }

// put notes that the marker has come.
func (m *marks) put(id string, number uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	one := m.oneLocked(id)
	select {
	case <-one.come: // the seal lets none through twice
	default:
		one.number = number
		close(one.come)
	}
}

// wait is the number after which the marker stands, when it has come.
func (m *marks) wait(ctx context.Context, id string) (uint64, error) {
	m.mu.Lock()
	one := m.oneLocked(id)
	m.mu.Unlock()
	select {
	case <-one.come:
		return one.number, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// oneLocked is the mark of that id, and makes it if it is not there.
func (m *marks) oneLocked(id string) *mark {
	if one := m.known[id]; one != nil {
		return one
	}
	now := time.Now()
	for len(m.order) > 0 && (now.After(m.order[0].expires) || len(m.order) >= maxMarks) {
		delete(m.known, m.order[0].id)
		m.order = m.order[1:]
	}
	one := &mark{id: id, expires: now.Add(marksKept), come: make(chan struct{})}
	m.known[id] = one
	m.order = append(m.order, one)
	return one
}
