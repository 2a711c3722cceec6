package redis

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/mna/redisc"

	"github.com/sb-stream/stream-server/internal/redisnet"
)

// A way is how commands about one key reach the Redis that has it, on
// connections that are shared.
//
// Its methods may be called from any goroutine.
type way struct {
	pool    *redisnet.Pool  // nil on a Cluster
	nodes   *redisc.Cluster // nil elsewhere
	timeout time.Duration   // of a call whose context has no deadline, on a Cluster
}

// Redirections of one command, and the pause before one that says to try again.
const (
	maxRedirections = 4
	tryAgainIn      = 50 * time.Millisecond
	maxLayout       = 4 << 20 // bytes of the answer to CLUSTER SLOTS
)

// way makes one of pools of this many connections, tried after that long.
func (d *dialer) way(timeout time.Duration, connections int, testAfter time.Duration) *way {
	if d.topology != clustered {
		return &way{pool: redisnet.NewPool(d.pool(connections, testAfter))}
	}
	w := &way{timeout: timeout}
	w.nodes = &redisc.Cluster{
		StartupNodes: strings.Split(d.hosts, ","),
		PoolWaitTime: timeout,
		CreatePool: func(addr string, _ ...redis.DialOption) (*redis.Pool, error) {
			at := d.at(addr)
			at.read = cmp.Or(d.read, timeout) // redisc asks without a context
			at.reply = max(maxLayout, d.largest)
			return at.pool(connections, testAfter), nil
		},
	}
	return w
}

// do runs a command on the Redis that has the key.
func (w *way) do(ctx context.Context, key, command string, args ...any) (any, error) {
	if w.nodes == nil {
		conn, err := w.pool.GetContext(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return redis.DoContext(conn, ctx, command, args...)
	}
	timeout := w.timeout
	if at, ok := ctx.Deadline(); ok {
		timeout = time.Until(at)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn := w.nodes.Get()
	defer conn.Close()
	if err := redisc.BindConn(conn, key); err != nil {
		return nil, err
	}
	reply, err := redis.DoWithTimeout(conn, max(timeout, time.Millisecond), command, args...)
	if redisc.ParseRedir(err) == nil && !redisc.IsTryAgain(err) {
		return reply, err
	}
	again, err := redisc.RetryConn(conn, maxRedirections, tryAgainIn)
	if err != nil {
		return nil, err
	}
	return again.Do(command, args...)
}

func (w *way) close() {
	if w.nodes != nil {
		_ = w.nodes.Close() // it has nothing to report
		return
	}
	_ = w.pool.Close()
}
