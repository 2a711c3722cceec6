package redis

import "time"

// What is sent beside subscriptions, and answered in the same order.

// ping notes that a PING is sent.
func (s *subscriptions) ping(now time.Time) {
	c := &command{kind: ping, sentAt: now}
	if s.due() {
		c.waiters, s.waiting, s.awaited = s.waiting, nil, true
	}
	s.sent = append(s.sent, c)
}

// ask notes that a SUBSCRIBE and an UNSUBSCRIBE are sent to see whether they may be.
func (s *subscriptions) ask() []*command {
	question := []*command{{kind: subscribe, tags: []string{checkTag}}, {kind: unsubscribe, tags: []string{checkTag}}}
	s.sent = append(s.sent, question...)
	return question
}

// pinged is when the oldest PING without an answer was sent; zero if there is none.
func (s *subscriptions) pinged() time.Time {
	for _, c := range s.sent {
		if c.kind == ping {
			return c.sentAt
		}
	}
	return time.Time{}
}

// pong takes the answer to a PING and returns when that was sent.
func (s *subscriptions) pong() (time.Time, error) {
	if len(s.sent) == 0 || s.sent[0].kind != ping {
		return time.Time{}, errOutOfStep
	}
	c := s.sent[0]
	s.done()
	s.release(c, nil)
	return c.sentAt, nil
}
