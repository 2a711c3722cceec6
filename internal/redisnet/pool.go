package redisnet

import (
	"context"
	"net"
	"sync"

	"github.com/gomodule/redigo/redis"
)

// A Pool is one of redigo that may be closed at any time: its own panics when a
// caller whose context has just ended gives a place back that is gone.
type Pool struct {
	pool *redis.Pool

	mu     sync.RWMutex // held to read while a connection is asked for
	closed bool         // guarded by mu
}

// NewPool is the pool, which is used through it alone from now on.
func NewPool(pool *redis.Pool) *Pool { return &Pool{pool: pool} }

// GetContext is a connection, for which it waits as long as ctx allows; the error
// is [net.ErrClosed] after Close.
func (p *Pool) GetContext(ctx context.Context) (redis.Conn, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed {
		return nil, net.ErrClosed
	}
	return p.pool.GetContext(ctx)
}

// Close ends the connections that nobody uses, and each other one when it comes
// back. It waits for those who ask for one.
func (p *Pool) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return p.pool.Close()
}
