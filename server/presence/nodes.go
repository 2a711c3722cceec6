package presence

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"time"
)

// Nodes are the others, and how this node speaks to those that listen to the
// same channels. Listen and Unlisten are called under a lock: they note what is
// wanted and return.
type Nodes interface {
	// Listen asks for what nodes say of a channel. Rosters.Live follows once it is
	// certain to arrive, and again after each break.
	Listen(tag string)

	// Unlisten ends Listen.
	Unlisten(tag string)

	// Say tells every node that listens, this one included, and returns how many
	// there are.
	Say(ctx context.Context, tag string, body []byte) (nodes int, err error)

	// Open is what was said, and by whom; an error if that was no node.
	Open(tag string, data []byte) (node string, body []byte, err error)

	// Room is how many bytes of JSON can be said at once.
	Room() int

	// Hold says that this node lives, for a time from now on.
	Hold(ctx context.Context, ttl time.Duration) error

	// Alive reports whether another node has said so, for now.
	Alive(ctx context.Context, node string) (bool, error)
}

const (
	inboxSize   = 1024
	maxRoom     = 1 << 20
	maxSpeakers = 8 // of this node at once

	sayTimeout = 2 * time.Second
	sayRetry   = 500 * time.Millisecond // after it failed
	sayEvery   = 30 * time.Second       // although nothing has changed, a few seconds more or less
	saidFor    = 100 * time.Second      // that it is believed, unless said again

	askTimeout = time.Second // that all have to answer
	maxAsked   = 3           // times
)

// An arrival is what the broker brought.
type arrival struct {
	tag  string
	data []byte
}

// An inquiry is the question who is on the other nodes.
type inquiry struct {
	due      bool                // it is to be asked with the next report
	times    int                 // that it was asked
	at       time.Time           // when, last
	expected int                 // nodes that there are; -1: nobody knows
	answered map[string]struct{} // those of them that have
}

// Live says that what other nodes say of a channel arrives from now on.
func (p *Rosters) Live(tag string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.rosters[tag]; r != nil {
		r.live = true
		p.askLocked(r)
	}
}

// askLocked makes this node say all and ask all: something may have been missed.
// What was known of the others holds until they have answered.
func (p *Rosters) askLocked(r *roster) {
	for _, said := range r.others {
		said.former = true
	}
	r.asking = &inquiry{due: true, expected: -1, answered: make(map[string]struct{})}
	r.mustSay = true
	p.touchLocked(r)
}

// answeredLocked looks whether all have answered: as many as the question has
// reached, and those of whom something was known before a break. These may come
// back later than this node, and are asked again.
func (p *Rosters) answeredLocked(r *roster) {
	q := r.asking
	if q == nil || q.expected < 0 || len(q.answered) < q.expected {
		return
	}
	for _, said := range r.others {
		if said.former && !said.empty() {
			return
		}
	}
	p.syncedLocked(r)
}

// syncedLocked ends an inquiry: who has not answered has nobody here.
func (p *Rosters) syncedLocked(r *roster) {
	r.asking, r.synced = nil, true
	for node, said := range r.others {
		if said.former { // what it said before may yet come, late
			p.putLocked(r, node, &report{Seq: said.Seq, at: said.at})
		}
	}
	p.touchLocked(r)
}

// keepLocked looks at what has become old.
func (p *Rosters) keepLocked(now time.Time) {
	deaf := p.deaf.Swap(false)
	for _, r := range p.rosters {
		if deaf {
			p.askLocked(r)
		}
		if q := r.asking; q != nil && !q.due && q.expected >= 0 && now.Sub(q.at) >= askTimeout {
			if q.times < maxAsked {
				q.due, r.mustSay = true, true
				p.touchLocked(r)
			} else {
				p.syncedLocked(r)
			}
		}
		for node, said := range r.others {
			if now.Sub(said.at) > saidFor {
				p.dropLocked(r, node)
				p.touchLocked(r)
			}
		}
		if now.After(r.again) && !r.again.IsZero() {
			r.mustSay = true
			p.touchLocked(r)
		}
	}
}

// sayLocked puts a roster into the queue of those that others are told of.
func (p *Rosters) sayLocked(r *roster) {
	r.mustSay = true
	if !r.queued && !r.saying {
		r.queued = true
		p.queue = append(p.queue, r)
	}
}

// speak says what is in the queue, until it is empty or the broker fails.
func (p *Rosters) speak(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.speakers--; p.nudge() }()
	for len(p.queue) > 0 && !time.Now().Before(p.paused) {
		r := p.queue[0]
		p.queue = p.queue[1:]
		p.seq++
		said := *r.own
		said.Seq = p.seq
		q := r.asking
		if q != nil && q.due {
			q.due, said.Ask = false, true
			q.times, q.at = q.times+1, time.Now()
		}
		r.queued, r.saying, r.mustSay = false, true, false
		p.mu.Unlock()
		reached, err := p.say(ctx, r.tag, &said)
		p.mu.Lock()
		r.saying = false
		r.again = time.Now().Add(sayEvery - 5*time.Second + rand.N(10*time.Second))
		switch {
		case err != nil:
			p.paused = time.Now().Add(sayRetry)
			if said.Ask {
				q.due = true
			}
			p.sayLocked(r)
		case r.mustSay:
			p.sayLocked(r)
		}
		if err == nil && said.Ask {
			q.expected = max(reached-1, 0)
			p.answeredLocked(r)
		}
	}
}

func (p *Rosters) say(ctx context.Context, tag string, said *report) (reached int, err error) {
	ctx, cancel := context.WithTimeout(ctx, sayTimeout)
	defer cancel()
	return p.config.Nodes.Say(ctx, tag, mustJSON(said))
}

// Message takes what a node has said of a channel. It never blocks.
func (p *Rosters) Message(tag string, data []byte) {
	select {
	case p.inbox <- arrival{tag, data}:
	default:
		p.deaf.Store(true)
	}
}

// hear looks at what the broker brought.
func (p *Rosters) hear(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-p.inbox:
			node, body, err := p.config.Nodes.Open(a.tag, a.data)
			said := &report{}
			if err == nil && node != p.config.Node && json.Unmarshal(body, said) == nil {
				p.heard(a.tag, node, said)
			}
		}
	}
}

func (p *Rosters) heard(tag, node string, said *report) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rosters[tag]
	if r == nil {
		return
	}
	before := r.others[node]
	if before != nil && said.Seq <= before.Seq {
		return
	}
	if q := r.asking; q != nil && !q.due {
		q.answered[node] = struct{}{}
	}
	if said.Ask {
		r.mustSay = true
		p.touchLocked(r)
	}
	said.at = time.Now()
	if before != nil && before.same(said) {
		before.Seq, before.at, before.former = said.Seq, said.at, false
		said = before
	} else if before != nil || !said.empty() {
		p.touchLocked(r)
	}
	p.putLocked(r, node, said) // also one that is empty, because an older one may come late
	p.answeredLocked(r)
}
