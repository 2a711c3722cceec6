package redis

import (
	"errors"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redistest"
)

func TestLeases(t *testing.T) {
	r := redistest.Start(t)
	do := admin(t, r)
	a, b := newBroker(t, Config{URL: r.URL(), Prefix: "sb:"}), newBroker(t, Config{URL: r.URL(), Prefix: "sb:"})
	lookup := func(want string) {
		t.Helper()
		if got, err := b.Lookup(t.Context(), "$node:x"); got != want || err != nil {
			t.Errorf("Lookup = %q, %v, want %q", got, err, want)
		}
	}
	lookup("")
	for _, value := range []string{"http://one", "http://two"} {
		if err := a.Hold(t.Context(), "$node:x", value, time.Minute); err != nil {
			t.Fatal(err)
		}
		lookup(value)
	}
	if left := do("PTTL", "sb:$node:x").(int64); left <= 50_000 || left > 60_000 {
		t.Errorf("the lease is for %d ms, want a minute", left)
	}
	if err := a.Release(t.Context(), "$node:x"); err != nil {
		t.Fatal(err)
	}
	lookup("")
	if err := a.Release(t.Context(), "$node:x"); err != nil {
		t.Errorf("Release of what nobody holds = %v", err)
	}
	if err := a.Hold(t.Context(), "$node:x", "http://one", 20*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); ; <-time.After(5 * time.Millisecond) {
		got, err := b.Lookup(t.Context(), "$node:x")
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("a lease that nobody renews: %q, %v", got, err)
		}
		if got == "" {
			break
		}
	}
	r.Kill()
	if got, err := b.Lookup(t.Context(), "$node:x"); got != "" || err == nil {
		t.Errorf("Lookup while Redis is away = %q, %v, want an error", got, err)
	}
	b.Close()
	if err := errors.Join(b.Hold(t.Context(), "$node:x", "", time.Second), b.Release(t.Context(), "$node:x")); err == nil {
		t.Error("Hold after Close = nil, want an error")
	}
}
