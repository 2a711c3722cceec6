package redis

import "github.com/sb-stream/stream-server/internal/tags"

// message is the first hop of a message, DESIGN.md section 4.
func (c *connection) message(name string, values []any) error {
	if len(values) != 1 {
		return errOutOfStep
	}
	names := c.broker.names
	if c.link.sharded {
		if tag, _ := names.Tag(name); !c.link.wants(tag) {
			return nil // it is on another link by now: what was under way comes too late
		}
	}
	switch data := values[0].(type) {
	case []byte:
		if len(data) > c.broker.config.MaxPublish {
			c.tooLarge(name, int64(len(data)))
		} else if _, err := names.Read(name, data, c.deliver); err != nil {
			tag := names.Blamed(name)
			if c.broker.link(tag) == c.link { // it may come on each
				names.Refuse(err)
			}
			c.lost(tag, reasonOddity)
		}
		return nil
	case int64: // what redisnet.Dial makes of a string over the limit
		c.tooLarge(name, data)
		return nil
	}
	return errOutOfStep
}

// tooLarge tells of a message that is not delivered.
func (c *connection) tooLarge(name string, size int64) {
	b := c.broker
	b.refused.Add(1)
	tag := b.names.Blamed(name)
	b.config.Log.WithField("channel", tags.Loggable(tag)).WithField("bytes", size).
		Warn("redis: a message is over the limit and was not delivered")
	c.lost(tag, reasonTooLarge)
}

// lost tells those who hear the channel that they have missed a message.
func (c *connection) lost(tag, reason string) {
	l := c.link
	l.mu.Lock()
	held := l.subs.hold(tag)
	l.mu.Unlock()
	if len(held) == 0 {
		return // nobody wants it here
	}
	c.sink.Lost(reason, tag)
	l.mu.Lock()
	l.subs.owe(tag)
	l.subs.announced(held)
	l.mu.Unlock()
	c.announce()
}
