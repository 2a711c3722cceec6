package embedded

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/streams"
)

// keep adds messages, and returns their ids.
func keep(t *testing.T, b *Broker, tag string, data ...string) []string {
	t.Helper()
	var ids []string
	for _, d := range data {
		id, err := b.Keep(t.Context(), tag, []byte(d))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

func since(t *testing.T, b *Broker, tag, id string, limit int) string {
	t.Helper()
	kept, complete, err := b.Since(t.Context(), tag, id, limit)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, k := range kept {
		list = append(list, string(k.Data))
	}
	return fmt.Sprint(list, complete)
}

func TestSince(t *testing.T) {
	b, _ := start(t, Config{MaxKept: 6})
	x := keep(t, b, "x", "1", "2")
	keep(t, b, "y", "other")
	x = append(x, keep(t, b, "x", "3")...)
	for _, tt := range []struct {
		id    string
		limit int
		want  string
	}{
		{x[0], 10, "[2 3] true"},
		{x[1], 10, "[3] true"},
		{x[2], 10, "[] true"},
		{x[0], 2, "[2 3] true"},
		{x[0], 1, "[2] false"},
		{"0-0", 10, "[] false"},
		{"1-1", 10, "[] false"},
		{"99999999999999-0", 10, "[] false"},
		{"nonsense", 10, "[] false"},
	} {
		if got := since(t, b, "x", tt.id, tt.limit); got != tt.want {
			t.Errorf("Since(%s, %d) = %s, want %s", tt.id, tt.limit, got, tt.want)
		}
	}
	x = append(x, keep(t, b, "x", "4", "5", "6")...) // the first is dropped
	if got := since(t, b, "x", x[0], 10); got != "[2 3 4 5 6] true" {
		t.Errorf("Since the last that is gone = %s, want all that follow", got)
	}
	keep(t, b, "x", "7")
	if got := since(t, b, "x", x[0], 10); got != "[] false" {
		t.Errorf("Since what is gone = %s, want nothing", got)
	}
	if got := since(t, b, "x", x[1], 10); got != "[3 4 5 6 7] true" {
		t.Errorf("Since = %s", got)
	}
}

// No bound is passed: of number, of bytes, of age.
func TestBounds(t *testing.T) {
	begin := time.Now()
	for _, tt := range []struct {
		name string
		s    *stream
		want int
	}{
		{"number", &stream{most: 7, room: 1 << 20, until: time.Hour}, 7},
		{"bytes", &stream{most: 100, room: 5 * (1 + 10 + overhead), until: time.Hour}, 5},
		{"age", &stream{most: 100, room: 1 << 20, until: 3 * time.Second}, 4},
		{"none", &stream{most: 100, room: 1 << 20, until: time.Hour}, 20},
	} {
		now := begin
		for i := range 20 {
			now = begin.Add(time.Duration(i) * time.Second)
			tt.s.add([]record{{id: streams.ID{MS: uint64(i)}, at: now.UnixMilli(), tag: "x", data: make([]byte, 10)}})
			tt.s.drop(trim{}, now)
		}
		if got := tt.s.length(); got != tt.want || tt.s.bytes != got*(11+overhead) {
			t.Errorf("%s: %d records of %d bytes, want %d", tt.name, got, tt.s.bytes, tt.want)
		}
	}
}

// Keep ends when the broker does, and with its context.
func TestKeepEnds(t *testing.T) {
	b, err := New(Config{Log: quietLog()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Keep(t.Context(), "x", nil); err == nil {
		t.Error("Keep before Run reports no error")
	}
	b.up.Store(true) // and nobody takes what is submitted
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Keep(ctx, "x", nil); err == nil {
		t.Error("Keep with a context that ended reports no error")
	}
	b.drain()
	for range 2 * maxBatch { // whether it comes into the queue or not
		if _, err := b.Keep(t.Context(), "x", nil); err == nil {
			t.Fatal("Keep after the end reports no error")
		}
	}
	if _, err := b.Keep(t.Context(), "x", make([]byte, 2<<20)); err == nil {
		t.Error("Keep of 2 MiB reports no error")
	}
}
