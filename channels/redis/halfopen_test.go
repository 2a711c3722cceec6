package redis

import (
	"sync"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// Connections that are open and dead are noticed within 10 s (RELIABILITY.md
// F4), however many of them a pool has: those that publish, those that look
// sessions up, and the one that subscribes, which is told.
func TestHalfOpenConnections(t *testing.T) {
	t.Parallel() // it waits
	const limit, idle = 10 * time.Second, 10
	r := redistest.Start(t)
	p := redistest.NewProxy(t, r.Addr())
	b, s := run(t, Config{URL: p.URL()}), newStore(t, p.URL())
	b.Listen("x")
	b.waitLive(t, "x")
	publish := func() error { _, err := b.Publish(t.Context(), "x", []byte("1")); return err }
	get := func() error { _, _, err := s.Get(t.Context(), "x"); return err }
	for _, use := range []func() error{publish, get} {
		p.Delay(50 * time.Millisecond) // so that each takes a connection of its own
		var wg sync.WaitGroup
		for range idle {
			wg.Go(func() {
				if err := use(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		p.Delay(0)
	}
	p.Silence()
	began := time.Now()
	var wg sync.WaitGroup
	for name, use := range map[string]func() error{"Publish": publish, "Get": get} {
		wg.Go(func() {
			failed := 0
			for use() != nil {
				failed++
			}
			took := time.Since(began)
			t.Logf("%s works again after %v, and %d calls that failed", name, took, failed)
			if took > limit || failed == 0 {
				t.Errorf("%s works again after %v and %d calls that failed, want at least one and at most %v", name, took, failed, limit)
			}
		})
	}
	b.wait(t, "the loss is told", func() bool { return len(b.lost) == 1 })
	t.Logf("the loss of the connection that subscribes is told after %v", time.Since(began))
	b.waitLive(t, "x")
	if took := time.Since(began); took > limit {
		t.Errorf("the channel is live again after %v, want at most %v", took, limit)
	}
	wg.Wait()
}
