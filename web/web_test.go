package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/leaktest"
	"github.com/sb-stream/stream-server/internal/redistest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func publisher(t *testing.T, config Config) *Publisher {
	t.Helper()
	p, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// subscribe returns what is published to channels, "name message" each.
func subscribe(t *testing.T, s *redistest.Server, channels ...any) <-chan string {
	t.Helper()
	conn, err := redis.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	sub := redis.PubSubConn{Conn: conn}
	if err := sub.Subscribe(channels...); err != nil {
		t.Fatal(err)
	}
	for range channels {
		sub.Receive()
	}
	got := make(chan string, 1000)
	done := make(chan struct{})
	go func() { // ends with the connection
		defer close(done)
		for {
			switch m := sub.Receive().(type) {
			case redis.Message:
				got <- m.Channel + " " + string(m.Data)
			case error:
				return
			}
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return got
}

func TestStream(t *testing.T) {
	server := redistest.Start(t)
	none := ""
	for _, tt := range []struct {
		name   string
		prefix *string
		data   any
		want   string
	}{
		{"object", nil, map[string]int{"goal": 1}, `sb:feed {"goal":1}`},
		{"string", nil, "<b>Tor & Tür</b>", `sb:feed "<b>Tor & Tür</b>"`},
		{"nothing", nil, nil, `sb:feed null`},
		{"encoded", nil, json.RawMessage(`{"a": [1,2]}`), `sb:feed {"a":[1,2]}`},
		{"no prefix", &none, 1.5, `feed 1.5`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := subscribe(t, server, "sb:feed", "feed")
			if err := publisher(t, Config{URL: server.URL(), Prefix: tt.prefix}).Stream(t.Context(), "feed", tt.data); err != nil {
				t.Fatal(err)
			}
			if got := <-got; got != tt.want {
				t.Errorf("Redis got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	const goroutines, each = 100, 10
	server := redistest.Start(t)
	got := subscribe(t, server, "sb:x")
	p := publisher(t, Config{URL: server.URL()})
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				if err := p.Stream(t.Context(), "x", [2]int{g, i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var next [goroutines]int
	for range goroutines * each {
		var m [2]int
		if err := json.Unmarshal([]byte(strings.TrimPrefix(<-got, "sb:x ")), &m); err != nil {
			t.Fatal(err)
		}
		if m[1] != next[m[0]] {
			t.Fatalf("message %d of goroutine %d came when %d was due", m[1], m[0], next[m[0]])
		}
		next[m[0]]++
	}
}

func TestBadConfig(t *testing.T) {
	for _, url := range []string{
		"localhost:6379", "http://:secret@localhost", "redis:secret", "redis://:se#cret@localhost", "redis://:se%zzcret@localhost",
	} {
		if _, err := New(Config{URL: url}); err == nil || strings.Contains(err.Error(), "cret") {
			t.Errorf("New(%q) = %v, want an error that does not quote it", url, err)
		}
	}
}

func TestErrors(t *testing.T) {
	server := redistest.Start(t)
	p := publisher(t, Config{URL: server.URL()})
	if err := p.Stream(t.Context(), "a,b", 1); !errors.Is(err, ErrChannel) {
		t.Errorf("Stream(a,b) = %v, want ErrChannel", err)
	}
	for _, data := range []any{make(chan int), json.RawMessage("{"), func() {}} {
		if err := p.Stream(t.Context(), "x", data); !errors.Is(err, ErrData) {
			t.Errorf("Stream(%T) = %v, want ErrData", data, err)
		}
	}
	if err := p.Stream(t.Context(), "x", 1); err != nil {
		t.Fatal(err)
	}

	server.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Stream(ctx, "x", 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stream while Redis is paused = %v, want DeadlineExceeded", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := p.Stream(canceled, "x", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("Stream whose context is canceled = %v, want Canceled", err)
	}
	short := publisher(t, Config{URL: server.URL(), Timeout: 100 * time.Millisecond})
	if err := short.Stream(t.Context(), "x", 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stream with a Timeout = %v, want DeadlineExceeded", err)
	}
	server.Resume()

	p.Close()
	if err := p.Stream(t.Context(), "x", 1); !errors.Is(err, ErrClosed) {
		t.Errorf("Stream after Close = %v, want ErrClosed", err)
	}
}

// TestRedisRefuses hears what Redis says, and where it is not.
func TestRedisRefuses(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "secret")
	url := strings.Replace(server.URL(), "//", "//:wrong@", 1)
	err := publisher(t, Config{URL: url}).Stream(t.Context(), "x", 1)
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("with a wrong password: %v, want WRONGPASS", err)
	}
	url = strings.Replace(server.URL(), "//", "//:secret@", 1)
	if err := publisher(t, Config{URL: url}).Stream(t.Context(), "x", 1); err != nil {
		t.Errorf("with the password: %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	addr := l.Addr().String()
	err = publisher(t, Config{URL: "redis://" + addr}).Stream(t.Context(), "x", 1)
	if err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("where nobody listens: %v, want the address", err)
	}
}

func TestRedisReturns(t *testing.T) {
	server := redistest.Start(t)
	p := publisher(t, Config{URL: server.URL()})
	for range 4 { // several idle connections
		if err := p.Stream(t.Context(), "x", 1); err != nil {
			t.Fatal(err)
		}
	}
	server.Restart()
	time.Sleep(testAfter) // of idleness, real sockets
	if err := p.Stream(t.Context(), "x", 1); err != nil {
		t.Errorf("after Redis was restarted: %v", err)
	}
}

// TestStandard runs the function of the package, whose Redis is read from the
// environment once.
func TestStandard(t *testing.T) {
	standard = sync.OnceValues(fromEnvironment) // for when the test runs again
	server := redistest.Start(t)
	t.Setenv("SB_REDIS", server.URL())
	t.Setenv("SB_REDIS_PREFIX", "live:")
	got := subscribe(t, server, "live:x")
	if err := Stream(t.Context(), "x", []string{"a"}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-got, `live:x ["a"]`; got != want {
		t.Errorf("Redis got %q, want %q", got, want)
	}
	p, _ := standard()
	p.Close()
}

func ExampleStream() {
	// Into a handler, after the score was saved.
	err := Stream(context.Background(), "feed:football:fantasy", map[string]int{"goal": 1})
	if err != nil {
		fmt.Println("not sent:", err) // the page goes on without it
	}
}

func ExampleNew() {
	p, err := New(Config{URL: "redis://:password@10.0.0.5:6379"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := p.Stream(ctx, "member:42", "you have mail"); err != nil {
		fmt.Println("not sent:", err)
	}
}
