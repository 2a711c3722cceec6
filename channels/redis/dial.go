package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redisnet"
)

// A dialer makes the connections to one Redis, for those who subscribe, publish
// and look up alike.
type dialer struct {
	target

	find    func(context.Context) (addr string, err error) // where Redis is now; nil: at target.addr
	watched *watch                                         // of Sentinels; nil if there are none

	config  *tls.Config   // nil: no TLS
	connect time.Duration // until a connection has answered
	read    time.Duration // that an answer may take; 0 is as long as the context of the call allows
	write   time.Duration // that a command may take to be sent
	largest int           // bytes of a string that Redis may answer; of a larger one only its length comes
	reply   int           // bytes of an answer with arrays in arrays; 0: there is none
}

// newDialer is the dialer for what a Config says of TLS.
func newDialer(address string, config *tls.Config) (*dialer, error) {
	t, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	if !t.tls && config != nil {
		return nil, errors.New("redis: there is a TLS configuration, and the URL does not begin with rediss")
	}
	d := &dialer{target: t}
	if t.tls {
		if d.config = config; config == nil {
			d.config = new(tls.Config)
		}
	}
	if t.topology == sentinels {
		d.watched = d.watch()
		d.find = d.watched.find
	}
	return d, nil
}

// at is the dialer for one address of the same Redis.
func (d *dialer) at(addr string) *dialer {
	other := *d
	other.addr, other.find, other.watched = addr, nil, nil
	return &other
}

// close ends the connections to Sentinels.
func (d *dialer) close() {
	if d.watched != nil {
		d.watched.close()
	}
}

// dial makes a connection that has shown that Redis answers and that this user
// is let in. An error says where it went and what happened.
func (d *dialer) dial(ctx context.Context) (redis.Conn, error) {
	conn, _, err := d.reach(ctx)
	return conn, err
}

// reach is dial, and says which address that is.
func (d *dialer) reach(ctx context.Context) (conn redis.Conn, addr string, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.connect)
	defer cancel()
	addr = d.addr
	if d.find != nil {
		if addr, err = d.find(ctx); err != nil {
			return nil, "", plain(err)
		}
	}
	conn, err = redis.DialContext(ctx, "tcp", addr,
		redis.DialContextFunc(func(ctx context.Context, _, addr string) (net.Conn, error) {
			if d.reply > 0 {
				return redisnet.DialStreams(ctx, addr, d.config, d.largest, d.reply)
			}
			return redisnet.Dial(ctx, addr, d.config, d.largest)
		}),
		redis.DialUsername(d.user),
		redis.DialPassword(d.password),
		redis.DialDatabase(d.database),
		redis.DialReadTimeout(d.read),
		redis.DialWriteTimeout(d.write),
	)
	if err == nil {
		if err = d.greet(ctx, conn); err == nil && d.watched != nil {
			err = checkPrimary(ctx, conn)
		}
		if err == nil {
			return conn, addr, nil
		}
		_ = conn.Close()
	}
	return nil, "", d.explain(addr, err)
}

// greet asks for a sign of life.
func (d *dialer) greet(ctx context.Context, conn redis.Conn) error {
	reply, err := redis.DoContext(conn, ctx, "PING")
	if err == nil && reply != "PONG" {
		return redisnet.ErrReply
	}
	if alive(err) {
		return nil
	}
	return err
}

// explain says of an error where it happened, and what else may be meant by it
// than its text says.
func (d *dialer) explain(addr string, err error) error {
	hint := ""
	ended := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	late := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case ended && d.config != nil:
		hint = " (Redis may want a client certificate, or another one)"
	case ended:
		hint = " (a port for TLS takes rediss://)"
	case late && d.config != nil:
		hint = " (a port without TLS takes redis://)"
	}
	return fmt.Errorf("%s: %w%s", addr, plain(err), hint)
}

// A pool of this many connections. One that was idle for that long is tried
// before it is used.
func (d *dialer) pool(connections int, testAfter time.Duration) *redis.Pool {
	return &redis.Pool{
		DialContext: d.dial,
		TestOnBorrowContext: func(ctx context.Context, conn redis.Conn, used time.Time) error {
			if time.Since(used) < testAfter {
				return nil
			}
			_, err := redis.DoContext(conn, ctx, "PING")
			return err
		},
		MaxIdle:     min(connections, maxIdle),
		MaxActive:   connections, // more calls than that wait, as long as their context allows
		Wait:        true,
		IdleTimeout: idleTimeout,
	}
}

// repeats is what stands before the arguments of a command that Redis does not
// know.
const repeats = ", with args beginning with"

// plain is err without the addresses that package net puts around it, and
// without the arguments of a command that Redis repeats when it does not know
// the command: those of AUTH are the password, and those of PUBLISH a message.
func plain(err error) error {
	var op *net.OpError
	var reply redis.Error
	switch {
	case errors.As(err, &reply):
		text, _, _ := strings.Cut(string(reply), repeats)
		return redis.Error(text)
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case errors.As(err, &op) && op.Op == "remote error": // of TLS: it is Redis that refuses
		return fmt.Errorf("refused by Redis: %w", op.Err)
	case errors.As(err, &op):
		return op.Err
	}
	return err
}

// alive reports whether this answer to PING is one of a Redis that will serve:
// while it loads its data or runs a script, SUBSCRIBE waits or works.
func alive(err error) bool {
	var reply redis.Error
	return err == nil || errors.As(err, &reply) &&
		(strings.HasPrefix(string(reply), "LOADING") || strings.HasPrefix(string(reply), "BUSY"))
}

// cause is why a call failed: that its time was over, rather than what this did
// to the connection.
func cause(ctx context.Context, err error) error {
	var reply redis.Error
	var op *net.OpError
	switch {
	case errors.As(err, &reply) && strings.Contains(string(reply), repeats):
		return plain(err)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded): // the connection noticed first
		return context.DeadlineExceeded
	case errors.As(err, &op) && op.Op != "dial": // which says the port of this side as well
		return op.Err
	}
	return err
}
