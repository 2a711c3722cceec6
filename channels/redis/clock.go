package redis

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redisnet"
)

// A clock tells Redis' time without asking for it: from what Redis said last,
// and from this process' monotonic clock, which no jump of this machine's time
// moves (RELIABILITY.md F10).
//
// Its methods may be called from any goroutine.
type clock struct {
	last atomic.Pointer[reading] // nil: Redis has not been asked
}

// A reading is what Redis' clock showed.
type reading struct {
	at    time.Time // when, on this machine; it has the monotonic time
	redis time.Time
}

// now is Redis' time, and this machine's until Redis has said it.
func (c *clock) now() time.Time {
	if r := c.last.Load(); r != nil {
		return r.redis.Add(time.Since(r.at))
	}
	return time.Now()
}

// set notes that Redis said its time between these moments. What is known
// already stays if it may be right by that: an answer that took long says little.
func (c *clock) set(redis, sent, came time.Time) {
	took := came.Sub(sent)
	middle := sent.Add(took / 2)
	if r := c.last.Load(); r != nil {
		if off := redis.Sub(r.redis.Add(middle.Sub(r.at))); off.Abs() <= took/2 {
			return
		}
	}
	c.last.Store(&reading{middle, redis})
}

// ask asks Redis for its time, by what sends TIME. An error of Redis, such as that its ACL forbids
// the question, is one of [redis.Error].
func (c *clock) ask(do func() (any, error)) error {
	sent := time.Now()
	reply, err := do()
	came := time.Now()
	if err != nil {
		return err
	}
	parts, err := redis.Int64s(reply, nil)
	if err != nil || len(parts) != 2 {
		return fmt.Errorf("%w: TIME is no time", redisnet.ErrReply)
	}
	c.set(time.Unix(parts[0], parts[1]*int64(time.Microsecond)), sent, came)
	return nil
}

// Now is Redis' time, to about half of what a round trip to it takes: all nodes
// of one Redis share it. While Redis is away its clock is taken to go on as
// ours does.
func (b *Broker) Now() time.Time { return b.clock.now() }

// ask asks for the time on a connection that will subscribe, so that nothing is
// live before it is known. A refusal is no reason to be deaf.
func (b *Broker) askTime(ctx context.Context, conn redis.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, b.config.PingTimeout)
	defer cancel()
	err := b.clock.ask(func() (any, error) { return redis.DoContext(conn, ctx, "TIME") })
	var refusal redis.Error
	if errors.As(err, &refusal) {
		return nil
	}
	return err
}

// watch asks for the time at each interval until ctx ends, on a connection that
// publishes: so one of those that answers no more is noticed, though nothing is published.
func (b *Broker) watch(ctx context.Context) {
	asking := time.NewTicker(b.config.PingInterval)
	defer asking.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-asking.C:
		}
		b.refresh(ctx)
	}
}

func (b *Broker) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, b.config.PingTimeout)
	defer cancel()
	_ = b.clock.ask(func() (any, error) { return b.way.do(ctx, b.config.Prefix+clockKey, "TIME") }) // else what is known holds
	if w := b.dialer.watched; w != nil {
		if addr, err := w.find(ctx); err == nil {
			for _, l := range b.links { // whoever leads to the primary before hears nothing there
				l.giveUp(addr, reasonLost)
			}
		}
	}
}

// clockKey is on the node of a Cluster whose clock is that of all: each has its own.
const clockKey = "$clock"
