package channels

import (
	"cmp"
	"sync/atomic"
	"time"
)

// An Outcome is what became of a round for one client.
type Outcome uint8

// Outcomes.
const (
	Sent    Outcome = iota // it has left, as far as this process can tell
	Waits                  // it waits behind others, or for the client to ask
	Behind                 // it waits, as the first: the connection takes no more
	Dropped                // the client was closed as slow
	Ended                  // the client had gone already
)

// A tally counts the clients of a round who did not get it at once. Most rounds
// have none, and cost nothing.
type tally struct {
	clients                uint32 // set before the walk
	waits, dropped, missed atomic.Uint32
}

// Late notes what became of the round for a client, if that is not Sent. It is
// called by Client.Send, of clients of one channel at the same time too.
func (r *Round) Late(c Client, o Outcome) {
	switch o {
	case Sent:
		return
	case Waits, Behind:
		r.tally.waits.Add(1)
	case Dropped:
		r.tally.dropped.Add(1)
	case Ended:
		r.tally.missed.Add(1)
	}
	if r.late != nil {
		r.late(r, c, o)
	}
}

// Numbers are those of the first and the last message of the round that is no
// gap; 0 if there is none.
func (r *Round) Numbers() (first, last uint64) {
	for i := range r.Messages {
		if n := r.Messages[i].number; n > 0 {
			first, last = cmp.Or(first, n), n
		}
	}
	return first, last
}

// A Fate is what became of one message on this node: how many clients there
// were, and of these, who had to wait, was closed as slow, or had gone.
type Fate struct {
	Number   uint64
	Position Position
	At       time.Time // when it came, on the clock of all nodes
	Bytes    int
	Kept     bool // by the broker, in a stream
	Sending  bool // its walk is not over
	Clients  int
	Waited   int
	Dropped  int
	Ended    int
}

// A Record is what this node knows of a channel.
type Record struct {
	Heard   bool   // by clients, or it lingers
	Live    bool   // messages are certain to arrive
	Clients int    // now
	After   uint64 // messages up to this number were there, and are not known or not asked for; 0: none
	Kept    int    // messages in the history
	Load    Load
	Fates   []Fate // of the newest messages, oldest first
}

// Record is what became of the newest messages of a channel, as far as its
// history has them.
func (cs *Channels) Record(tag string, limit int) Record {
	ch := cs.find(tag)
	if ch == nil {
		return Record{}
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	r := Record{Heard: true, Live: ch.live, Clients: ch.clients.size()}
	r.Load, r.Kept = ch.loadLocked(cs)
	h := ch.history
	if h == nil {
		return r
	}
	r.After = h.trimmed
	skip := h.count - limit
	for e := h.oldest; e != nil; e = e.next {
		if skip--; skip < 0 {
			r.Fates = append(r.Fates, e.fate())
		} else {
			r.After = e.number
		}
	}
	return r
}

// fate is read under Channel.mu.
func (e *entry) fate() Fate {
	f := Fate{
		Number: e.number, Position: e.Position, At: time.UnixMilli(e.time), Bytes: len(e.Data), Kept: e.id != "",
		Sending: e.ended == 0, Clients: int(e.clients),
	}
	f.Waited, f.Dropped, f.Ended = int(e.waited), int(e.dropped), int(e.missed)
	return f
}

// tellLocked notes what became of the round whose walk is over.
func (r *Round) tellLocked(newest uint64) {
	for i := range r.Messages {
		if e := r.Messages[i].entry; e != nil {
			e.ended = newest
			e.clients = r.tally.clients
			e.waited, e.dropped, e.missed = r.tally.waits.Load(), r.tally.dropped.Load(), r.tally.missed.Load()
		}
	}
}
