package channels

import (
	"cmp"
	"math"
	"slices"
)

// Heard is a channel that a client heard.
type Heard struct {
	Tag  string
	From uint64 // number after which it got all of this channel
}

// Resume makes c hear channels that it heard before on this node, after all
// that it missed in any of them since the message at this offset, which is the
// last that it got; empty if it never got any. It is all or nothing: false means
// that nothing was done, because something is missing, or what it got cannot be
// told exactly.
//
// The client must have been in the map, in each channel since its From, until it
// went.
func (cs *Channels) Resume(c Client, heard []Heard, offset Position, room int) bool {
	r := resumption{cs: cs, client: c, room: room, none: offset == "", at: math.MaxUint64}
	if !r.none {
		at, ok := offset.Place()
		if !ok || at.Node != cs.seq.node {
			return false
		}
		r.at = at.Number
	}
	heard = slices.Clone(heard)
	slices.SortFunc(heard, func(a, b Heard) int { return cmp.Compare(a.Tag, b.Tag) })
	for _, h := range heard {
		r.list = append(r.list, resumed{Heard: h, channel: cs.retain(h.Tag)})
	}
	if !r.run() {
		for _, one := range r.list {
			cs.release(one.channel)
		}
		return false
	}
	return true
}

// A resumption is one Resume, under way. It has the locks of all its channels
// at once, in the order of their tags; nobody else has two.
type resumption struct {
	cs     *Channels
	client Client
	at     uint64 // number of the last message that the client got
	none   bool   // it got none, and at is above all
	room   int    // bytes that may be replayed
	list   []resumed
}

type resumed struct {
	Heard

	channel *Channel
	part    *part
	there   bool
	until   uint64 // number up to which no walk brings it messages
}

func (r *resumption) run() bool {
	for i := range r.list {
		one := &r.list[i]
		one.channel.mu.Lock()
		defer one.channel.mu.Unlock()
		one.until, one.part, one.there = one.channel.claimLocked(r.client, r.cs)
		defer one.part.mu.Unlock()
	}
	missed, ok := r.missedLocked()
	if !ok {
		return false
	}
	for len(missed) > 0 { // consecutive messages of a channel go together
		ch, n := missed[0].channel, 1
		for n < len(missed) && missed[n].channel == ch {
			n++
		}
		messages := make([]Message, n)
		for i := range messages {
			messages[i] = missed[i].Message
		}
		ch.replay(r.client, messages, r.cs)
		missed = missed[n:]
	}
	for _, one := range r.list {
		one.channel.clients.put(r.client, one.part, one.there)
	}
	return true
}

// missedLocked is what the client missed, in the order of numbers; false if that
// cannot be told.
func (r *resumption) missedLocked() (missed []*entry, ok bool) {
	last := r.lastLocked()
	for _, one := range r.list {
		ch, h := one.channel, one.channel.history
		same := last != nil && last.channel == ch // then it got the notice of any gap before
		if !ch.live || one.there || ch.begun > r.at || ch.begun > one.From && !same {
			return nil, false
		}
		if h == nil {
			continue
		}
		if h.trimmed > one.From && (r.none || h.trimmed > r.at || !same && h.trimmedEnd >= r.at) {
			return nil, false
		}
		for e := h.oldest; e != nil && e.number <= one.until; e = e.next {
			if e.number <= one.From {
				continue
			}
			switch r.compare(e, last) {
			case got:
			case unknown:
				return nil, false
			case missing:
				if r.room -= len(e.Data); r.room < 0 {
					return nil, false
				}
				missed = append(missed, e)
			}
		}
	}
	slices.SortFunc(missed, func(a, b *entry) int { return cmp.Compare(a.number, b.number) })
	return missed, true
}

// lastLocked is the last message that the client got; nil if no history has it.
func (r *resumption) lastLocked() *entry {
	for _, one := range r.list {
		if h := one.channel.history; h != nil {
			for e := h.oldest; e != nil; e = e.next {
				if e.number == r.at {
					return e
				}
			}
		}
	}
	return nil
}

// What of a message can be told.
type verdict int

const (
	unknown verdict = iota
	got             // it was sent to the client before the last that it got
	missing         // and this after that
)

// compare tells whether the client got a message before its last one. Those of
// one channel are sent in their order. Those of two may be sent at the same
// time, and then nobody knows, unless the walk of one ended before the other
// was numbered.
func (r *resumption) compare(e, last *entry) verdict {
	switch {
	case r.none:
		return missing
	case last != nil && e.channel == last.channel:
		if e.number <= last.number {
			return got
		}
		return missing
	case e.number < r.at && e.ended != 0 && e.ended < r.at:
		return got
	case e.number > r.at && last != nil && last.ended != 0 && last.ended < e.number:
		return missing
	}
	return unknown
}
