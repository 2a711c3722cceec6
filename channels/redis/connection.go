package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels"
)

const (
	batch        = 512         // channels that one SUBSCRIBE names at most
	refusalEvery = time.Minute // between log lines about channels that Redis refuses
)

// A connection is the one that subscribes, from the dial to its end. One
// goroutine reads and another writes; neither waits for the other.
type connection struct {
	// Constant.
	broker *Broker
	conn   redis.Conn
	sink   channels.Sink

	refusalLogged time.Time // owned by the reader
}

// serve uses conn until it breaks or ctx ends, and returns why. When it tells
// the sink that messages are lost, no Live of this connection can follow.
func (b *Broker) serve(ctx context.Context, conn redis.Conn, sink channels.Sink) error {
	c := &connection{broker: b, conn: conn, sink: sink}
	alive, end := context.WithCancelCause(ctx) // the first cause is the one that counts
	// Closing is what ends a read or a write that is under way.
	context.AfterFunc(alive, func() { _ = conn.Close() })
	b.up.Store(true)

	var reader sync.WaitGroup
	reader.Go(func() { end(c.read()) }) // ends when conn is closed
	end(c.write(alive))
	reader.Wait()

	b.up.Store(false)
	b.mu.Lock()
	b.subs.reset()
	b.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	sink.Lost(reasonLost)
	return fmt.Errorf("%s: %w", b.target.addr, plain(context.Cause(alive)))
}

// read takes what Redis sends, in its order, until the connection ends.
func (c *connection) read() error {
	silence := c.broker.config.PingInterval + c.broker.config.PingTimeout
	for {
		reply, err := redis.ReceiveWithTimeout(c.conn, silence)
		var refusal redis.Error
		switch {
		case err == nil:
			err = c.take(reply)
		case errors.As(err, &refusal):
			err = c.refused(refusal)
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = fmt.Errorf("silent for %v, though asked by PING", silence)
		}
		if err != nil {
			return err
		}
	}
}

// take acts on one reply. redis.PubSubConn is not used for it, because it does
// not know the answer to a PING when nothing is subscribed to.
func (c *connection) take(reply any) error {
	if reply == "PONG" {
		return c.pong()
	}
	values, _ := reply.([]any)
	if len(values) < 2 {
		return errOutOfStep
	}
	what, _ := values[0].([]byte)
	channel, _ := values[1].([]byte)
	tag := strings.TrimPrefix(string(channel), c.broker.config.Prefix)
	switch kind(what) {
	case "message":
		if data, ok := values[len(values)-1].([]byte); ok && len(values) == 3 {
			c.message(tag, data)
			return nil
		}
	case subscribe, unsubscribe:
		return c.confirmed(kind(what), tag)
	case "pong":
		return c.pong()
	}
	return errOutOfStep
}

// message is the first hop of a message, DESIGN.md section 4.
func (c *connection) message(tag string, data []byte) {
	b := c.broker
	if len(data) <= b.config.MaxPublish {
		c.sink.Message(tag, data)
		return
	}
	b.config.Log.WithField("channel", tag).WithField("bytes", len(data)).
		Warn("redis: a message is over the limit and was not delivered")
	c.sink.Lost(reasonTooLarge, tag)
	b.mu.Lock()
	b.subs.owe(tag)
	b.mu.Unlock()
	c.announce()
}

// confirmed takes the answer for one channel of a command.
func (c *connection) confirmed(k kind, tag string) error {
	b := c.broker
	b.mu.Lock()
	err := b.subs.confirm(k, tag)
	b.mu.Unlock()
	c.announce()
	return err
}

// pong takes the answer to a PING.
func (c *connection) pong() error {
	b := c.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	at, err := b.subs.pong()
	if err == nil {
		b.lag = time.Since(at)
	}
	return err
}

// refused takes an error as the answer to a command. For a PING that ends the
// connection. For channels, as when Redis' ACL forbids them, it does not: the
// others are served, and these are tried again from time to time.
func (c *connection) refused(refusal redis.Error) error {
	b := c.broker
	b.mu.Lock()
	command, err := b.subs.refuse()
	b.mu.Unlock()
	switch {
	case err != nil || command.kind == ping && !alive(refusal):
		return refusal
	case len(command.tags) == 1 && time.Since(c.refusalLogged) >= refusalEvery:
		c.refusalLogged = time.Now()
		b.config.Log.WithError(refusal).WithField("channel", command.tags[0]).
			Warnf("redis: %s is refused, perhaps for more channels", command.kind)
	}
	b.awaken()
	return nil
}

// announce says Live where it is to be said. Both goroutines do: the reader
// after an answer, before the first message that follows it; the writer after
// a wish that needed no answer.
func (c *connection) announce() {
	b := c.broker
	b.mu.Lock()
	tags := b.subs.announce()
	b.mu.Unlock()
	if len(tags) == 0 {
		return
	}
	for _, tag := range tags {
		c.sink.Live(tag)
	}
	b.mu.Lock()
	b.subs.announced(tags)
	b.mu.Unlock()
	b.awaken() // an UNSUBSCRIBE may have waited for this
}

// write sends what is wanted, and a PING from time to time, until ctx ends.
func (c *connection) write(ctx context.Context) error {
	config := &c.broker.config
	pings := time.NewTicker(config.PingInterval)
	defer pings.Stop()
	checks := time.NewTicker(config.CheckInterval)
	defer checks.Stop()
	for {
		if err := c.send(); err != nil {
			return err
		}
		c.announce()
		select {
		case <-ctx.Done():
			return nil
		case <-c.broker.wake:
		case <-pings.C:
			if err := c.ping(); err != nil {
				return err
			}
		case <-checks.C:
			c.check()
		}
	}
}

// send brings Redis from what it was asked for to what is wanted now.
func (c *connection) send() error {
	b := c.broker
	for {
		b.mu.Lock()
		command := b.subs.next(batch)
		b.mu.Unlock()
		if command == nil {
			return c.conn.Flush()
		}
		names := make([]any, len(command.tags))
		for i, tag := range command.tags {
			names[i] = b.config.Prefix + tag
		}
		if err := c.conn.Send(string(command.kind), names...); err != nil {
			return err
		}
	}
}

func (c *connection) ping() error {
	b := c.broker
	b.mu.Lock()
	b.subs.ping(time.Now())
	b.mu.Unlock()
	if err := c.conn.Send(string(ping)); err != nil {
		return err
	}
	return c.conn.Flush()
}

// check is the reconciliation of RELIABILITY.md F2: whatever else went wrong,
// no channel stays silent for longer than the interval.
func (c *connection) check() {
	b := c.broker
	b.mu.Lock()
	astray := b.subs.check()
	b.mu.Unlock()
	if astray > 0 {
		b.config.Log.WithField("channels", astray).Error("redis: wanted and confirmed subscriptions differed; mended")
	}
}
