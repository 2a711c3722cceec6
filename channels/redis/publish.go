package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"
)

// The connections that publish.
const (
	maxIdle     = 16
	maxActive   = 64
	idleTimeout = time.Minute
	testAfter   = time.Second
)

// Publish sends data to the listeners of a channel on every node and returns
// to how many nodes Redis passed it. It takes as long as ctx allows, and 2 s
// (RELIABILITY.md F3) when ctx has no deadline. After an error the message may
// have been published nevertheless.
func (b *Broker) Publish(ctx context.Context, tag string, data []byte) (int, error) {
	ctx, cancel, err := b.limit(ctx, data)
	if err != nil {
		return 0, err
	}
	defer cancel()
	command := "PUBLISH"
	if b.cluster != nil {
		command = "SPUBLISH"
	}
	channel := b.config.Prefix + tag
	n, err := redis.Int(b.way.do(ctx, channel, command, channel, data))
	if err != nil {
		return 0, fmt.Errorf("redis: publish: %w", cause(ctx, err))
	}
	return n, nil
}
