package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gomodule/redigo/redis"
)

// The pool of connections that publish.
const (
	maxIdle     = 16
	maxActive   = 64 // more calls than that wait, as long as their context allows
	idleTimeout = time.Minute
	testAfter   = time.Second // of idleness, a connection is tried before it is used
)

func (b *Broker) newPool() *redis.Pool {
	return &redis.Pool{
		DialContext: b.dial,
		TestOnBorrowContext: func(ctx context.Context, conn redis.Conn, used time.Time) error {
			if time.Since(used) < testAfter {
				return nil
			}
			_, err := redis.DoContext(conn, ctx, "PING")
			return err
		},
		MaxIdle:     maxIdle,
		MaxActive:   maxActive,
		Wait:        true,
		IdleTimeout: idleTimeout,
	}
}

// Publish sends data to the listeners of a channel on every node and returns
// to how many nodes Redis passed it. It takes as long as ctx allows, and 2 s
// (RELIABILITY.md F3) when ctx has no deadline. After an error the message may
// have been published nevertheless.
func (b *Broker) Publish(ctx context.Context, tag string, data []byte) (int, error) {
	if len(data) > b.config.MaxPublish {
		return 0, fmt.Errorf("redis: a message of %d bytes is over the limit of %d", len(data), b.config.MaxPublish)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.config.PublishTimeout)
		defer cancel()
	}
	n, err := b.publish(ctx, b.config.Prefix+tag, data)
	switch {
	case err == nil:
		return n, nil
	case ctx.Err() != nil:
		err = ctx.Err() // rather than what it did to the connection
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = context.DeadlineExceeded // the connection noticed first
	}
	return 0, fmt.Errorf("redis: publish: %w", err)
}

func (b *Broker) publish(ctx context.Context, channel string, data []byte) (int, error) {
	conn, err := b.pool.GetContext(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return redis.Int(redis.DoContext(conn, ctx, "PUBLISH", channel, data))
}
