package server

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A client that has been quiet for as long as it takes has no bucket.
func TestIdleClientsHaveNoBuckets(t *testing.T) {
	inBubble(t, Config{}, func(b *bubble) {
		for i := range 1000 {
			a := b.open(home, "")
			a.say(`42["x"]`)
			a.say(fmt.Sprintf(`42["subscribe","c%d"]`, i))
		}
		if m, s := buckets(b.rules.Load().messages.client), buckets(b.rules.Load().subscribes.client); m != 1000 || s != 1000 {
			b.t.Errorf("there are %d and %d buckets, want 1000 of each", m, s)
		}
		time.Sleep(2 * 128 * time.Second / 20)
		synctest.Wait()
		if m, s := buckets(b.rules.Load().messages.client), buckets(b.rules.Load().subscribes.client); m != 0 || s != 0 {
			b.t.Errorf("there are %d and %d buckets of idle clients, want none", m, s)
		}
	})
}

func buckets[K comparable](r *rates[K]) (n int) {
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		n += len(s.recent) + len(s.older)
		s.mu.Unlock()
	}
	return n
}

// A bucket is dropped when it is full, and not before: at any moment a key may
// take as much as one that is never dropped.
func TestDroppedBucketsWereFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, burst = 10, 20         // full after 2 s
		const step = 100 * time.Millisecond // one token
		for after := range 30 {             // when all is taken
			for wait := range 50 {
				r := newRates[string](limit, burst)
				r.allow("b", 1) // from now on, they are dropped in time
				time.Sleep(time.Duration(after) * step)
				for range burst {
					r.allow("a", 1)
				}
				time.Sleep(time.Duration(wait) * step)
				got := 0
				for r.allow("a", 1) {
					got++
				}
				if want := min(burst, wait); got != want {
					t.Fatalf("%v after all was taken, %d were allowed, want %d", time.Duration(wait)*step, got, want)
				}
			}
		}
	})
}
