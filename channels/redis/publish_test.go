package redis

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// stat is a number of INFO.
func stat(t *testing.T, conn redigo.Conn, name string) int {
	t.Helper()
	info, err := redigo.String(conn.Do("INFO"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	n, err := redigo.Int([]byte(value), nil)
	if err != nil {
		t.Fatalf("INFO %s: %v", name, err)
	}
	return n
}

// A slow Redis makes Publish fail at its deadline, and nothing else: clients
// stay, and what was accepted arrives (RELIABILITY.md F3).
func TestPublishToSlowRedis(t *testing.T) {
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL(), PublishTimeout: 300 * time.Millisecond})
	b.Listen("x")
	b.waitLive(t, "x")
	admin, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Do("CLIENT", "PAUSE", 1000, "ALL"); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		want time.Duration
	}{
		{"no deadline", t.Context(), 300 * time.Millisecond},
		{"its own deadline", short, 100 * time.Millisecond},
	} {
		began := time.Now()
		_, err := b.Publish(tt.ctx, "x", []byte(tt.name))
		took := time.Since(began)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: Publish = %v, want %v", tt.name, err, context.DeadlineExceeded)
		}
		if tt.name == "no deadline" && (took < tt.want || took > tt.want+300*time.Millisecond) {
			t.Errorf("%s: Publish took %v, want %v", tt.name, took, tt.want)
		}
	}
	if _, err := b.Publish(t.Context(), "x", []byte("after")); err != nil {
		eventually(t, "Redis answers again", func() bool {
			_, err := b.Publish(t.Context(), "x", []byte("after"))
			return err == nil
		})
	}
	b.waitMessage(t, "x", "after")
	if got := b.losses(); len(got) != 0 {
		t.Errorf("losses = %v, want none", got)
	}
}

func TestPublishWhileRedisIsAway(t *testing.T) {
	r := redistest.Start(t)
	b := newBroker(t, Config{URL: r.URL()})
	if _, err := b.Publish(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	for range 2 { // with the connection that was there, and with a new one
		if _, err := b.Publish(t.Context(), "x", nil); err == nil || !strings.HasPrefix(err.Error(), "redis: publish: ") {
			t.Errorf("Publish = %v, want redis: publish: …", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Publish(ctx, "x", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Publish with a context that ended = %v, want %v", err, context.Canceled)
	}
	r.Restart()
	if _, err := b.Publish(t.Context(), "x", nil); err != nil {
		t.Errorf("Publish after Redis is back = %v", err)
	}
}

// Many publish at once: the connections are bounded, and nothing is lost.
func TestPublishConcurrently(t *testing.T) {
	const goroutines, each = 200, 10
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL()})
	b.Listen("x")
	b.waitLive(t, "x")
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range each {
				if n, err := b.Publish(t.Context(), "x", []byte("1")); n != 1 || err != nil {
					t.Errorf("Publish = %d, %v, want 1", n, err)
				}
			}
		})
	}
	wg.Wait()
	b.wait(t, "all messages", func() bool { return len(b.messages["x"]) == goroutines*each })
	admin, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if got := stat(t, admin, "connected_clients"); got > maxIdle+2 {
		t.Errorf("%d connections when all is done, want at most %d idle ones, the subscriber and this", got, maxIdle)
	}
	if got := stat(t, admin, "total_connections_received"); got > 4*maxActive {
		t.Errorf("%d connections were made for %d calls", got, goroutines*each)
	}
}
