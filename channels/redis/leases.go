package redis

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels"
)

var _ channels.Leases = (*Broker)(nil)

// Hold is SET with PX: without news from its holder Redis forgets the lease.
// Like Publish it takes 2 s when ctx has no deadline.
func (b *Broker) Hold(ctx context.Context, name, value string, ttl time.Duration) error {
	_, err := b.lease(ctx, "SET", b.config.Prefix+name, value, "PX", ttl.Milliseconds())
	return err
}

// Lookup is GET.
func (b *Broker) Lookup(ctx context.Context, name string) (value string, err error) {
	value, err = redis.String(b.lease(ctx, "GET", b.config.Prefix+name))
	if errors.Is(err, redis.ErrNil) {
		return "", nil
	}
	return value, err
}

// Release is DEL.
func (b *Broker) Release(ctx context.Context, name string) error {
	_, err := b.lease(ctx, "DEL", b.config.Prefix+name)
	return err
}

// lease is a command whose first argument is a key.
func (b *Broker) lease(ctx context.Context, command string, args ...any) (reply any, err error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.config.PublishTimeout)
		defer cancel()
	}
	if reply, err = b.way.do(ctx, args[0].(string), command, args...); err != nil {
		return nil, fmt.Errorf("redis: %s %s: %w", command, args[0], cause(ctx, err))
	}
	return reply, nil
}
