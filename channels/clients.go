package channels

import (
	"slices"
	"sync"
)

// partSize is how many clients are walked under one lock: about a millisecond
// of sending, for which somebody who comes or goes may have to wait.
const partSize = 128

// clients is the map session id → client of one channel, in the form that a
// walk wants: lists. A channel of few clients is one list and nothing else.
//
// All of it is guarded by Channel.mu. What a walk reads is changed under the
// lock of the part too.
type clients struct {
	first part
	one   [1]Client // room for the first client of most channels
	more  *parts    // nil while the first part is enough
}

// A part is some of the clients of a channel.
type part struct {
	mu   sync.Mutex
	list []Client // in no order
	seen uint64   // guarded by mu alone; number of the newest message they were sent, or came after
}

// parts are those of a large channel. list is replaced and not changed: a walk
// may be under way over it.
type parts struct {
	list  []*part          // the first one included
	index map[string]*part // session id → where the client is
	roomy []*part          // those that are not full
}

func (cs *clients) size() int {
	if cs.more != nil {
		return len(cs.more.index)
	}
	return len(cs.first.list)
}

// claim finds the part that a client is in, or is to be in, and locks it; fresh
// is what it has seen if it is new.
func (cs *clients) claim(id string, fresh uint64) (p *part, there bool) {
	if p := cs.find(id); p != nil {
		p.mu.Lock()
		return p, true
	}
	if cs.more == nil && len(cs.first.list) == partSize {
		cs.grow()
	}
	p = &cs.first
	if m := cs.more; m != nil {
		if len(m.roomy) == 0 {
			p = &part{seen: fresh}
			m.list = append(slices.Clip(m.list), p)
			m.roomy = append(m.roomy, p)
		}
		p = m.roomy[len(m.roomy)-1]
	}
	p.mu.Lock()
	return p, false
}

// put adds a client to the part that was claimed for it, or replaces the one of
// the same id.
func (cs *clients) put(c Client, p *part, there bool) {
	if there {
		p.list[p.indexOf(c.ID())] = c
		return
	}
	if m := cs.more; m != nil {
		m.index[c.ID()] = p
		if len(p.list) == partSize-1 {
			m.roomy = m.roomy[:len(m.roomy)-1]
		}
	}
	if p == &cs.first && len(p.list) == 0 {
		p.list = cs.one[:0]
	}
	p.list = append(p.list, c)
	if p == &cs.first && len(p.list) > 1 {
		cs.one[0] = nil // the list has moved
	}
}

// grow makes room for more clients than one part has.
func (cs *clients) grow() {
	m := &parts{list: []*part{&cs.first}, index: make(map[string]*part, 2*partSize)}
	for _, c := range cs.first.list {
		m.index[c.ID()] = &cs.first
	}
	cs.more = m
}

// remove takes a client out and reports whether it was there.
func (cs *clients) remove(id string) bool {
	p := cs.find(id)
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.list) - 1
	p.list[p.indexOf(id)] = p.list[last]
	p.list[last] = nil
	p.list = p.list[:last]
	m := cs.more
	if m == nil {
		return true
	}
	delete(m.index, id)
	if last == partSize-1 {
		m.roomy = append(m.roomy, p)
	}
	if last == 0 && p != &cs.first {
		drop := func(q *part) bool { return q == p }
		m.list = slices.DeleteFunc(slices.Clone(m.list), drop)
		m.roomy = slices.DeleteFunc(m.roomy, drop)
	}
	if len(m.list) == 1 {
		cs.more = nil
	}
	return true
}

// find is the part that a client is in, or nil.
func (cs *clients) find(id string) *part {
	switch {
	case cs.more != nil:
		return cs.more.index[id]
	case cs.first.indexOf(id) >= 0:
		return &cs.first
	default:
		return nil
	}
}

func (p *part) indexOf(id string) int {
	return slices.IndexFunc(p.list, func(c Client) bool { return c.ID() == id })
}
