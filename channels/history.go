package channels

import "math"

// A history is the last messages of one channel, without a break between them,
// for clients who come back. It is guarded by Channel.mu.
type history struct {
	oldest, newest *entry
	count          int
	trimmed        uint64 // number of the newest message that it has no longer
	trimmedEnd     uint64 // the highest ended of those
	before         trail  // the last messages that it has no longer
	trail          trail  // the last messages
	time           int64  // when the newest message came, the ones it has no longer included
	id             string // of the stream, of that message
	plain, kept    bool   // there were messages by PUBLISH, and such as the broker keeps
}

// An entry is a message of a history.
type entry struct {
	// Constant.
	Message

	channel *Channel
	time    int64  // when it came, in milliseconds on the clock of all nodes
	sum     uint64 // of its data
	id      string // of the stream; empty for a message of plain PUBLISH

	next  *entry // guarded by Channel.mu; the one after it in the channel
	ended uint64 // guarded by Channel.mu; the newest number there was when it had gone to all clients; 0: it has not

	clients, waited, dropped, missed uint32 // guarded by Channel.mu; see Fate, set with ended

	older, newer *entry // guarded by retention.mu; those beside it, of all channels
}

// entryBytes is about what an entry takes beside its data.
const entryBytes = 304

func (e *entry) bytes() int { return entryBytes + len(e.Data) }

// keepLocked numbers a message and puts it into the history.
func (ch *Channel) keepLocked(data []byte, id string, cs *Channels) Message {
	now := cs.broker.Now().UnixMilli()
	number := cs.seq.last.Add(1)
	if ch.history == nil {
		ch.history = &history{}
	}
	h := ch.history
	sum := sumOf(data)
	h.trail.add(sum)
	h.time, h.id = now, id
	h.plain, h.kept = h.plain || id == "", h.kept || id != ""
	at := Place{Node: cs.seq.node, Number: number, ID: id, time: now, print: h.trail.print(h.trail.n)}
	m := Message{Data: data, Position: at.position(), number: number}
	if cs.retention.count == 0 {
		h.trimmed, h.trimmedEnd = number, math.MaxUint64
		return m
	}
	e := &entry{Message: m, channel: ch, time: now, sum: sum, id: id}
	m.entry = e
	if h.newest == nil {
		h.oldest = e
	} else {
		h.newest.next = e
	}
	h.newest = e
	h.count++
	cs.retention.add(e)
	if h.count > cs.retention.count {
		h.dropOldest(&cs.retention)
	}
	return m
}

// dropOldest forgets the oldest message there is.
func (h *history) dropOldest(r *retention) {
	e := h.oldest
	r.remove(e)
	h.before.add(e.sum)
	h.trimmed = e.number
	if h.trimmedEnd = max(h.trimmedEnd, e.ended); e.ended == 0 {
		h.trimmedEnd = math.MaxUint64
	}
	if h.oldest = e.next; h.oldest == nil {
		h.newest = nil
	}
	h.count--
}

// breakLocked ends the history: what comes from now on does not follow it.
func (ch *Channel) breakLocked(cs *Channels) {
	ch.begun = cs.seq.last.Add(1) // no position from before is as high
	if h := ch.history; h != nil {
		for h.oldest != nil {
			h.dropOldest(&cs.retention)
		}
		ch.history = nil
	}
}

// newestLocked is the number of the channel's newest message, or where its
// history begins.
func (ch *Channel) newestLocked() uint64 {
	switch h := ch.history; {
	case h == nil:
		return ch.begun
	case h.newest != nil:
		return h.newest.number
	default:
		return h.trimmed
	}
}

// positionLocked is the position after the message of this number, and before
// the next that the channel has.
func (ch *Channel) positionLocked(number uint64, cs *Channels) Position {
	h := ch.history
	if h == nil || number < h.trimmed {
		return Place{Node: cs.seq.node, Number: number, time: cs.broker.Now().UnixMilli()}.position()
	}
	if number >= ch.newestLocked() {
		at := Place{Node: cs.seq.node, Number: number, ID: h.id, time: h.time, print: h.trail.print(h.trail.n)}
		return at.position()
	}
	at := Place{Node: cs.seq.node, Number: number, time: cs.broker.Now().UnixMilli()}
	for e := h.oldest; e != nil && e.number <= number; e = e.next {
		at = e.place()
	}
	return at.position()
}

// place is where the message stands.
func (e *entry) place() Place {
	at, _ := e.Position.Place() // it is one
	return at
}

// afterLocked is the messages after the one of this number, oldest first; false
// if the channel's history does not reach back so far.
func (ch *Channel) afterLocked(number uint64) ([]Message, bool) {
	if number < ch.begun {
		return nil, false
	}
	h := ch.history
	if h == nil {
		return nil, true
	}
	if number < h.trimmed {
		return nil, false
	}
	var list []Message
	for e := h.oldest; e != nil; e = e.next {
		if e.number > number {
			list = append(list, e.Message)
		}
	}
	return list, true
}

// findLocked is the number after which a client goes on who was at this place,
// which another node has made: that of the one message here that is the same.
// It is false if there is none, or if another may be meant.
//
// Everything that the broker had accepted when the client was there must have
// come here before. Nodes hear what is published and what is kept in one order
// each, but not in one order of both.
func (ch *Channel) findLocked(at Place) (number uint64, ok bool) {
	h := ch.history
	if h == nil || h.oldest == nil || h.plain && h.kept {
		return 0, false
	}
	if at.ID != "" {
		if h.id == at.ID {
			return ch.newestLocked(), true
		}
		for e := h.oldest; e != nil; e = e.next {
			if e.id == at.ID {
				return e.number, true
			}
		}
		return 0, false
	}
	// The one that is looked for may have come before the history begins, or may
	// have too few before it here, and another look the same. So it must be well
	// after those.
	blind := ch.liveAt
	if h.trimmed > 0 {
		blind = h.oldest.time
	}
	if at.print.depth == 0 || blind > at.time-foreignMargin {
		return 0, false
	}
	t := h.before
	for e := h.oldest; e != nil; e = e.next {
		t.add(e.sum)
		if t.n < at.print.depth && e.time > at.time-foreignMargin {
			return 0, false
		}
		if t.print(at.print.depth) == at.print {
			if ok {
				return 0, false
			}
			number, ok = e.number, true
		}
	}
	return number, ok
}

// foreignMargin is how much later than this node another one may have heard a
// message, in milliseconds.
const foreignMargin = 2000
