package chaos

import (
	"sync"
	"time"
)

// A kind of channel says how it is published to, and who hears it.
type kind int

// The kinds that the promises of DESIGN.md section 6 tell apart.
const (
	plainShared   kind = iota // PUBLISH, heard on every node
	plainSingle               // PUBLISH, heard by one client, known to no other node
	durableShared             // XADD, heard on every node
	durableSingle             // XADD, heard by one client
	kinds
)

var kindNames = [kinds]string{"plain, heard on all nodes", "plain, one listener", "durable, heard on all nodes", "durable, one listener"}

func (k kind) String() string { return kindNames[k] }

func (k kind) durable() bool { return k >= durableShared }

// A channel is what was published on one tag: message n of it, from 1 on, is
// {"n":n}. One goroutine publishes it, so n is the order too.
//
// Its methods may be called from any goroutine.
type channel struct {
	// Constant.
	tag  string
	kind kind
	pad  string // goes with each message

	mu      sync.Mutex
	replies []bool      // guarded by mu; of message n at n-1: whether Redis accepted it. false: it may have
	sent    []time.Time // guarded by mu; when it was published
}

// next is the number of a message that is about to be published.
func (c *channel) next() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replies, c.sent = append(c.replies, false), append(c.sent, time.Now())
	return len(c.replies)
}

// accepted notes that Redis has said yes to message n.
func (c *channel) accepted(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replies[n-1] = true
}

// begun is how many messages have been published, or are about to be.
func (c *channel) begun() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.replies)
}

// published is what Redis said of each message.
func (c *channel) published() []bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]bool(nil), c.replies...)
}

// times is when each message was published.
func (c *channel) times() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.sent...)
}

// last is the newest message that Redis accepted, 0 for none.
func (c *channel) last() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := len(c.replies); n > 0; n-- {
		if c.replies[n-1] {
			return n
		}
	}
	return 0
}

// A what is a thing that happens to a client on a channel.
type what int

const (
	asked    what = iota // it has sent subscribe
	answered             // the ack
	message              // its callback was called
	gap                  // it was told that messages may be missing
)

// An entry is one of them.
type entry struct {
	what what
	at   time.Time

	n int // of a message its number; of an answer how many messages had begun then

	again     bool // of an answer: the client had heard the channel before
	recovered bool // of an answer
	replayed  int  // of an answer
}

// A history is what one client saw on one channel, in order.
type history struct {
	channel *channel

	mu      sync.Mutex
	entries []entry // guarded by mu
	newest  int     // guarded by mu; the highest number among them
}

func (h *history) add(e entry) {
	e.at = time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries = append(h.entries, e)
	if e.what == message {
		h.newest = max(h.newest, e.n)
	}
}

// seen is the highest number that was received.
func (h *history) seen() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.newest
}

// all is the entries up to now.
func (h *history) all() []entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]entry(nil), h.entries...)
}

// first is when this first happened after a time, or zero.
func (h *history) first(w what, after time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.entries {
		if e.what == w && e.at.After(after) {
			return e.at
		}
	}
	return time.Time{}
}
