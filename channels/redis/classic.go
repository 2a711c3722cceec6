package redis

import (
	"strings"

	"github.com/gomodule/redigo/redis"
)

// What web servers publish on a Cluster by SPUBLISH comes to those who SSUBSCRIBE
// at the primary that has the channel's slot. What they publish by PUBLISH goes to
// every node of the Cluster, and so comes to those who SUBSCRIBE at any. Our nodes
// do that at the same primary, on the same connection: it has one order for all
// that it passes on, which is that of all nodes.
//
// So each SSUBSCRIBE has a SUBSCRIBE before it, and what is certain once the
// second is confirmed is certain of both. Where the second is refused, or ended by
// Redis because the slot moves, the first is a stray, and undone.

// send notes that a command is sent, and before it its classic half.
func (s *subscriptions) send(c *command) {
	if s.classic {
		s.sent = append(s.sent, &command{kind: c.kind, classic: true, tags: c.tags})
	}
	s.sent = append(s.sent, c)
}

// stray notes that the classic half has to be brought back to what holds of the
// other, which was refused, or ended.
func (s *subscriptions) stray(tag string, sub *subscription) {
	if !s.classic {
		return
	}
	k := unsubscribe
	if sub.subscribed {
		k = subscribe
	}
	s.strays = append(s.strays, &command{kind: k, classic: true, tags: []string{tag}})
}

// nextStray is the next command that does it, if there is one.
func (s *subscriptions) nextStray() *command {
	if len(s.strays) == 0 {
		return nil
	}
	c := s.strays[0]
	if s.strays = s.strays[1:]; len(s.strays) == 0 {
		s.strays = nil
	}
	s.sent = append(s.sent, c)
	return c
}

// confirmClassic takes the answer to a classic half. The other one says what holds.
func (s *subscriptions) confirmClassic(k kind, tag string) error {
	if len(s.sent) == 0 {
		return errOutOfStep
	}
	if c := s.sent[0]; c.kind != k || !c.classic || c.tags[0] != tag {
		return errOutOfStep
	}
	s.done()
	return nil
}

// classic takes the answer to a SUBSCRIBE or an UNSUBSCRIBE on a Cluster.
func (c *connection) classic(k kind, name string) error {
	tag, last := c.broker.names.Tag(name)
	if !last {
		return nil
	}
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.subs.confirmClassic(k, tag)
}

// refusedClassic takes an error as the answer to one. Redis' ACL may well not
// allow it to a user: then PUBLISH is not heard, which the log says.
func (c *connection) refusedClassic(refusal redis.Error) {
	if !forbidden(refusal) || !strings.Contains(string(refusal), " command") {
		return // the other half will be refused too, and says so
	}
	l := c.link
	l.mu.Lock()
	was := l.subs.classic
	l.subs.classic, l.subs.strays = false, nil
	l.mu.Unlock()
	if b := c.broker; was && !b.cluster.muted.Swap(true) {
		b.config.Log.WithError(plain(refusal)).
			Warn("redis: what is published by PUBLISH is not heard on this Cluster, but what is by SPUBLISH: the ACL would have to allow +subscribe and +unsubscribe")
	}
}
