package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// Redis is killed and restarted under 200 messages a second: everybody is told
// once, and hears again within 1.3 s of its return (RELIABILITY.md F1).
func TestRedisKilledAndRestarted(t *testing.T) {
	const limit = 1300 * time.Millisecond
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL()})
	tags := []string{"load", "a", "b", "c"}
	for _, tag := range tags {
		b.Listen(tag)
	}
	b.waitLive(t, tags...)

	publisher := run(t, Config{URL: r.URL()})
	ctx, cancel := context.WithCancel(t.Context())
	published := make(chan int)
	go func() { // ends with ctx
		defer close(published)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for i := 1; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				_, _ = publisher.Publish(ctx, "load", strconv.AppendInt(nil, int64(i), 10)) // Redis is away at times
			}
		}
	}()
	defer func() { cancel(); <-published }()
	heard := func(n int) func() bool { return func() bool { return len(b.messages["load"]) >= n } }
	for round, away := range []time.Duration{200 * time.Millisecond, 2 * time.Second} {
		b.wait(t, "the load is heard", heard(20))
		r.Kill()
		b.wait(t, "the loss is told", func() bool { return len(b.lost) == round+1 })
		if b.Up() {
			t.Error("Up = true after the loss")
		}
		if wanted, confirmed := b.Subscriptions(); wanted != len(tags) || confirmed != 0 {
			t.Errorf("Subscriptions = %d, %d while Redis is away, want %d, 0", wanted, confirmed, len(tags))
		}
		<-time.After(away)
		b.note(func() { clear(b.messages) })
		r.Restart()
		back := time.Now()
		b.wait(t, "the load is heard again", heard(1))
		took := time.Since(back)
		t.Logf("away %v: heard again %v after Redis was back", away, took)
		if took > limit {
			t.Errorf("heard again after %v, want at most %v", took, limit)
		}
		b.waitLive(t, tags...)
	}
	b.note(func() {
		last := 0
		for _, data := range b.messages["load"] {
			n, err := strconv.Atoi(data)
			if err != nil || n <= last {
				t.Errorf("message %s after %d, want each once and in order", data, last)
			}
			last = n
		}
	})
	if got := fmt.Sprint(b.losses()); got != "[[broker_lost] [broker_lost]]" {
		t.Errorf("losses = %s, want broker_lost twice", got)
	}
	if lost, back := b.logged(logLost), b.logged(logBack); len(lost) != 2 || len(back) != 2 {
		t.Errorf("the log says %q, want a line for each loss and each return", append(lost, back...))
	}
	if got := b.Reconnects(); got != 2 {
		t.Errorf("Reconnects = %d, want 2", got)
	}
}

// Channels are asked for at every moment of a slow reconnect; none may stay
// silent (RELIABILITY.md F2).
func TestSubscribeDuringReconnect(t *testing.T) {
	const cuts, each = 20, 10 // 200 tries
	r := redistest.Start(t)
	p := redistest.NewProxy(t, r.Addr())
	p.Delay(15 * time.Millisecond)
	b := run(t, Config{
		URL: p.URL(), MinRedial: time.Millisecond, MaxRedial: 20 * time.Millisecond,
		CheckInterval: time.Hour, // it must not need the check
	})
	publisher := run(t, Config{URL: r.URL()})
	b.Listen("first")
	b.waitLive(t, "first")
	for cut := range cuts {
		p.Cut()
		var tags []string
		for i := range each {
			tag := fmt.Sprint(cut, "-", i)
			tags = append(tags, tag)
			b.Listen(tag)
			if i%3 == 1 { // left and entered again, sometimes
				b.Unlisten(tag)
				<-time.After(time.Millisecond)
				b.note(func() { delete(b.up, tag) }) // it may have been live
				b.Listen(tag)
			}
			<-time.After(9 * time.Millisecond) // 10 of them cover the reconnect
		}
		b.waitLive(t, tags...)
		for _, tag := range tags {
			if n, err := publisher.Publish(t.Context(), tag, []byte("1")); n != 1 || err != nil {
				t.Fatalf("Publish to %s, which is live, = %d, %v, want 1", tag, n, err)
			}
			b.waitMessage(t, tag, "1")
			b.Unlisten(tag)
		}
	}
	b.Unlisten("first")
	eventually(t, "nothing left", func() bool { wanted, confirmed := b.Subscriptions(); return wanted+confirmed == 0 })
	if got := b.losses(); len(got) != cuts {
		t.Errorf("%d losses told, want %d", len(got), cuts)
	}
}

// A Redis that is there and says nothing is noticed (RELIABILITY.md F4); the
// times are a fifth of the defaults.
func TestSilentRedis(t *testing.T) {
	const factor = 5
	r := redistest.Start(t)
	b := run(t, Config{
		URL: r.URL(), PingInterval: 3 * time.Second / factor, PingTimeout: 5 * time.Second / factor,
		DialTimeout: 3 * time.Second / factor, MaxRedial: time.Second / factor,
	})
	b.Listen("x")
	b.waitLive(t, "x")
	r.Pause()
	began := time.Now()
	b.wait(t, "the loss is told", func() bool { return len(b.lost) > 0 })
	if took := time.Since(began); took > 10*time.Second/factor {
		t.Errorf("noticed after %v, want at most %v", took, 10*time.Second/factor)
	}
	<-time.After(15 * time.Second / factor) // several dials that get no answer
	r.Resume()
	b.waitLive(t, "x")
	if _, err := b.Publish(t.Context(), "x", []byte("1")); err != nil {
		t.Fatal(err)
	}
	b.waitMessage(t, "x", "1")
	if got := b.losses(); len(got) != 1 {
		t.Errorf("losses = %v, want one", got)
	}
	if got := b.logged(logLost); len(got) != 1 || !strings.Contains(got[0], "silent") {
		t.Errorf("the log says %q, want one line that says silent", got)
	}
}

// An administrator, or Redis' own output limit, ends the connection.
func TestConnectionKilled(t *testing.T) {
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL()})
	b.Listen("x")
	b.waitLive(t, "x")
	admin, err := redigo.DialURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if n, err := redigo.Int(admin.Do("CLIENT", "KILL", "TYPE", "pubsub")); n != 1 || err != nil {
		t.Fatalf("CLIENT KILL = %d, %v, want 1", n, err)
	}
	b.wait(t, "the loss is told", func() bool { return len(b.lost) == 1 })
	b.waitLive(t, "x")
	if _, err := b.Publish(t.Context(), "x", []byte("1")); err != nil {
		t.Fatal(err)
	}
	b.waitMessage(t, "x", "1")
}

// Run ends while it cannot reach Redis, whatever it waits for.
func TestRunEndsWhileRedisIsAway(t *testing.T) {
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL(), PingInterval: 50 * time.Millisecond, PingTimeout: time.Second})
	b.Listen("x")
	b.waitLive(t, "x")
	r.Pause()
	b.wait(t, "the loss is told", func() bool { return len(b.lost) > 0 })
	b.stop() // a dial is under way, and gets no answer
	if got := b.logged(logBack); len(got) != 0 {
		t.Errorf("the log says %q, want nothing", got)
	}
}
