package redis

import (
	"context"
	"fmt"

	"github.com/gomodule/redigo/redis"
)

// Setting is what Redis answers to CONFIG GET of one name, which an ACL, or who
// rents the Redis out, may forbid.
func (b *Broker) Setting(ctx context.Context, name string) (string, error) {
	ctx, cancel, err := b.limit(ctx, nil)
	if err != nil {
		return "", err
	}
	defer cancel()
	list, err := redis.Strings(b.way.do(ctx, name, "CONFIG", "GET", name)) // of a Cluster, any node's
	if err != nil {
		return "", fmt.Errorf("redis: config: %w", cause(ctx, err))
	}
	if len(list) != 2 {
		return "", fmt.Errorf("redis: config: Redis knows no %s", name)
	}
	return list[1], nil
}
