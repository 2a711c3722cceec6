package channels

import (
	"cmp"
	"iter"
	"slices"
	"strings"
)

// A Listing is a channel that clients hear, and how many.
type Listing struct {
	Tag     string
	Clients int // those about to hear it included
}

// breath is how many channels are looked at under one lock, so that a list of
// very many keeps nobody from subscribing.
const breath = 1024

// Page is the first channels, by their tags in the order of bytes, that begin
// with prefix and come after the tag given; at most limit of them, which is
// above zero. A channel that is heard all the while is looked at once; no more
// than twice as many as the page has are kept at any time.
func (cs *Channels) Page(prefix, after string, limit int) []Listing {
	page := make([]Listing, 0, min(2*limit, 1<<10))
	last := "" // of the page, once it is full
	tidy := func() {
		slices.SortFunc(page, func(a, b Listing) int { return cmp.Compare(a.Tag, b.Tag) })
		page = slices.CompactFunc(page, func(a, b Listing) bool { return a.Tag == b.Tag }) // left and heard again meanwhile
		if len(page) >= limit {
			page = page[:limit]
			last = page[limit-1].Tag
		}
	}
	for l := range cs.all() {
		if l.Tag <= after || last != "" && l.Tag >= last || !strings.HasPrefix(l.Tag, prefix) {
			continue
		}
		if page = append(page, l); len(page) >= 2*limit {
			tidy()
		}
	}
	tidy()
	return page
}

// MostHeard is the channels that most clients hear, at most limit of them, which
// is above zero, the most heard first.
func (cs *Channels) MostHeard(limit int) []Listing {
	before := func(a, b Listing) int { return cmp.Or(cmp.Compare(b.Clients, a.Clients), cmp.Compare(a.Tag, b.Tag)) }
	var top []Listing
	for l := range cs.all() {
		if len(top) == limit && before(l, top[limit-1]) >= 0 {
			continue
		}
		top = slices.DeleteFunc(top, func(t Listing) bool { return t.Tag == l.Tag }) // left and heard again meanwhile
		top = top[:min(len(top), limit-1)]
		i, _ := slices.BinarySearchFunc(top, l, before)
		top = slices.Insert(top, i, l)
	}
	return top
}

// all is every channel that clients hear. It runs under a lock, that of a few
// channels at a time.
func (cs *Channels) all() iter.Seq[Listing] {
	return func(yield func(Listing) bool) {
		looked := 0
		cs.mu.RLock()
		defer cs.mu.RUnlock()
		for tag, ch := range cs.channels {
			if looked++; looked%breath == 0 {
				cs.mu.RUnlock() // Go allows a map to change between the steps of a range
				cs.mu.RLock()
			}
			if !yield(Listing{tag, int(ch.refs)}) {
				return
			}
		}
	}
}

// Hearing is the clients of a channel. No lock is held while one is looked at,
// so that those who come or go meanwhile may be missing, or be there still. The
// parts of a large channel are looked at one after the other.
func (cs *Channels) Hearing(tag string) iter.Seq[Client] {
	return func(yield func(Client) bool) {
		ch := cs.find(tag)
		if ch == nil {
			return
		}
		var few []Client
		for _, p := range ch.parts() {
			p.mu.Lock()
			few = append(few[:0], p.list...)
			p.mu.Unlock()
			for _, c := range few {
				if !yield(c) {
					return
				}
			}
		}
	}
}

func (ch *Channel) parts() []*part {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.clients.more != nil {
		return ch.clients.more.list
	}
	return []*part{&ch.clients.first}
}
