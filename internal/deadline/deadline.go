// Package deadline wakes very many callers, each when its time has come, with a
// timer for each duration and none for each caller.
//
// A [Wheel] has a spoke for every duration that is asked for: a list in which
// whoever comes last is due last, so that setting, moving and stopping are a
// few pointers, and times are exact. It is meant for a handful of durations,
// such as those of heartbeats.
package deadline

import (
	"sync"
	"time"
)

// A Waiter is what waits on a [Wheel]. It keeps a [Spot] for it.
type Waiter[T any] interface {
	comparable
	Spot() *Spot[T]
}

// A Spot is a waiter's place on a wheel. Its zero value is ready, and must not
// be copied once it is used.
type Spot[T any] struct {
	spoke      *spoke[T] // guarded by Wheel.mu; nil while nothing is waited for
	prev, next T         // guarded by Wheel.mu; neighbours on the spoke
	due        int64     // guarded by Wheel.mu; nanoseconds since Wheel.start
}

// A Wheel calls its waiters. Its methods may be called from any goroutine, with
// locks of the waiters held: no lock is taken after its own.
type Wheel[T Waiter[T]] struct {
	call  func(T)   // constant
	start time.Time // constant

	mu     sync.Mutex
	spokes []*spoke[T] // guarded by mu; few
}

// A spoke is those who wait for the same duration.
type spoke[T any] struct {
	wait        time.Duration
	first, last T
	timer       *time.Timer // nil while nobody waits
}

// NewWheel makes a Wheel that calls call, with no lock held, for each waiter
// whose time has come. Calls for waiters of one duration follow each other. A
// waiter may be set anew between its time and its call: Due tells.
func NewWheel[T Waiter[T]](call func(T)) *Wheel[T] {
	return &Wheel[T]{call: call, start: time.Now()}
}

// Set makes w be called in d, and not at the time it waited for before.
func (wh *Wheel[T]) Set(w T, d time.Duration) {
	wh.mu.Lock()
	defer wh.mu.Unlock()
	wh.removeLocked(w)
	var none T
	spoke := wh.spokeLocked(d)
	spot := w.Spot()
	spot.spoke = spoke
	spot.due = int64(time.Since(wh.start) + d)
	spot.prev = spoke.last
	if spoke.last == none {
		spoke.first = w
	} else {
		spoke.last.Spot().next = w
	}
	spoke.last = w
	if spoke.timer == nil {
		spoke.timer = time.AfterFunc(d, func() { wh.turn(spoke) })
	}
}

// Stop makes w not be called, unless that is under way.
func (wh *Wheel[T]) Stop(w T) {
	wh.mu.Lock()
	defer wh.mu.Unlock()
	wh.removeLocked(w)
}

// Waits reports whether w is set. In a call it tells whether w was set anew
// since its time had come.
func (wh *Wheel[T]) Waits(w T) bool {
	wh.mu.Lock()
	defer wh.mu.Unlock()
	return w.Spot().spoke != nil
}

func (wh *Wheel[T]) spokeLocked(d time.Duration) *spoke[T] {
	for _, s := range wh.spokes {
		if s.wait == d {
			return s
		}
	}
	s := &spoke[T]{wait: d}
	wh.spokes = append(wh.spokes, s)
	return s
}

func (wh *Wheel[T]) removeLocked(w T) {
	var none T
	spot := w.Spot()
	spoke := spot.spoke
	if spoke == nil {
		return
	}
	if spot.prev == none {
		spoke.first = spot.next
	} else {
		spot.prev.Spot().next = spot.next
	}
	if spot.next == none {
		spoke.last = spot.prev
	} else {
		spot.next.Spot().prev = spot.prev
	}
	spot.spoke, spot.prev, spot.next = nil, none, none
}

// batch is how many waiters are taken off a spoke at once.
const batch = 64

// turn calls those on a spoke whose time has come.
func (wh *Wheel[T]) turn(s *spoke[T]) {
	for {
		var due [batch]T
		n := wh.take(s, due[:])
		for _, w := range due[:n] {
			wh.call(w)
		}
		if n < batch {
			return
		}
	}
}

// take takes those off a spoke whose time has come, as many as due has room
// for. Fewer means that there are no more, and the timer is set for the next.
func (wh *Wheel[T]) take(s *spoke[T], due []T) (n int) {
	wh.mu.Lock()
	defer wh.mu.Unlock()
	var none T
	now := int64(time.Since(wh.start))
	for n < len(due) && s.first != none && s.first.Spot().due <= now {
		due[n] = s.first
		wh.removeLocked(s.first)
		n++
	}
	if n == len(due) {
		return n
	}
	if s.first == none {
		s.timer = nil
	} else {
		s.timer.Reset(time.Duration(s.first.Spot().due - now))
	}
	return n
}
