package redis

import (
	"math/rand/v2"
	"time"
)

// Between tries to connect, RELIABILITY.md section 2.
const (
	backoffFirst = 50 * time.Millisecond
	backoffMost  = time.Second
)

// A backoff is how long to wait before the next try: a random part of a limit
// that doubles, so that many nodes do not come back at once.
type backoff struct{ limit time.Duration }

func (b *backoff) next() time.Duration {
	b.limit = min(max(2*b.limit, backoffFirst), backoffMost)
	return backoffFirst/2 + rand.N(b.limit-backoffFirst/2)
}

func (b *backoff) reset() { b.limit = 0 }
