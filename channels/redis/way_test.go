package redis

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/gomodule/redigo/redis"
)

// A pool may be closed while others wait for a place in it whose contexts end.
func TestCloseWhileAsked(t *testing.T) {
	for range 500 {
		w := &way{pool: &redis.Pool{MaxActive: 1, Wait: true, DialContext: func(context.Context) (redis.Conn, error) {
			return nil, errors.New("nobody is there")
		}}}
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for range 20 {
					if _, err := w.do(ctx, "x", "PING"); err == nil {
						t.Error("there is an answer")
					}
				}
			})
		}
		all.Go(cancel)
		all.Go(w.close)
		all.Wait()
		if _, err := w.do(t.Context(), "x", "PING"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("do after close = %v, want %v", err, net.ErrClosed)
		}
	}
}
