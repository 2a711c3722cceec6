package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

func newStore(t *testing.T, url string) *Store {
	t.Helper()
	s, err := NewStore(Config{URL: url, Prefix: "sb:"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func admin(t *testing.T, r *redistest.Server, options ...redigo.DialOption) func(command string, args ...any) any {
	t.Helper()
	conn, err := redigo.Dial("tcp", r.Addr(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return func(command string, args ...any) any {
		t.Helper()
		reply, err := conn.Do(command, args...)
		if err != nil {
			t.Fatalf("%s %v: %v", command, args, err)
		}
		return reply
	}
}

func TestStore(t *testing.T) {
	r := redistest.Start(t)
	do := admin(t, r)
	do("SET", "sess:1", "ann")
	do("SET", "sess:\x00\xff\r\n{}*", []byte("\x00\r\n"))
	do("SET", "empty", "")
	do("SET", "limit", bytes.Repeat([]byte("x"), 64<<10))
	do("SET", "secret:over", bytes.Repeat([]byte("x"), 64<<10+1))
	do("SET", "secret:huge", bytes.Repeat([]byte("x"), 16<<20))
	do("HSET", "secret:hash", "member", "ann")
	do("RPUSH", "secret:list", "ann")
	do("SET", "3", "other database")
	do("SELECT", 3)
	do("SET", "3", "three")
	s, third := newStore(t, r.URL()), newStore(t, r.URL()+"/3")
	for _, tt := range []struct {
		store *Store
		key   string
		want  string
		found bool
		err   error
	}{
		{s, "sess:1", "ann", true, nil},
		{s, "sess:\x00\xff\r\n{}*", "\x00\r\n", true, nil},
		{s, "empty", "", true, nil},
		{s, "none", "", false, nil},
		{s, "sess:2", "", false, nil},
		{s, "SESS:1", "", false, nil},
		{s, "", "", false, nil},
		{s, "limit", strings.Repeat("x", 64<<10), true, nil},
		{s, "secret:over", "", false, ErrValueTooLarge},
		{s, "secret:huge", "", false, ErrValueTooLarge},
		{s, "secret:hash", "", false, ErrNotString},
		{s, "secret:list", "", false, ErrNotString},
		{third, "3", "three", true, nil},
	} {
		value, found, err := tt.store.Get(t.Context(), tt.key)
		if string(value) != tt.want || found != tt.found || !errors.Is(err, tt.err) {
			t.Errorf("Get(%q) = %.20q, %v, %v, want %.20q, %v, %v", tt.key, value, found, err, tt.want, tt.found, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("Get(%q) names the key: %v", tt.key, err)
		}
	}
	known := map[string]bool{"get": true, "ping": true, "select": true} // of the Store; and ours:
	known["set"], known["hset"], known["rpush"], known["info"] = true, true, true, true
	for line := range strings.FieldsSeq(string(do("INFO", "commandstats").([]byte))) {
		command, found := strings.CutPrefix(line, "cmdstat_")
		if command, _, _ = strings.Cut(command, ":"); found && !known[command] {
			t.Errorf("Redis was asked for %s", command)
		}
	}
}

// While Redis is away, slow or silent, Get fails when its context says so, and
// works again by itself.
func TestStoreOutage(t *testing.T) {
	r := redistest.Start(t)
	admin(t, r)("SET", "x", "1")
	s := newStore(t, r.URL())
	get := func(what string, limit time.Duration, want error) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		began := time.Now()
		_, _, err := s.Get(ctx, "x")
		if took := time.Since(began); took > limit+500*time.Millisecond {
			t.Errorf("%s: Get took %v, and its context %v", what, took, limit)
		}
		if !errors.Is(err, want) {
			t.Errorf("%s: Get = %v, want %v", what, err, want)
		}
	}
	var wg sync.WaitGroup
	for range 4 * storeConnections { // several idle connections
		wg.Go(func() {
			if _, _, err := s.Get(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	get("there", patience, nil)
	r.Pause()
	for range storeConnections + 1 { // those that are there, and one that is to be made
		get("silent", 20*time.Millisecond, context.DeadlineExceeded)
	}
	ended, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, _, err := s.Get(ended, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("Get whose context ends = %v, want %v", err, context.Canceled)
	}
	began := time.Now()
	if _, _, err := s.Get(context.Background(), "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Get without a deadline = %v, want %v", err, context.DeadlineExceeded)
	}
	if took := time.Since(began); took < storeConnect || took > storeConnect+storeRead+500*time.Millisecond {
		t.Errorf("Get without a deadline took %v, want %v", took, storeConnect)
	}
	r.Resume()
	get("there again", patience, nil)

	r.Kill()
	if _, _, err := s.Get(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("Get while nobody is there = %v, want it to say so", err)
	}
	if err := s.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), r.Addr()) {
		t.Errorf("Ping while nobody is there = %v, want the address", err)
	}
	r.Restart()
	if _, found, err := s.Get(t.Context(), "x"); found || err != nil {
		t.Errorf("Get after the restart = %v, %v, want nothing: it is empty", found, err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping after the restart = %v", err)
	}
}

// Redis restarts between two lookups, and neither fails.
func TestStoreRestart(t *testing.T) {
	r := redistest.Start(t)
	s := newStore(t, r.URL())
	for i := range 3 {
		var wg sync.WaitGroup
		for range storeConnections {
			wg.Go(func() {
				if _, _, err := s.Get(t.Context(), fmt.Sprint(i)); err != nil {
					t.Errorf("after %d restarts: %v", i, err)
				}
			})
		}
		wg.Wait()
		r.Restart()
	}
}

func TestStoreRefusals(t *testing.T) {
	r := redistest.Start(t, "--requirepass", "right")
	for user, want := range map[string]string{":right@": "", ":wrong@": "WRONGPASS", "": "NOAUTH"} {
		s := newStore(t, strings.Replace(r.URL(), "//", "//"+user, 1))
		_, _, err := s.Get(t.Context(), "x")
		for call, err := range map[string]error{"Get": err, "Ping": s.Ping(t.Context())} {
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s as %q = %v, want %q", call, user, err, want)
			}
		}
	}
	if _, err := NewStore(Config{URL: "http://localhost"}); err == nil {
		t.Error("NewStore(http://) = nil, want an error")
	}
	s := newStore(t, strings.Replace(r.URL(), "//", "//:right@", 1))
	s.Close()
	if _, _, err := s.Get(t.Context(), "x"); err == nil {
		t.Error("Get after Close = nil, want an error")
	}
}
