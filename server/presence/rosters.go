package presence

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// Limits that are no option.
const (
	// Limit is how many members of a channel are told by name, and how many guests
	// are counted once wherever they are. Above it there are only numbers.
	Limit = 1000

	// Grace is how long somebody whose last session broke off is still here: a
	// client that connects again, to any node, has neither left nor joined.
	Grace = 5 * time.Second
)

// The events that sessions are told.
const (
	EventJoin  = "$join"
	EventLeave = "$leave"
	EventAll   = "$presence" // who is here, all of them
)

// A Session is one that is in channels.
type Session interface {
	// Tell passes on what Config.Encode made. It is called under the lock of this
	// package, so it never blocks and never calls back.
	Tell(event any)
}

// Who is somebody, by an id.
type Who struct {
	ID    string
	Guest bool            // counted, and not named
	Said  json.RawMessage // what is said of a member, beside the id; nil: nothing. The newest holds
}

// News is what there is to tell of a channel: an event, whose only argument is
// Body, or what was said of those whom it names.
type News struct {
	Channel string
	Event   string // EventJoin, EventLeave, EventAll
	Body    []byte // JSON
	Named   bool   // false: there are too many to name them
	Said    []json.RawMessage
}

// Config is what Rosters are made with.
type Config struct {
	Node   string             // the name of this node
	Nodes  Nodes              // nil: this node is the only one
	Alone  bool               // there may be others, and they cannot be asked: sessions are told so
	Encode func(News) any     // required
	Log    logrus.FieldLogger // required
}

// Rosters is the map: tag → who is in the channel.
//
// Its methods may be called from any goroutine, Run once. mu is not held over
// the network, and for 128 sessions at a time when they are told something.
type Rosters struct {
	// Constant.
	config Config
	wake   chan struct{} // holds one value while Run has something new to look at
	inbox  chan arrival
	deaf   atomic.Bool // what nodes said has been dropped

	mu        sync.Mutex
	rosters   map[string]*roster   // guarded by mu; those that somebody is in, or was a moment ago
	dirty     map[*roster]struct{} // guarded by mu; those that have something to tell, at their due
	lingering []lingerer           // guarded by mu; who may come back, oldest first
	ticket    uint64               // guarded by mu; counts those
	peers     map[string]*peer     // guarded by mu; nodes of which something is kept
	seq       uint64               // guarded by mu; of the newest report of this node
	queue     []*roster            // guarded by mu; those that others are to be told of
	speakers  int                  // guarded by mu; goroutines that do so
	paused    time.Time            // guarded by mu; until when they do not, because it failed
	kept      time.Time            // guarded by mu; when it was last looked at what has become old
}

// A lingerer was left by their last session, or is a channel by its last one
// when the id is empty.
type lingerer struct {
	roster *roster
	id     string
	ticket uint64
	until  time.Time
}

// New makes empty Rosters.
func New(c Config) *Rosters {
	return &Rosters{
		config:  c,
		wake:    make(chan struct{}, 1),
		inbox:   make(chan arrival, inboxSize),
		rosters: make(map[string]*roster),
		dirty:   make(map[*roster]struct{}),
		peers:   make(map[string]*peer),
	}
}

// Enter makes a session be in a channel, as who. The channel returned is closed
// once what is shown there has them, and what other nodes have. Entering twice as
// the same one changes nothing; as somebody else, the one before leaves.
func (p *Rosters) Enter(tag string, who Who, s Session) (ready <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.enterLocked(tag, who, s).ready
}

// Return is Enter for a session that was there before, and is not going to be
// Welcome: it is told all when it is ready.
func (p *Rosters) Return(tag string, who Who, s Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enterLocked(tag, who, s).told = owed
	p.touchLocked(p.rosters[tag])
}

func (p *Rosters) enterLocked(tag string, who Who, s Session) *seat {
	r := p.rosters[tag]
	if r == nil {
		r = p.openLocked(tag)
	}
	at := r.seats[s]
	switch {
	case at == nil:
		at = &seat{}
		r.seats[s] = at
	case at.id == who.ID:
		if r.here[who.ID].hear(who.Said) {
			p.touchLocked(r)
		}
		return at
	default:
		p.leftLocked(r, at.id, true)
	}
	at.id = who.ID
	if r.arrive(who) {
		p.touchLocked(r)
	}
	switch {
	case at.ready != nil: // it has been somebody else
	case r.synced && (r.here[who.ID].shown || r.shown.truncated):
		at.ready = alwaysReady
	default:
		at.ready = make(chan struct{})
		r.waiting = append(r.waiting, at)
	}
	return at
}

