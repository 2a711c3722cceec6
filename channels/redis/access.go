package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/gomodule/redigo/redis"
)

// Tags by which Redis is asked what its ACL allows this user. No client can
// hear a tag of this form, and nothing is published to the first.
const (
	checkTag        = "$check"
	publishCheckTag = "$check:publish"
)

// forbidden reports whether Redis' ACL is what keeps a command from being done.
func forbidden(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && strings.HasPrefix(string(reply), "NOPERM")
}

// Ping reports, as one line, whether Redis can be reached, lets this user in
// and allows it what a Broker does. It uses a connection of its own, so that a
// program can ask at its start.
func (b *Broker) Ping(ctx context.Context) error {
	d, channel, prefix := b.dialer, b.config.Prefix+checkTag, ""
	if b.cluster != nil {
		if err := b.cluster.refresh(); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
		owner := b.cluster.owner(channel)
		if owner == "" {
			return fmt.Errorf("redis: %w", errNoOwner)
		}
		d, prefix = d.at(owner), "S"
	}
	conn, addr, err := d.reach(ctx)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, b.config.DialTimeout)
	defer cancel()
	for _, c := range []struct {
		name string
		args []any
	}{
		{"TIME", nil},
		{prefix + "PUBLISH", []any{b.config.Prefix + publishCheckTag, ""}},
		{prefix + "SUBSCRIBE", []any{channel}},
		{prefix + "UNSUBSCRIBE", []any{channel}},
	} {
		_, err := redis.DoContext(conn, ctx, c.name, c.args...)
		var reply redis.Error
		if err != nil && (!errors.As(err, &reply) || forbidden(reply)) {
			what := c.name
			if len(c.args) > 0 {
				what += fmt.Sprint(" ", c.args[0])
			}
			return fmt.Errorf("redis: %s: %s: %w", addr, what, plain(cause(ctx, err)))
		}
	}
	return nil
}

// ask asks whether this user may subscribe and unsubscribe. The channels that
// clients name cannot tell that: they may be forbidden for good reasons.
func (c *connection) ask() error {
	l := c.link
	l.mu.Lock()
	commands := l.subs.ask()
	l.mu.Unlock()
	for _, command := range commands {
		if err := c.conn.Send(c.verb(command.kind), c.broker.config.Prefix+checkTag); err != nil {
			return err
		}
	}
	return c.conn.Flush()
}

// asked takes the answer to one command of ask: nil if it was done. Who may
// not subscribe would be deaf and look well: Up says so, and the log once.
func (c *connection) asked(k kind, refusal error) {
	if !forbidden(refusal) {
		refusal = nil
	}
	if k == subscribe {
		c.refusal = refusal
		return
	}
	if c.refusal == nil {
		c.refusal = refusal
	}
	b, l := c.broker, c.link
	switch barred := c.refusal != nil; {
	case barred == l.barred.Load():
		return
	case barred:
		b.config.Log.WithError(c.refusal).WithField("channel", b.config.Prefix+checkTag).
			Error("redis: the ACL keeps this user from subscribing: not ready until it is mended")
	default:
		b.config.Log.Info("redis: the ACL lets this user subscribe again")
	}
	l.barred.Store(c.refusal != nil)
}
