package redis

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sb-stream/stream-server/channels"
)

// run keeps the links, and each channel on the right one, until ctx ends.
func (c *cluster) run(ctx context.Context, sink channels.Sink) {
	defer c.end()
	look := time.NewTicker(c.broker.config.CheckInterval)
	defer look.Stop()
	notify(c.changed)
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			c.doubt()
		case <-c.stale:
			_ = c.refresh() // the links tell the log that Redis is away
			notify(c.changed)
			select { // many may doubt at once, for as long as a failover takes
			case <-time.After(settleIn):
			case <-ctx.Done():
				return
			}
		case <-c.changed:
			c.connect(ctx, sink)
			if !c.settle(sink) {
				time.AfterFunc(settleIn, func() { notify(c.changed) })
			}
		}
	}
}

// connect makes links to the primaries that have none.
func (c *cluster) connect(ctx context.Context, sink channels.Sink) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, addr := range c.owners {
		if addr == "" || i > 0 && addr == c.owners[i-1] || c.links[addr] != nil {
			continue
		}
		l := c.broker.newLink(c.broker.dialer.at(addr))
		c.links[addr] = l
		ctx, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { // ends with ctx, or when the primary has no slots any more
			defer close(done)
			l.run(ctx, sink)
		}()
		c.ends[l] = func() { cancel(); <-done }
	}
}

// settle brings each channel to the right link, and tells its clients that
// messages may be missing. It is false if some have to wait, because something
// is being said of them.
func (c *cluster) settle(sink channels.Sink) (settled bool) {
	type move struct {
		tag      string
		from, to *link
	}
	var moves []move
	c.mu.Lock()
	for tag, l := range c.homes {
		if to := c.rightLocked(tag); to != l || l.isGone(tag) {
			moves = append(moves, move{tag, l, to})
		}
	}
	c.mu.Unlock()
	settled = true
	for _, m := range moves {
		// Nobody else says Live of it until it is listened to again.
		free, live := m.from.release(m.tag)
		if !free {
			settled = false
			continue
		}
		if live {
			sink.Lost(reasonLost, m.tag)
		}
		c.mu.Lock()
		switch now := c.homes[m.tag]; now {
		case m.from:
			c.homes[m.tag] = m.to
			m.to.listen(m.tag)
		case nil: // it was left meanwhile
		default: // and entered again, before Lost was said
			now.owe(m.tag)
		}
		c.mu.Unlock()
	}
	c.dismiss()
	return settled
}

// dismiss ends the links to those who have no slots and no channels any more.
func (c *cluster) dismiss() {
	c.mu.Lock()
	var ends []func()
	for addr, l := range c.links {
		if slices.Contains(c.owners[:], addr) || slices.Contains(slices.Collect(maps.Values(c.homes)), l) {
			continue
		}
		ends = append(ends, c.ends[l])
		delete(c.links, addr)
		delete(c.ends, l)
	}
	c.mu.Unlock()
	for _, end := range ends {
		end()
	}
}

// isGone reports whether Redis has ended the subscription by itself.
func (l *link) isGone(tag string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	sub := l.subs.tags[tag]
	return sub != nil && sub.gone
}

// release ends listen, unless something is being said of the channel. It reports
// whether the channel was said to be live.
func (l *link) release(tag string) (free, live bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if sub := l.subs.tags[tag]; sub != nil {
		if sub.announcing > 0 {
			return false, false
		}
		live = sub.wanted && (sub.gone || !sub.owed)
		sub.gone, sub.refused = false, false
	}
	l.subs.unlisten(tag)
	l.awaken()
	return true, live
}

// owe has Live said again.
func (l *link) owe(tag string) {
	l.mu.Lock()
	l.subs.owe(tag)
	l.mu.Unlock()
	l.awaken()
}

// wants reports whether the channel is wanted on this link.
func (l *link) wants(tag string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	sub := l.subs.tags[tag]
	return sub != nil && sub.wanted
}
