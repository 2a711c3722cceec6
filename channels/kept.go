package channels

import (
	"strconv"
	"strings"
)

// Kept is a message that the broker keeps.
type Kept struct {
	ID   string // of its stream: milliseconds, a dash, and a number
	Data []byte // as it was published
}

// Splice is what a client missed who is to get these messages, which the broker
// keeps after the one of the id, and then those that come here; false if these
// do not follow each other. The channel is held, and all of them have come here.
func (cs *Channels) Splice(tag, id string, kept []Kept) (*Missed, bool) {
	ch := cs.find(tag)
	if ch == nil {
		return nil, false
	}
	if len(kept) > 0 {
		id = kept[len(kept)-1].ID
	}
	after, ok := ch.afterID(id, cs)
	missed := &Missed{After: after}
	for _, k := range kept {
		missed.Before = append(missed.Before, Message{Data: k.Data, Position: k.position()})
	}
	return missed, ok
}

// nobody is the node in the position of a message that no node has numbered.
const nobody = "0"

func (k Kept) position() Position {
	milliseconds, _ := splitID(k.ID)
	return Place{Node: nobody, ID: k.ID, time: int64(milliseconds)}.position()
}

// afterID is the number before the first message here that the broker keeps
// after the one of this id.
func (ch *Channel) afterID(id string, cs *Channels) (uint64, bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	h := ch.history
	if h == nil {
		return cs.seq.last.Load(), true
	}
	if h.plain {
		return 0, false
	}
	whole := h.trimmed == 0 // or one that it has no longer may be the first
	for e := h.oldest; e != nil; e = e.next {
		if older(id, e.id) {
			return e.number - 1, whole
		}
		whole = whole || e.id != ""
	}
	return cs.seq.last.Load(), whole
}

// older reports whether a is the id of a message before that of b. No id is
// before all.
func older(a, b string) bool {
	aTime, aNumber := splitID(a)
	bTime, bNumber := splitID(b)
	return aTime < bTime || aTime == bTime && aNumber < bNumber
}

func splitID(id string) (milliseconds, number uint64) {
	before, after, _ := strings.Cut(id, "-")
	milliseconds, _ = strconv.ParseUint(before, 10, 64) // 0 is older than all
	number, _ = strconv.ParseUint(after, 10, 64)
	return milliseconds, number
}
