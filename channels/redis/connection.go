package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels"
)

const (
	batch             = 512             // channels in one SUBSCRIBE
	reconcileInterval = 5 * time.Second // between looks at what is wanted and not confirmed
)

// A connection is one that subscribes, from the dial to the fault that ends it.
type connection struct {
	// Constant.
	broker *Broker
	sink   channels.Sink
	redis  redis.Conn
	socket net.Conn // closed to end both goroutines; redis may be closed by neither
	ready  func()   // called once, when Redis has answered

	pinged atomic.Int64 // when PING was sent, Unix nanoseconds; 0 if it was answered
}

// connected dials, and serves the connection until it fails or ctx ends. It
// returns why.
func (b *Broker) connected(ctx context.Context, sink channels.Sink, ready func()) error {
	c, err := b.dial(ctx)
	if err != nil {
		return err
	}
	defer c.redis.Close()
	c.sink, c.ready = sink, sync.OnceFunc(ready)
	stop := context.AfterFunc(ctx, c.end)
	defer stop()

	b.mu.Lock()
	b.subscriptions.reset()
	b.mu.Unlock()
	written := make(chan error, 1)
	done := make(chan struct{})
	go func() { // ends with done, or with the socket
		defer c.end()
		written <- c.write(done)
	}()
	err = c.read()
	c.end()
	close(done)
	if writeErr := <-written; writeErr != nil && errors.Is(err, net.ErrClosed) {
		err = writeErr
	}
	return fmt.Errorf("redis: %w", err)
}

// dial connects and keeps hold of the socket.
func (b *Broker) dial(ctx context.Context) (*connection, error) {
	c := &connection{broker: b}
	conn, err := b.dialRedis(ctx, func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: b.config.DialTimeout}
		socket, err := dialer.DialContext(ctx, network, addr)
		c.socket = socket
		return socket, err
	})
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	c.redis = conn
	return c, nil
}

func (b *Broker) dialRedis(ctx context.Context, dial func(context.Context, string, string) (net.Conn, error)) (redis.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, b.config.DialTimeout)
	defer cancel()
	return redis.DialURLContext(ctx, b.config.URL,
		redis.DialContextFunc(dial),
		redis.DialConnectTimeout(b.config.DialTimeout),
		redis.DialReadTimeout(b.config.ReadTimeout),
		redis.DialWriteTimeout(b.config.ReadTimeout),
	)
}

func (c *connection) end() { _ = c.socket.Close() }

// read takes what Redis sends until the connection fails. It is the only
// caller of the sink, and so everything stays in Redis' order.
func (c *connection) read() error {
	for {
		reply, err := redis.ReceiveWithTimeout(c.redis, c.broker.config.ReadTimeout)
		if err != nil {
			return err
		}
		if !c.take(reply) {
			return fmt.Errorf("an answer that is none of ours: %T", reply)
		}
	}
}

// take acts on one answer: an array that begins with its kind, or PONG alone
// while nothing is subscribed.
func (c *connection) take(reply any) bool {
	if reply == "PONG" {
		c.alive()
		return true
	}
	list, _ := reply.([]any)
	if len(list) < 2 {
		return false
	}
	kind, _ := list[0].([]byte)
	channel, _ := list[1].([]byte)
	switch string(kind) {
	case "message":
		data, ok := list[len(list)-1].([]byte)
		c.message(string(channel), data)
		return ok
	case "subscribe", "unsubscribe":
		c.answered(string(channel), string(kind) == "subscribe")
		return true
	case "pong":
		c.alive()
		return true
	default:
		return false
	}
}

// alive notes the answer to PING.
func (c *connection) alive() {
	b := c.broker
	if at := c.pinged.Swap(0); at != 0 {
		b.lag.Store(time.Now().UnixNano() - at)
	}
	b.up.Store(true)
	c.ready()
}

// message is the first hop of a message.
func (c *connection) message(channel string, data []byte) {
	b := c.broker
	tag := c.tag(channel)
	if len(data) > b.config.MaxPublish {
		b.config.Log.WithField("bytes", len(data)).Warn("redis: a message is larger than --max-publish and was not delivered")
		c.sink.Lost("too_large", tag)
		c.sink.Live(tag)
		return
	}
	c.sink.Message(tag, data)
}

// tag is the tag of a channel that this connection asked for.
func (c *connection) tag(channel string) string {
	return strings.TrimPrefix(channel, c.broker.config.Prefix)
}

// answered takes the answer to SUBSCRIBE or UNSUBSCRIBE of one channel.
func (c *connection) answered(channel string, subscribed bool) {
	b := c.broker
	tag := c.tag(channel)
	b.mu.Lock()
	live, lost := b.subscriptions.answered(tag, subscribed)
	b.mu.Unlock()
	switch {
	case live:
		c.sink.Live(tag)
	case lost:
		c.sink.Lost(reasonLost, tag)
		b.wake()
	}
}

// write asks Redis for what is wanted, and whether it is alive, until done or
// an error.
func (c *connection) write(done <-chan struct{}) error {
	b := c.broker
	ping := time.NewTicker(b.config.PingInterval)
	defer ping.Stop()
	reconcile := time.NewTicker(reconcileInterval)
	defer reconcile.Stop()
	if err := c.ping(); err != nil {
		return err
	}
	for {
		if err := c.ask(); err != nil {
			return err
		}
		select {
		case <-done:
			return nil
		case <-b.woken:
		case <-reconcile.C:
			b.mu.Lock()
			b.subscriptions.reconcile()
			b.mu.Unlock()
		case <-ping.C:
			if err := c.ping(); err != nil {
				return err
			}
		}
	}
}

func (c *connection) ping() error {
	c.pinged.CompareAndSwap(0, time.Now().UnixNano())
	return c.send("PING")
}

// send sends a command whose answer read takes.
func (c *connection) send(command string, args ...any) error {
	if err := c.redis.Send(command, args...); err != nil {
		return err
	}
	return c.redis.Flush()
}

// ask sends all that differs from what was sent before.
func (c *connection) ask() error {
	b := c.broker
	for {
		b.mu.Lock()
		subscribe, tags := b.subscriptions.next(batch)
		b.mu.Unlock()
		if len(tags) == 0 {
			return nil
		}
		names := make([]any, len(tags))
		for i, tag := range tags {
			names[i] = b.config.Prefix + tag
		}
		command := "UNSUBSCRIBE"
		if subscribe {
			command = "SUBSCRIBE"
		}
		if err := c.send(command, names...); err != nil {
			return err
		}
	}
}
