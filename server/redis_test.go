package server_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/channels/redis"
	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
)

// startOnRedis runs a server on a Redis.
func startOnRedis(t *testing.T, r *redistest.Server, prefix string) *node {
	t.Helper()
	logs.allow(r.Addr())
	b, err := redis.New(redis.Config{URL: r.URL(), Prefix: prefix, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return start(t, server.Config{Broker: b})
}

func TestRedisPublishReachesSubscribers(t *testing.T) {
	r := redistest.Start(t)
	for _, prefix := range []string{"sb:", ""} {
		n, other := startOnRedis(t, r, prefix), startOnRedis(t, r, prefix)
		a, b := n.open(t, client.Options{}), other.open(t, client.Options{})
		channel := "score" + prefix
		a.hear(channel)
		b.hear(channel)
		// Redis counts the nodes that listen.
		if got := redisPublish(t, r.Addr(), prefix+channel, "1"); got != 2 {
			t.Errorf("PUBLISH with two nodes = %d, want 2", got)
		}
		a.want(channel, "1")
		b.want(channel, "1")
	}
}

// Redis is killed under load and comes back: nobody is disconnected, everybody
// is told that messages may be missing, and then hears again, each message
// once and in order (RELIABILITY.md F1).
func TestRedisKilledAndRestartedUnderLoad(t *testing.T) {
	const clients, limit = 40, 1300 * time.Millisecond
	r := redistest.Start(t)
	n := startOnRedis(t, r, "sb:")

	type progress struct {
		mu    sync.Mutex
		last  int             // the newest number that came
		first time.Time       // when the first came after Redis was back
		gaps  map[string]bool // channels that a gap was told of
		fault string          // what was wrong
	}
	var back atomic.Int64 // when Redis answered again, Unix nanoseconds; 0 before
	var failed sync.Map   // numbers of which the publisher does not know whether Redis got them

	accepted := func(from, to int) bool { // any of these
		for i := from; i < to; i++ {
			if _, ok := failed.Load(i); !ok {
				return true
			}
		}
		return false
	}
	states := make([]*progress, clients)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range states {
		p := &progress{gaps: map[string]bool{}}
		states[i] = p
		own := fmt.Sprint("own:", i)
		b := n.open(t, client.Options{})
		b.hear("all", own)
		wg.Go(func() { // ends with ctx
			for {
				e, err := b.Next(ctx)
				p.mu.Lock()
				switch {
				case ctx.Err() != nil:
					p.mu.Unlock()
					return
				case err != nil:
					p.fault = "disconnected: " + err.Error()
					p.mu.Unlock()
					return
				case e.Name == "$gap":
					for _, tag := range []string{"all", own} {
						if string(e.Args[0]) == fmt.Sprintf(`{"channel":%q,"reason":"broker_lost"}`, tag) {
							p.gaps[tag] = true
						}
					}
				case e.Name == "all":
					number, err := strconv.Atoi(string(e.Args[0]))
					if err != nil || number <= p.last {
						p.fault = fmt.Sprintf("got %s after %d", e.Args[0], p.last)
					}
					if p.last != 0 && accepted(p.last+1, number) && !p.gaps["all"] {
						p.fault = fmt.Sprintf("got %d after %d, and no gap was told", number, p.last)
					}
					if p.first.IsZero() && back.Load() != 0 {
						p.first = time.Now()
					}
					p.last = number
				}
				p.mu.Unlock()
			}
		})
	}
	wg.Go(func() { // the web server: 200 messages a second; ends with ctx
		publisher, err := redis.New(redis.Config{URL: r.URL(), Prefix: "sb:", Log: quiet()})
		if err != nil {
			t.Error(err)
			return
		}
		defer publisher.Close()
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for i := 1; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				wait, stop := context.WithTimeout(ctx, 50*time.Millisecond)
				if _, err := publisher.Publish(wait, "all", strconv.AppendInt(nil, int64(i), 10)); err != nil { // as while Redis is away
					failed.Store(i, true)
				}
				stop()
			}
		}
	})
	every := func(what string, ok func(*progress) bool) {
		t.Helper()
		eventually(t, what, func() bool {
			for i, p := range states {
				p.mu.Lock()
				fine, fault := ok(p), p.fault
				p.mu.Unlock()
				if fault != "" {
					t.Fatalf("client %d: %s", i, fault)
				}
				if !fine {
					return false
				}
			}
			return true
		})
	}
	every("all hear the load", func(p *progress) bool { return p.last > 20 })
	r.Kill()
	eventually(t, "/readyz says 503", func() bool { return !n.ready() })
	if got := n.metric(t, "stream_broker_up"); got != 0 {
		t.Errorf("stream_broker_up = %v while Redis is away, want 0", got)
	}
	<-time.After(time.Second) // Redis is away for a while
	r.Restart()
	back.Store(time.Now().UnixNano())
	every("all hear again and were told", func(p *progress) bool { return !p.first.IsZero() && p.gaps["all"] })
	every("their own channels' gaps were told", func(p *progress) bool { return len(p.gaps) == 2 })
	var slowest time.Duration
	for _, p := range states {
		slowest = max(slowest, p.first.Sub(time.Unix(0, back.Load())))
	}
	t.Logf("the last of %d clients heard again %v after Redis was back", clients, slowest)
	if slowest > limit {
		t.Errorf("it took %v until all heard again, want at most %v", slowest, limit)
	}
	if !n.ready() {
		t.Error("/readyz is not 200 after Redis is back")
	}
	if got := n.Sessions().Len(); got != clients {
		t.Errorf("%d sessions, want all %d that were there", got, clients)
	}
	cancel()
	wg.Wait()
}

// A subscribe while Redis is away is answered after 5 s with live false, and
// with a gap once the channel is heard.
func TestSubscribeWhileRedisIsAway(t *testing.T) {
	r := redistest.Start(t)
	n := startOnRedis(t, r, "sb:")
	a := n.open(t, client.Options{})
	r.Kill()
	eventually(t, "the loss is noticed", func() bool { return !n.ready() })
	ack := a.call("subscribe", "x")
	if live := ack.Channels["x"].Live; !ack.OK || live == nil || *live {
		t.Errorf("subscribe while Redis is away = %+v, want ok with live false", ack)
	}
	r.Restart()
	a.want("$gap", `{"channel":"x","reason":"subscribed_late"}`)
	redisPublish(t, r.Addr(), "sb:x", "1")
	a.want("x", "1")
}
