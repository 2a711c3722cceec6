package redis

import (
	"context"
	"time"
)

// write sends what is wanted, and a PING from time to time, until ctx ends.
func (c *connection) write(ctx context.Context) error {
	config := &c.broker.config
	pings := time.NewTicker(config.PingInterval)
	defer pings.Stop()
	checks := time.NewTicker(config.CheckInterval)
	defer checks.Stop()
	if err := c.ask(); err != nil {
		return err
	}
	for {
		if err := c.send(); err != nil {
			return err
		}
		c.announce()
		if err := c.barrier(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.link.wake:
		case <-pings.C:
			if err := c.ping(); err != nil {
				return err
			}
		case <-checks.C:
			c.check()
			if err := c.ask(); err != nil {
				return err
			}
		}
	}
}

// send brings Redis from what it was asked for to what is wanted now.
func (c *connection) send() error {
	b, l := c.broker, c.link
	most := batch
	if l.sharded {
		most = 1 // channels of one command have to be of one slot
	}
	for {
		l.mu.Lock()
		command := l.subs.next(most)
		both := command != nil && (command.classic || l.subs.classic)
		l.mu.Unlock()
		if command == nil {
			return c.conn.Flush()
		}
		names := make([]any, 0, len(command.tags))
		for _, tag := range command.tags {
			for _, name := range b.names.Names(tag) {
				names = append(names, name)
			}
		}
		if both {
			if err := c.conn.Send(string(command.kind), names...); err != nil {
				return err
			}
		}
		if command.classic {
			continue
		}
		if err := c.conn.Send(c.verb(command.kind), names...); err != nil {
			return err
		}
	}
}

// verb is the command of a kind.
func (c *connection) verb(k kind) string {
	if c.link.sharded && k != ping {
		return "s" + string(k)
	}
	return string(k)
}

func (c *connection) ping() error {
	l := c.link
	l.mu.Lock()
	l.subs.ping(time.Now())
	l.mu.Unlock()
	if err := c.conn.Send(string(ping)); err != nil {
		return err
	}
	return c.conn.Flush()
}

// check is the reconciliation of RELIABILITY.md F2: whatever else went wrong,
// no channel stays silent for longer than the interval.
func (c *connection) check() {
	b, l := c.broker, c.link
	l.mu.Lock()
	astray := l.subs.check()
	l.mu.Unlock()
	if astray > 0 {
		b.config.Log.WithField("channels", astray).Error("redis: wanted and confirmed subscriptions differed; mended")
	}
}
