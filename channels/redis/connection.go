package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/mna/redisc"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/tags"
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
	link   *link
	conn   redis.Conn
	sink   channels.Sink

	// deliver is Message of sink, for the channels of this link.
	deliver func(tag string, data []byte) int

	// Owned by the reader.
	refusalLogged time.Time
	refusal       error // by the ACL, of the first command of ask
}

// serve uses conn until it breaks or ctx ends, and returns why. When it tells
// the sink that messages are lost, no Live of this connection can follow.
func (l *link) serve(ctx context.Context, conn redis.Conn, addr string, sink channels.Sink) error {
	b := l.broker
	c := &connection{broker: b, link: l, conn: conn, sink: sink, deliver: sink.Message}
	if b.names.HasShared() && !b.alone() {
		c.deliver = func(tag string, data []byte) int {
			if b.link(tag) != l {
				return 0 // what is for several channels comes on each link
			}
			return sink.Message(tag, data)
		}
	}
	alive, end := context.WithCancelCause(ctx) // the first cause is the one that counts
	// Closing is what ends a read or a write that is under way.
	context.AfterFunc(alive, func() { _ = conn.Close() })
	defer end(nil)
	if !l.sharded { // each node of a Cluster has a clock of its own
		if err := b.askTime(alive, conn); err != nil {
			return fmt.Errorf("%s: %w", addr, plain(err))
		}
	}
	l.mu.Lock()
	l.subs.classic = l.sharded // until the ACL forbids it
	l.mu.Unlock()
	l.droppable(addr, end)
	l.up.Store(true)

	var reader sync.WaitGroup
	var readErr, writeErr error
	reader.Go(func() { // ends when conn is closed
		readErr = c.read()
		end(readErr)
	})
	writeErr = c.write(alive)
	end(writeErr)
	reader.Wait()
	why := context.Cause(alive)
	for _, err := range []error{readErr, writeErr} { // one closes it for its reason, and the other may say first that it is closed
		if errors.Is(why, net.ErrClosed) && err != nil {
			why = err
		}
	}

	l.up.Store(false)
	l.droppable("", nil)
	if ctx.Err() != nil {
		l.mu.Lock()
		l.subs.reset()
		l.mu.Unlock()
		return nil
	}
	l.lost(why, sink)
	return fmt.Errorf("%s: %w", addr, plain(why))
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
			err = fmt.Errorf("silent, or within one answer, for %v, though asked by PING", silence)
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
	name, _ := values[0].([]byte)
	what := string(name)
	channel, _ := values[1].([]byte)
	if c.link.sharded { // ssubscribe, sunsubscribe, smessage
		if k := kind(what); k == subscribe || k == unsubscribe {
			return c.classic(k, string(channel))
		}
		what = strings.TrimPrefix(what, "s")
	}
	switch kind(what) {
	case "message":
		return c.message(string(channel), values[2:])
	case subscribe, unsubscribe:
		return c.confirmed(kind(what), string(channel))
	case "pong":
		return c.pong()
	}
	return errOutOfStep
}

// confirmed takes the answer for one name of a channel of a command: that for
// the last of its names is for all of them.
func (c *connection) confirmed(k kind, name string) error {
	l := c.link
	tag, last := c.broker.names.Tag(name)
	if !last {
		return nil
	}
	l.mu.Lock()
	err := l.subs.confirm(k, tag)
	moved := err != nil && l.sharded && k == unsubscribe // nobody asked: the slot has gone to another node
	if moved {
		l.subs.gone(tag)
	}
	l.mu.Unlock()
	if moved {
		c.broker.cluster.doubt()
		return nil
	}
	if err == nil && tag == checkTag {
		c.asked(k, nil)
	}
	c.announce()
	return err
}

// pong takes the answer to a PING.
func (c *connection) pong() error {
	l := c.link
	l.mu.Lock()
	defer l.mu.Unlock()
	at, err := l.subs.pong()
	if err != nil {
		return err
	}
	l.lag = time.Since(at)
	if l.subs.due() {
		l.awaken()
	}
	return nil
}

// refused takes an error as the answer to a command. For a PING that ends the
// connection. For channels, as when Redis' ACL forbids them, it does not: the
// others are served, and these are tried again from time to time.
func (c *connection) refused(refusal redis.Error) error {
	b, l := c.broker, c.link
	l.mu.Lock()
	command, err := l.subs.refuse()
	l.mu.Unlock()
	switch {
	case err != nil || command.kind == ping && !alive(refusal):
		return refusal
	case command.asks():
		c.asked(command.kind, refusal)
		return nil
	case command.classic:
		c.refusedClassic(refusal)
		return nil
	case l.sharded && (redisc.ParseRedir(refusal) != nil || strings.HasPrefix(string(refusal), "CLUSTERDOWN")):
		b.cluster.doubt()
	case len(command.tags) == 1 && time.Since(c.refusalLogged) >= refusalEvery:
		c.refusalLogged = time.Now()
		b.config.Log.WithError(plain(refusal)).WithField("channel", tags.Loggable(command.tags[0])).
			Warnf("redis: %s is refused, perhaps for more channels", command.kind)
	}
	l.awaken()
	return nil
}

// announce says Live where it is to be said. Both goroutines do: the reader
// after an answer, before the first message that follows it; the writer after
// a wish that needed no answer.
func (c *connection) announce() {
	l := c.link
	l.mu.Lock()
	tags := l.subs.announce()
	l.mu.Unlock()
	if len(tags) == 0 {
		return
	}
	for _, tag := range tags {
		c.sink.Live(tag)
	}
	l.mu.Lock()
	l.subs.announced(tags)
	l.mu.Unlock()
	l.awaken() // an UNSUBSCRIBE may have waited for this
}
