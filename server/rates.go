package server

import (
	"hash/maphash"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rates are token buckets: one for each key, which holds burst tokens and gets
// limit of them a second. A key that has been quiet for as long as an empty
// bucket takes to fill costs nothing: its bucket is dropped, and it gets a new
// one, which is full too. A nil *rates allows everything.
//
// allow may be called from any goroutine.
type rates[K comparable] struct {
	limit  rate.Limit       // constant; tokens a second
	burst  int              // constant
	seed   maphash.Seed     // constant
	shards [16]rateShard[K] // by the hash of the key
}

// A rateShard keeps two generations of buckets: those used since it last
// turned, and those used in the time before that.
type rateShard[K comparable] struct {
	mu            sync.Mutex
	recent, older map[K]*rate.Limiter // guarded by mu
	turning       bool                // guarded by mu; turn will be called
}

// newRates is nil for a limit or a burst that is not above zero.
func newRates[K comparable](limit, burst int) *rates[K] {
	if limit <= 0 || burst <= 0 {
		return nil
	}
	return &rates[K]{limit: rate.Limit(limit), burst: burst, seed: maphash.MakeSeed()}
}

// allow takes n tokens from the bucket of key, or none if it has fewer.
func (r *rates[K]) allow(key K, n int) bool {
	if r == nil {
		return true
	}
	s := &r.shards[maphash.Comparable(r.seed, key)%uint64(len(r.shards))]
	s.mu.Lock()
	defer s.mu.Unlock()
	bucket := s.recent[key]
	if bucket == nil {
		bucket = s.older[key]
		if bucket == nil {
			bucket = rate.NewLimiter(r.limit, r.burst)
		}
		delete(s.older, key)
		if s.recent == nil {
			s.recent = make(map[K]*rate.Limiter)
		}
		s.recent[key] = bucket
		r.turnLaterLocked(s)
	}
	return bucket.AllowN(time.Now(), n)
}

// turnLaterLocked sees to it that buckets which nobody uses are dropped.
func (r *rates[K]) turnLaterLocked(s *rateShard[K]) {
	if s.turning {
		return
	}
	s.turning = true
	fill := time.Duration(float64(r.burst) / float64(r.limit) * float64(time.Second))
	time.AfterFunc(fill, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.older, s.recent = s.recent, nil
		if s.turning = false; len(s.older) > 0 {
			r.turnLaterLocked(s)
		}
	})
}