// alwaysReady is closed.
var alwaysReady = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// openLocked makes the roster of a channel.
func (p *Rosters) openLocked(tag string) *roster {
	r := newRoster(tag)
	p.rosters[tag] = r
	if p.config.Nodes == nil {
		r.synced = true
	} else {
		p.config.Nodes.Listen(tag) // Live follows
	}
	return r
}

// Exit makes a session leave a channel: at once, or after Grace if nobody comes
// back until then. It is told nothing more. Leaving where it is not does nothing.
func (p *Rosters) Exit(tag string, s Session, atOnce bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rosters[tag]
	if r == nil || r.seats[s] == nil {
		return
	}
	id := r.seats[s].id
	delete(r.seats, s)
	p.leftLocked(r, id, atOnce)
}

// leftLocked counts a session of somebody off.
func (p *Rosters) leftLocked(r *roster, id string, atOnce bool) {
	one := r.here[id]
	if one.sessions--; one.sessions > 0 {
		return
	}
	r.active[one.kind()]--
	if r.many[one.kind()] {
		p.touchLocked(r) // it is counted without those who may come back
	}
	if atOnce {
		p.removeLocked(r, id)
		return
	}
	p.ticket++
	one.ticket = p.ticket
	p.lingering = append(p.lingering, lingerer{r, id, p.ticket, time.Now().Add(Grace)})
	p.nudge()
}

// removeLocked ends a stay. A channel that nobody is in is kept for a moment.
func (p *Rosters) removeLocked(r *roster, id string) {
	one := r.here[id]
	delete(r.here, id)
	r.total[one.kind()]--
	p.touchLocked(r)
	if len(r.here) == 0 {
		p.lingering = append(p.lingering, lingerer{roster: r, until: time.Now().Add(Grace)})
	}
}

// expireLocked ends the stays of those who did not come back.
func (p *Rosters) expireLocked(now time.Time) {
	for len(p.lingering) > 0 && !now.Before(p.lingering[0].until) {
		l := p.lingering[0]
		p.lingering = p.lingering[1:]
		if l.id == "" {
			p.closeLocked(l.roster, now)
		} else if one := l.roster.here[l.id]; one != nil && one.sessions == 0 && one.ticket == l.ticket {
			p.removeLocked(l.roster, l.id)
		}
	}
	if len(p.lingering) == 0 {
		p.lingering = nil // gives the memory back
	}
}

// closeLocked forgets a channel that nobody of this node is in, when the others
// have been told so.
func (p *Rosters) closeLocked(r *roster, now time.Time) {
	switch {
	case len(r.here) > 0 || p.rosters[r.tag] != r:
	case r.mustSay || r.queued || r.saying || !r.due.IsZero():
		p.lingering = append(p.lingering, lingerer{roster: r, until: now.Add(Grace)})
	default:
		p.forgetLocked(r)
	}
}

func (p *Rosters) forgetLocked(r *roster) {
	for node := range r.others {
		p.dropLocked(r, node)
	}
	delete(p.rosters, r.tag)
	if p.config.Nodes != nil {
		p.config.Nodes.Unlisten(r.tag)
	}
}

// Welcome gives answer who is in those of the channels that the session has
// entered, as JSON: {"members": [id, …], "count": n, "guests": n}. From there on
// the session is told what changes. answer is called under the lock, so that it
// comes before the first change: like Session.Tell it does not block.
func (p *Rosters) Welcome(s Session, tags []string, answer func(lists map[string]json.RawMessage)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	lists := make(map[string]json.RawMessage, len(tags))
	for _, tag := range tags {
		if r := p.rosters[tag]; r != nil && r.seats[s] != nil {
			lists[tag] = p.shownLocked(r)
			r.seats[s].told = all
		}
	}
	answer(lists)
}

// Stats is how many channels sessions of this node are in, and how many members
// and guests these are, counted in each channel.
func (p *Rosters) Stats() (channels, members, guests int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rosters {
		if len(r.seats) > 0 {
			channels++
		}
		members += r.active[member]
		guests += r.active[guest]
	}
	return channels, members, guests
}
