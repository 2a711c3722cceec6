package redis

import (
	"context"
	"errors"
	"fmt"
)

// Redis answers the commands of a connection in order, and writes the messages
// of its channels in between as they come. So when a PING is answered that was
// sent after somebody asked, all that had been published before has been read.

// Why a Barrier fails.
var (
	errUnconfirmed = errors.New("redis: the channel is not subscribed to now")
	errBroken      = errors.New("redis: the connection broke")
)

// A waiter waits for the answer to a PING that was sent after it came.
type waiter struct {
	tag    string
	passed chan error // holds one value: nil once all of the channel's has come
}

// Barrier returns once every message of the channel that Redis had when it was
// called has been given to the sink. It fails if the channel is not subscribed
// to, or the connection breaks meanwhile. All who wait at once share a PING.
func (b *Broker) Barrier(ctx context.Context, tag string) error {
	l := b.link(tag)
	l.mu.Lock()
	passed, err := l.subs.await(tag)
	l.mu.Unlock()
	if err != nil {
		return err
	}
	l.awaken()
	select {
	case err = <-passed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("redis: barrier: %w", ctx.Err())
	}
}

// barrier sends a PING if somebody waits for one, and none that was sent for
// others is under way: those who come meanwhile share the next.
func (c *connection) barrier() error {
	l := c.link
	l.mu.Lock()
	due := l.subs.due()
	l.mu.Unlock()
	if !due {
		return nil
	}
	return c.ping()
}

// await adds one who waits.
func (s *subscriptions) await(tag string) (<-chan error, error) {
	if !s.holds(tag) {
		return nil, errUnconfirmed
	}
	w := waiter{tag, make(chan error, 1)}
	s.waiting = append(s.waiting, w)
	return w.passed, nil
}

// holds reports whether all that is published on the channel comes.
func (s *subscriptions) holds(tag string) bool {
	sub := s.tags[tag]
	return sub != nil && sub.confirmed()
}

// due reports whether a PING is to be sent for those who wait.
func (s *subscriptions) due() bool { return len(s.waiting) > 0 && !s.awaited }

// release tells those who waited for the command that it was answered, or why
// it was not.
func (s *subscriptions) release(c *command, err error) {
	if len(c.waiters) == 0 {
		return
	}
	s.awaited = false
	for _, w := range c.waiters {
		if err == nil && !s.holds(w.tag) {
			w.passed <- errUnconfirmed
		} else {
			w.passed <- err
		}
	}
}

// abandon tells all who wait that the connection broke.
func (s *subscriptions) abandon() {
	for _, c := range s.sent {
		s.release(c, errBroken)
	}
	s.release(&command{waiters: s.waiting}, errBroken)
	s.waiting, s.awaited = nil, false
}
