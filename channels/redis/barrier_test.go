package redis

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// What was published before a Barrier has come when it returns, for many at
// once and over a slow network.
func TestBarrier(t *testing.T) {
	const publishers, each = 20, 50
	r := redistest.Start(t)
	p := redistest.NewProxy(t, r.Addr())
	p.Delay(5 * time.Millisecond)
	b := run(t, Config{URL: p.URL()})
	publisher := newBroker(t, Config{URL: r.URL(), Prefix: "sb:"})
	b.Listen("x")
	b.waitLive(t, "x")
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			for j := range each {
				data := strconv.Itoa(i*each + j)
				if _, err := publisher.Publish(t.Context(), "x", []byte(data)); err != nil {
					t.Error(err)
					return
				}
				if err := b.Barrier(t.Context(), "x"); err != nil {
					t.Errorf("Barrier = %v", err)
					return
				}
				b.note(func() {
					if slices.Contains(b.messages["x"], data) {
						return
					}
					t.Errorf("message %s has not come, and the Barrier after it has returned", data)
				})
			}
		})
	}
	wg.Wait()
}

// A Barrier that cannot be said fails: of a channel that is not heard, and when
// the connection breaks.
func TestBarrierFails(t *testing.T) {
	r := redistest.Start(t)
	p := redistest.NewProxy(t, r.Addr())
	b := run(t, Config{URL: p.URL()})
	if err := b.Barrier(t.Context(), "x"); !errors.Is(err, errUnconfirmed) {
		t.Errorf("Barrier of a channel that nobody asked for = %v, want %v", err, errUnconfirmed)
	}
	b.Listen("x")
	b.waitLive(t, "x")
	r.Pause()
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Barrier(short, "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Barrier that Redis does not answer = %v, want %v", err, context.DeadlineExceeded)
	}
	results := make(chan error, 10)
	for range cap(results) {
		go func() { results <- b.Barrier(t.Context(), "x") }() // ends when the connection does
	}
	eventually(t, "all wait", func() bool {
		l := b.links[0]
		l.mu.Lock()
		defer l.mu.Unlock()
		n := len(l.subs.waiting)
		for _, c := range l.subs.sent {
			n += len(c.waiters)
		}
		return n == cap(results)+1
	})
	p.Cut()
	for range cap(results) {
		if err := <-results; !errors.Is(err, errBroken) {
			t.Errorf("Barrier when the connection breaks = %v, want %v", err, errBroken)
		}
	}
	b.wait(t, "the loss is told", func() bool { return !b.up["x"] }) // after they are
	r.Resume()
	b.waitLive(t, "x")
	if err := b.Barrier(t.Context(), "x"); err != nil {
		t.Errorf("Barrier on the next connection = %v", err)
	}
}

// Those who wait share a PING, those who come while one is under way share the
// next, and the measure of the lag is as it was.
func TestBarrierShares(t *testing.T) {
	s := newSubscriptions()
	s.listen("a")
	s.next(1)
	if _, err := s.await("a"); !errors.Is(err, errUnconfirmed) {
		t.Fatalf("await before Redis confirmed = %v, want %v", err, errUnconfirmed)
	}
	if err := s.confirm(subscribe, "a"); err != nil {
		t.Fatal(err)
	}
	s.ping(time.Unix(1, 0)) // nobody waits for this one
	wait := func() <-chan error {
		t.Helper()
		passed, err := s.await("a")
		if err != nil {
			t.Fatal(err)
		}
		return passed
	}
	passed := func(c <-chan error) bool {
		t.Helper()
		select {
		case err := <-c:
			if err != nil {
				t.Errorf("a waiter was told %v", err)
			}
			return true
		default:
			return false
		}
	}
	pong := func(sent int64, due bool) {
		t.Helper()
		if at, err := s.pong(); err != nil || at.Unix() != sent {
			t.Errorf("pong() = %v, %v, want that of %d", at, err, sent)
		}
		if s.due() != due {
			t.Errorf("due() = %v after the answer, want %v", !due, due)
		}
	}
	one, two := wait(), wait()
	if !s.due() {
		t.Fatal("due() = false, though nothing was sent for those who wait")
	}
	s.ping(time.Unix(2, 0))
	three := wait()
	if s.due() {
		t.Error("due() = true while a PING for others is under way")
	}
	pong(1, false)
	if passed(one) {
		t.Error("a PING that was sent before answers those who came later")
	}
	pong(2, true)
	if !passed(one) || !passed(two) || passed(three) {
		t.Error("the answer is not for exactly those who came before the PING")
	}
	s.ping(time.Unix(3, 0))
	four := wait()
	s.unlisten("a")
	s.next(1)
	pong(3, true)
	if err := <-three; !errors.Is(err, errUnconfirmed) {
		t.Errorf("a waiter of a channel that was left = %v, want %v", err, errUnconfirmed)
	}
	s.reset()
	if err := <-four; !errors.Is(err, errBroken) {
		t.Errorf("a waiter when the connection ends = %v, want %v", err, errBroken)
	}
	if s.due() {
		t.Error("due() = true on a new connection, for nobody")
	}
}
