package server

import (
	"cmp"
	"slices"
	"time"

	"github.com/sb-stream/stream-server/server/engineio"
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
	p.events = slices.DeleteFunc(p.events, func(e record) bool { return e.channel != 0 && e.channel != channel })
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
	var last, behind *record
	for j := range p.events {
		e := &p.events[j]
		if e.number >= m.number && (e.deed != deedBehind || e.number > m.number) {
			continue // it happened later
		}
		if e.deed == deedBehind {
			behind = e
		} else if e.deed != deedIdentified {
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
	case v.Got && m.Dropped+m.Ended > 0 && p.endedSlow(s, m.number, messages, i):
		v.Got, v.Why = false, whyDropped
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
	case deedClosed:
		return false, whyEnded
	default:
		return false, whyNotSubscribed
	}
}

// endedSlow reports whether the session was closed as slow by this message.
func (p *suspect) endedSlow(s *Server, number uint64, messages []whyMessage, i int) bool {
	next := uint64(1<<64 - 1)
	if i+1 < len(messages) {
		next = messages[i+1].number
	}
	return slices.ContainsFunc(p.events, func(e record) bool {
		return e.deed == deedClosed && e.number >= number && e.number < next && s.blackBox.reason(e) == engineio.ReasonSlow
	})
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
