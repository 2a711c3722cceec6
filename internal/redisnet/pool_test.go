package redisnet

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/gomodule/redigo/redis"
)

// A pool may be closed while others wait for a place in it whose contexts end.
func TestPoolClosedWhileAsked(t *testing.T) {
	for range 500 {
		p := NewPool(&redis.Pool{MaxActive: 1, Wait: true, DialContext: func(context.Context) (redis.Conn, error) {
			return nil, errors.New("nobody is there")
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 20 {
					if _, err := p.GetContext(ctx); err == nil {
						t.Error("there is a connection")
					}
				}
			})
		}
		all.Go(cancel)
		all.Go(func() { _ = p.Close() })
		all.Wait()
		if _, err := p.GetContext(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("GetContext after Close = %v, want %v", err, net.ErrClosed)
		}
	}
}
