package presence

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

const (
	breath  = 128                   // sessions that are told something under one lock
	gather  = 20 * time.Millisecond // from a change to the first event about it
	keeping = time.Second           // between looks at what has become old
)

// Run tells sessions, and the other nodes, what changes, until ctx ends.
func (p *Rosters) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	if p.config.Nodes != nil {
		group.Go(func() { p.hear(ctx) })  // ends with ctx
		group.Go(func() { p.watch(ctx) }) // ends with ctx
	}
	for {
		var after <-chan time.Time
		if next := p.tick(ctx, &group); next > 0 {
			after = time.After(next)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-after:
		case <-p.wake:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(gather): // there may be more
			}
		}
	}
}

// nudge makes Run look.
func (p *Rosters) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// touchLocked makes it be looked at what there is to tell of a roster, as soon
// as its interval allows.
func (p *Rosters) touchLocked(r *roster) {
	if r.due.IsZero() {
		r.due = r.flushed.Add(r.interval())
		p.dirty[r] = struct{}{}
		p.nudge()
	}
}

// tick does what is due, and says when there will be something again; 0: nobody
// knows.
func (p *Rosters) tick(ctx context.Context, group *sync.WaitGroup) (next time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.expireLocked(now)
	shared := p.config.Nodes != nil
	if shared && now.Sub(p.kept) >= keeping {
		p.kept = now
		p.keepLocked(now)
	}
	for r := range p.dirty { // Go allows a map to change between the steps of a range
		if !now.Before(r.due) {
			p.flushLocked(r, now)
		}
	}
	for p.speakers < min(maxSpeakers, len(p.queue)) && !now.Before(p.paused) {
		p.speakers++
		group.Go(func() { p.speak(ctx) }) // ends with the queue
	}
	until := func(at time.Time) {
		if wait := max(at.Sub(now), gather); next == 0 || wait < next {
			next = wait
		}
	}
	for r := range p.dirty {
		until(r.due)
	}
	if len(p.lingering) > 0 {
		until(p.lingering[0].until)
	}
	if shared && len(p.rosters) > 0 {
		until(p.kept.Add(keeping))
	}
	if len(p.queue) > 0 && p.speakers == 0 {
		until(p.paused)
	}
	return next
}

// flushLocked tells sessions what has changed since the last time. The lock is
// given up now and then.
func (p *Rosters) flushLocked(r *roster, now time.Time) {
	delete(p.dirty, r)
	r.due, r.flushed = time.Time{}, now
	if p.config.Nodes == nil {
		r.count(maxRoom)
	} else if changed := r.count(p.config.Nodes.Room()); r.live && (changed || r.mustSay) {
		p.sayLocked(r)
	}
	before := r.shown
	r.shown = r.look()
	news := p.news(r.tag, before, r.shown)
	if len(news) > 0 {
		r.json = nil
	}
	if r.synced {
		for _, at := range r.waiting {
			close(at.ready)
		}
		r.waiting = nil
	}
	p.tellLocked(r, news)
}

// tellLocked walks the sessions in a channel.
func (p *Rosters) tellLocked(r *roster, news []any) {
	var whole any // made when somebody needs it
	n := 0
	for s, at := range r.seats {
		switch {
		case at.told == owed && r.synced:
			if whole == nil {
				whole = p.whole(r.tag, r.shown)
			}
			at.told = all
			s.Tell(whole)
		case at.told == all:
			for _, event := range news {
				s.Tell(event)
			}
		}
		if n++; n%breath == 0 {
			p.mu.Unlock()
			p.mu.Lock()
		}
	}
}

// A change is the argument of $join and $leave. Only guests may have changed.
type change struct {
	Channel string   `json:"channel"`
	Members []string `json:"members"` // who came, or went
	Guests  int      `json:"guests"`  // who are here now
}

// present is who is here, as sessions are told.
type present struct {
	Channel   string   `json:"channel,omitempty"` // of the event $presence
	Members   []string `json:"members"`           // null if there are too many
	Count     int      `json:"count"`             // of members
	Guests    int      `json:"guests"`
	Truncated bool     `json:"truncated,omitempty"`
	Alone     bool     `json:"alone,omitempty"` // who is on other nodes is not known
}

// news is what to tell of the difference.
func (p *Rosters) news(tag string, before, after view) (list []any) {
	if before.truncated || after.truncated {
		if before.truncated != after.truncated || before.count != after.count || before.guests != after.guests {
			list = append(list, p.whole(tag, after))
		}
		return list
	}
	joined, left := without(after.members, before.members), without(before.members, after.members)
	if len(joined) > 0 || after.guests > before.guests && len(left) == 0 {
		list = append(list, p.change(tag, EventJoin, joined, after.guests, after.of(joined)))
	}
	if len(left) > 0 || after.guests < before.guests && len(joined) == 0 {
		list = append(list, p.change(tag, EventLeave, left, after.guests, before.of(left)))
	}
	return list
}

// without is what of the one ascending list is not in the other.
func without(list, other []string) []string {
	rest := []string{}
	for _, one := range list {
		i, found := slices.BinarySearch(other, one)
		if other = other[i:]; !found {
			rest = append(rest, one)
		}
	}
	return rest
}

func (p *Rosters) whole(tag string, v view) any {
	return p.config.Encode(News{tag, EventAll, mustJSON(p.present(tag, v)), !v.truncated, v.of(v.members)})
}

func (p *Rosters) change(tag, event string, members []string, guests int, said []json.RawMessage) any {
	return p.config.Encode(News{tag, event, mustJSON(change{tag, members, guests}), true, said})
}

func (p *Rosters) present(tag string, v view) present {
	return present{tag, v.members, v.count, v.guests, v.truncated, p.config.Alone}
}

// shownLocked is what sessions were told last.
func (p *Rosters) shownLocked(r *roster) []byte {
	if r.json == nil {
		r.json = mustJSON(p.present("", r.shown))
	}
	return r.json
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("presence: " + err.Error()) // text and numbers always encode
	}
	return data
}
