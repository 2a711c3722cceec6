package redis

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Of the pool that publishes.
const (
	maxIdle     = 8
	maxActive   = 64
	idleTimeout = 4 * time.Minute
	testAfter   = time.Minute // of idleness, a connection is tried before it is used
)

func (b *Broker) newPool() *redis.Pool {
	return &redis.Pool{
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			dialer := net.Dialer{Timeout: b.config.DialTimeout}
			return b.dialRedis(ctx, dialer.DialContext)
		},
		TestOnBorrow: func(conn redis.Conn, used time.Time) error {
			if time.Since(used) < testAfter {
				return nil
			}
			_, err := conn.Do("PING")
			return err
		},
		MaxIdle:     maxIdle,
		MaxActive:   maxActive,
		Wait:        true,
		IdleTimeout: idleTimeout,
	}
}

// Publish sends data to a channel and returns how many nodes Redis sent it to.
func (b *Broker) Publish(ctx context.Context, tag string, data []byte) (int, error) {
	if len(data) > b.config.MaxPublish {
		return 0, fmt.Errorf("redis: a message has at most %d bytes, not %d", b.config.MaxPublish, len(data))
	}
	n, err := redis.Int(b.do(ctx, "PUBLISH", b.config.Prefix+tag, data))
	if err != nil {
		return 0, fmt.Errorf("redis: publish: %w", err)
	}
	return n, nil
}

// Ping reports whether Redis answers, and lets this user in.
func (b *Broker) Ping(ctx context.Context) error {
	if _, err := b.do(ctx, "PING"); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

func (b *Broker) do(ctx context.Context, command string, args ...any) (any, error) {
	if _, ends := ctx.Deadline(); !ends {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.config.PublishTimeout)
		defer cancel()
	}
	conn, err := b.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return redis.DoContext(conn, ctx, command, args...)
}
