package channels

import (
	"sync"
	"time"
)

// A retention is how much all histories keep: so many messages for each
// channel, for so long, and so many bytes of all. What came first goes first,
// whichever channel it is of.
//
// Its mu is taken after that of a channel.
type retention struct {
	// Constant.
	count int // of messages, for each channel; 0: nothing is kept
	age   time.Duration
	most  int // bytes

	now func() int64 // milliseconds

	mu             sync.Mutex
	oldest, newest *entry      // guarded by mu
	bytes          int         // guarded by mu
	messages       int         // guarded by mu
	timer          *time.Timer // guarded by mu; set while there are messages
	closed         bool        // guarded by mu
}

// sweepEvery is how long messages that are too old may be kept, at least, while
// none come.
const sweepEvery = time.Second

// add links a message in, as the newest.
func (r *retention) add(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer == nil && !r.closed {
		r.timer = time.AfterFunc(r.age+sweepEvery, r.sweep)
	}
	if e.older = r.newest; e.older == nil {
		r.oldest = e
	} else {
		e.older.newer = e
	}
	r.newest = e
	r.bytes += e.bytes()
	r.messages++
}

// remove takes a message out.
func (r *retention) remove(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.older == nil {
		r.oldest = e.newer
	} else {
		e.older.newer = e.newer
	}
	if e.newer == nil {
		r.newest = e.older
	} else {
		e.newer.older = e.older
	}
	e.older, e.newer = nil, nil
	r.bytes -= e.bytes()
	r.messages--
}

// due is the oldest message, if it is one too many.
func (r *retention) due(now int64) *entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.oldest; e != nil && (r.bytes > r.most || now-e.time > r.age.Milliseconds()) {
		return e
	}
	return nil
}

// trim drops what is too old, or too much. The caller holds no lock.
func (r *retention) trim(now int64) {
	for {
		e := r.due(now)
		if e == nil {
			return
		}
		ch := e.channel
		ch.mu.Lock()
		// The messages of a channel stand in one order here and there.
		if h := ch.history; h != nil && h.oldest == e {
			h.dropOldest(r)
		}
		ch.mu.Unlock()
	}
}

// sweep trims while no messages come.
func (r *retention) sweep() {
	r.trim(r.now())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = nil
	if r.oldest != nil && !r.closed {
		left := r.age - time.Duration(r.now()-r.oldest.time)*time.Millisecond
		r.timer = time.AfterFunc(max(left, 0)+sweepEvery, r.sweep)
	}
}

// close forgets the timer.
func (r *retention) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

// size is how many messages are kept, and their bytes.
func (r *retention) size() (messages, bytes int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages, r.bytes
}
