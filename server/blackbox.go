package server

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/engineio"
)

// A blackBox is the flight recorder: what the last sessions did, and what was
// done to channels, in a ring of bounded size, for whoever asks why a message
// did not reach somebody (why.go). What became of each message stands in its
// channel's history.
//
// It keeps no names: a session, a member and a channel are found by their
// hashes, under a seed of this process. So it holds no pointer that the
// collector would have to follow, and whoever reads its memory learns nobody's
// name from it.
type blackBox struct {
	seed maphash.Seed // constant
	most int          // constant; events that are kept

	mu      sync.Mutex
	events  []record          // guarded by mu; a ring once it has most events
	next    int               // guarded by mu; where the oldest is, and the next goes
	lost    int64             // guarded by mu; when the newest event happened that is forgotten, in milliseconds; 0: none is
	reasons []string          // guarded by mu; each once
	known   map[string]uint16 // guarded by mu; reason → its index
}

// What it takes: 48 bytes for an event, so 3 MB once there were so many.
const (
	maxEvents  = 1 << 16
	maxReasons = 256 // more are called "other": they are words of ours
	manyGaps   = 100 // channels with a gap at once
)

// A deed is what an event is about.
type deed uint8

const (
	deedConnected    deed = iota // a session began
	deedIdentified               // a session became another member's
	deedSubscribed               // it hears a channel; count is how many messages it was replayed
	deedRefused                  // it may not hear a channel; the reason is the code
	deedUnsubscribed             // it hears it no more; a reason is there if it did not ask for that
	deedBehind                   // its connection takes no more
	deedDropped                  // it is closed, for a round of a channel was too much; count is how far the round goes after number
	deedClosed                   // a session ended
	deedGap                      // the clients of a channel, or of all, may have missed something
)

var deedNames = [...]string{"connected", "identified", "subscribed", "refused", "unsubscribed", "behind", "dropped", "closed", "gap"}

// A record is one event.
type record struct {
	at      int64  // milliseconds
	session uint64 // hash; 0 for an event of a channel
	member  uint64 // hash; of deedConnected and deedIdentified
	channel uint64 // hash; 0 for one of the whole session, or of all channels
	number  uint64 // of the newest message that came before
	count   uint32
	reason  uint16
	deed    deed
}

func newBlackBox(most int) *blackBox {
	return &blackBox{
		seed: maphash.MakeSeed(), most: most, events: make([]record, 0, most), // pages of it count when they are written
		reasons: []string{""}, known: map[string]uint16{"": 0},
	}
}

// hash stands for a name; 0 for none.
func (r *blackBox) hash(name string) uint64 {
	if name == "" {
		return 0
	}
	return max(1, maphash.String(r.seed, name))
}

// add notes an event, and forgets the oldest if there are too many.
func (r *blackBox) add(e record, reason string) {
	e.at = time.Now().UnixMilli()
	r.mu.Lock()
	defer r.mu.Unlock()
	e.reason = r.reasonLocked(reason)
	if len(r.events) < r.most {
		r.events = append(r.events, e)
		return
	}
	r.lost = r.events[r.next].at
	r.events[r.next] = e
	r.next = (r.next + 1) % r.most
}

func (r *blackBox) reasonLocked(reason string) uint16 {
	i, ok := r.known[reason]
	switch {
	case ok:
		return i
	case len(r.reasons) == maxReasons:
		return r.reasonLocked("other")
	case len(r.reasons) == maxReasons-1:
		reason = "other"
	}
	i = uint16(len(r.reasons))
	r.reasons = append(r.reasons, reason)
	r.known[reason] = i
	return i
}

// read is the events that keep says, oldest first, and since when there are
// all; zero if it is since the beginning.
func (r *blackBox) read(keep func(*record) bool) (list []record, since time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.events {
		if e := &r.events[(r.next+i)%len(r.events)]; keep(e) {
			list = append(list, *e)
		}
	}
	if r.lost != 0 {
		since = time.UnixMilli(r.lost)
	}
	return list, since
}

func (r *blackBox) reason(e record) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reasons[e.reason]
}

// note records what a session did, or was done to it.
func (s *Server) note(d deed, c *client, tag, reason string) {
	s.blackBox.add(record{
		deed: d, session: s.blackBox.hash(c.ID()), channel: s.blackBox.hash(tag), number: s.channels.Last(),
	}, reason)
}

// noteConnected records a new session. One that came back has its channels again.
func (s *Server) noteConnected(c *client) {
	s.noteMember(deedConnected, c, c.identity().Member)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.heard {
		s.blackBox.add(record{
			deed: deedSubscribed, session: s.blackBox.hash(c.ID()), channel: s.blackBox.hash(h.Tag), number: h.From,
		}, "")
	}
}

// noteSubscribed records from where on a session hears channels, and how much it
// was replayed.
func (s *Server) noteSubscribed(c *client, subscriptions []channels.Subscription) {
	for _, sub := range subscriptions {
		s.blackBox.add(record{
			deed: deedSubscribed, session: s.blackBox.hash(c.ID()), channel: s.blackBox.hash(sub.Tag()),
			number: sub.From, count: uint32(sub.Replayed),
		}, "")
	}
}

// noteMember records who a session belongs to from now on.
func (s *Server) noteMember(d deed, c *client, member string) {
	s.blackBox.add(record{
		deed: d, session: s.blackBox.hash(c.ID()), member: s.blackBox.hash(member), number: s.channels.Last(),
	}, "")
}

// late is channels.Config.Late: of whoever does not get a message at once, the
// recorder notes that the connection takes no more, or that it was closed for
// that. Who polls waits often.
func (s *Server) late(r *channels.Round, of channels.Client, o channels.Outcome) {
	c, ok := of.(*client)
	if !ok || o != channels.Behind && o != channels.Dropped {
		return
	}
	first, last := r.Numbers()
	if first == 0 {
		first = s.channels.Last()
		last = first
	}
	e := record{deed: deedBehind, session: s.blackBox.hash(c.ID()), channel: s.blackBox.hash(r.Channel), number: first}
	reason := ""
	if o == channels.Dropped {
		e.deed, e.count, reason = deedDropped, uint32(last-first), engineio.ReasonSlow
	}
	s.blackBox.add(e, reason)
}

// noteGap records that messages of a channel may be missing; of all if tag is
// empty.
func (s *Server) noteGap(tag, reason string) {
	s.blackBox.add(record{deed: deedGap, channel: s.blackBox.hash(tag), number: s.channels.Last()}, reason)
}

// noteGaps is noteGap of several channels, or of all if there are none. So many
// at once that they would fill the record count as all.
func (s *Server) noteGaps(reason string, tags []string) {
	if len(tags) == 0 || len(tags) > manyGaps {
		tags = []string{""}
	}
	for _, tag := range tags {
		s.noteGap(tag, reason)
	}
}
