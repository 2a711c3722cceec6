package channels

// A Subscription is what a client is told when it begins to hear a channel.
type Subscription struct {
	Position  Position        // of the newest message before the first that it gets
	From      uint64          // number after which it gets all of this channel
	Recovered bool            // it got, or gets, all that came after where it was
	Replayed  int             // messages that it got at once
	Live      <-chan struct{} // closed once messages are certain to arrive

	channel *Channel
}

// Tag is the channel's own copy of its tag, for whoever keeps it.
func (s Subscription) Tag() string { return s.channel.tag }

// Early notes that the client was answered before the channel was live, so
// that it is told of the gap when it is. It reports false if the channel is
// live by now, and then nothing was missed.
func (s Subscription) Early() bool { return s.channel.early("subscribed_late") }

// Missed is what a client gets before the messages to come: those after the
// message of this node's number After, and before them what another node, or the
// broker, had of it.
type Missed struct {
	After  uint64
	Before []Message
	Room   *int // bytes that may be replayed; what is replayed is taken off
}

// Subscribe makes c hear the channel, and send it what it missed, if that is
// not nil, all of it or nothing. The first client of a channel makes the broker
// listen to it. Doing it twice changes nothing.
func (cs *Channels) Subscribe(tag string, c Client, missed *Missed) Subscription {
	ch := cs.retain(tag)
	sub, added := ch.add(c, missed, cs)
	if !added {
		cs.release(ch)
	}
	return sub
}

// retain is the channel of a tag, with one client more to come, until release.
// The broker is told to listen if there was none.
func (cs *Channels) retain(tag string) *Channel {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	ch := cs.channels[tag]
	if ch == nil {
		if ch = cs.lingering[tag].Channel; ch != nil {
			delete(cs.lingering, tag)
		} else {
			ch = &Channel{tag: tag, latest: cs.latest(tag), begun: cs.seq.last.Add(1)}
			cs.broker.Listen(tag)
		}
		cs.channels[tag] = ch
	}
	ch.refs++
	return ch
}

// add puts c into the map and reports whether it was not there yet. The client
// gets every message after the one at the position, and none before but those
// that it missed.
func (ch *Channel) add(c Client, missed *Missed, cs *Channels) (sub Subscription, added bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.clients.size() == 0 {
		ch.gap = "" // those it was meant for have left
	}
	at, p, there := ch.claimLocked(c, cs)
	defer p.mu.Unlock()
	sub = Subscription{Position: ch.positionLocked(at, cs), From: at, Live: ch.liveLocked(), channel: ch}
	if missed != nil && !there {
		if list, ok := ch.missedLocked(missed, at); ok {
			sub.Recovered, sub.Replayed = true, len(list)
			if len(list) > 0 {
				ch.replay(c, list, cs)
			}
		}
	}
	ch.clients.put(c, p, there)
	return sub, !there
}

// claimLocked locks the part that c is to be in. The messages up to the number
// do not come to it by a walk: the one under way has been there, or has yet to come.
func (ch *Channel) claimLocked(c Client, cs *Channels) (at uint64, p *part, there bool) {
	if ch.rounds == nil {
		p, there = ch.clients.claim(c.ID(), 0)
		return cs.seq.last.Load(), p, there
	}
	p, there = ch.clients.claim(c.ID(), ch.rounds.last)
	return max(p.seen, ch.rounds.first-1), p, there
}

// missedLocked is what the client missed, up to the message of this number;
// false if that cannot be told, or is too much.
func (ch *Channel) missedLocked(m *Missed, at uint64) ([]Message, bool) {
	own, ok := ch.afterLocked(m.After)
	if !ok || !ch.live {
		return nil, false
	}
	list := append([]Message{}, m.Before...)
	for _, message := range own {
		if message.number <= at {
			list = append(list, message)
		}
	}
	if ch.latest && len(list) > 1 {
		list = list[len(list)-1:]
	}
	size := 0
	for _, message := range list {
		size += len(message.Data)
	}
	if m.Room != nil {
		if size > *m.Room {
			return nil, false
		}
		*m.Room -= size
	}
	return list, true
}

// replay sends messages of the channel to one client.
func (ch *Channel) replay(c Client, list []Message, cs *Channels) {
	r := &Round{Channel: ch.tag, Latest: ch.latest, Messages: list, late: cs.late}
	r.Encoding = cs.encode(r)
	c.Send(r)
}
