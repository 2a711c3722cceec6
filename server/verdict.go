package server

import (
	"cmp"
	"slices"
	"time"
)

// A suspect is a session that why is asked of.
type suspect struct {
	hash   uint64
	name   string   // public id; "ended" if nobody knows it any more
	client *client  // nil once it has ended
	events []record // of it, oldest first
}

// only leaves what concerns a channel, and the whole session.
func (p *suspect) only(channel uint64) {
	p.events = slices.DeleteFunc(p.events, func(e record) bool {
		return e.channel != 0 && e.channel != channel && e.deed != deedDropped
	})
}

// suspects is the session of this id, or those of a member, in the order in
// which they began; and since when all events are known.
func (s *Server) suspects(who string) ([]*suspect, time.Time) {
	hash := s.blackBox.hash(who)
	by := make(map[uint64]*suspect)
	of := func(session uint64) *suspect {
		if by[session] == nil {
			by[session] = &suspect{hash: session, name: "ended"}
		}
		return by[session]
	}
	named, since := s.blackBox.read(func(e *record) bool { return e.session == hash || e.member == hash && e.session != 0 })
	for _, e := range named {
		of(e.session)
	}
	if one := by[hash]; one != nil {
		one.name = who // it was asked for by it
	}
	for _, c := range append(s.find(who, ""), s.find("", who)...) {
		p := of(s.blackBox.hash(c.ID()))
		p.name, p.client = c.ID(), c
	}
	events, _ := s.blackBox.read(func(e *record) bool { return by[e.session] != nil })
	for _, e := range events {
		by[e.session].events = append(by[e.session].events, e)
	}
	list := make([]*suspect, 0, len(by))
	for _, p := range by {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b *suspect) int { return cmp.Or(cmp.Compare(a.began(), b.began()), cmp.Compare(a.hash, b.hash)) })
	return list, since
}

func (p *suspect) began() int64 {
	if len(p.events) == 0 {
		return 0
	}
	return p.events[0].at
}

// judge is why the session did or did not get message i: what was the last that
// happened to it before the message came.
func (s *Server) judge(p *suspect, tag string, messages []whyMessage, i int) verdict {
	m := &messages[i]
	v := verdict{Session: p.name, Why: whyUnknown}
	var last, behind, dropped *record
	for j := range p.events {
		switch e := &p.events[j]; {
		case e.deed == deedBehind && e.number <= m.number:
			behind = e
		case e.deed == deedDropped && e.holds(m.number) && e.channel == s.blackBox.hash(tag):
			dropped = e
		case e.deed != deedBehind && e.deed != deedIdentified && e.number < m.number:
			last = e
		}
	}
	switch {
	case last != nil:
		at := time.UnixMilli(last.at).UTC()
		v.At, v.Reason = &at, s.blackBox.reason(*last)
		v.Got, v.Why = settled(last, v.Reason)
	case p.client != nil && p.client.heardBefore(tag, m.number):
		v.Got, v.Why = true, whySent
	case len(p.events) > 0 && p.events[0].deed == deedConnected:
		at := time.UnixMilli(p.events[0].at).UTC()
		v.At, v.Why = &at, whyNotConnected
	}
	switch {
	case dropped != nil && m.Dropped > 0:
		at := time.UnixMilli(dropped.at).UTC()
		v.Got, v.Why, v.At, v.Reason = false, whyDropped, &at, ""
	case v.Got && m.Waited > 0 && behind != nil:
		v.Why = whyWaited
	case !v.Got:
		if e := p.replayed(messages, i); e != nil {
			at := time.UnixMilli(e.at).UTC()
			v = verdict{Session: p.name, Got: true, Why: whyReplayed, At: &at}
		}
	}
	return v
}

// settled is what the last event before a message says of it.
func settled(e *record, reason string) (got bool, why string) {
	switch e.deed {
	case deedSubscribed:
		return true, whySent
	case deedRefused:
		return false, whyRefused
	case deedUnsubscribed:
		if reason != "" {
			return false, whyRevoked
		}
		return false, whyNotSubscribed
	case deedDropped, deedClosed:
		return false, whyEnded
	default:
		return false, whyNotSubscribed
	}
}

// holds reports whether the message of this number may be one of the round.
func (e *record) holds(number uint64) bool {
	return e.number <= number && number <= e.number+uint64(e.count)
}

// replayed is the event by which the session came back and got the message; nil
// if it did not.
func (p *suspect) replayed(messages []whyMessage, i int) *record {
	for j := range p.events {
		e := &p.events[j]
		if e.deed != deedSubscribed || e.count == 0 || e.number < messages[i].number {
			continue
		}
		after := 0 // messages from this one on that came before it was back
		for _, m := range messages[i:] {
			if m.number <= e.number {
				after++
			}
		}
		if after <= int(e.count) {
			return e
		}
	}
	return nil
}

// heardBefore reports whether the client hears the channel, and did when the
// message of this number came.
func (c *client) heardBefore(tag string, number uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.heard.index(tag)
	return !c.left && i >= 0 && c.heard[i].From < number
}
