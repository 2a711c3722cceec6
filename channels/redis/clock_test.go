package redis

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// Now is what Redis says, whatever the clock of this machine says.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c clock
		begun := time.Now()
		if got := c.now(); !got.Equal(begun) {
			t.Errorf("now() = %v before Redis was asked, want this machine's %v", got, begun)
		}
		redis := time.Unix(1_000_000, 0)
		read := func(ahead, took time.Duration) { // Redis says that it is so much ahead of what it was, plus what passed
			sent := time.Now()
			time.Sleep(took)
			c.set(redis.Add(ahead+sent.Sub(begun)+took/2), sent, time.Now())
		}
		for _, step := range []struct {
			name                string
			ahead, took, passes time.Duration
			want                time.Duration // now, beside Redis' time and what passed
		}{
			{"first", 0, 20 * time.Millisecond, time.Hour, 0},
			{"a slow answer that says no other", 400 * time.Millisecond, time.Second, 0, 0},
			{"a quick answer that does", 400 * time.Millisecond, 10 * time.Millisecond, time.Minute, 400 * time.Millisecond},
			{"a slow answer that does", time.Hour, time.Second, 0, time.Hour},
			{"backwards", -time.Hour, 0, 0, -time.Hour},
		} {
			read(step.ahead, step.took)
			time.Sleep(step.passes)
			if got := c.now().Sub(redis) - time.Since(begun); got != step.want {
				t.Errorf("%s: now() is %v off, want %v", step.name, got, step.want)
			}
		}
	})
}

// Two brokers tell one time, which is Redis' and goes on while it is away.
func TestNow(t *testing.T) {
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL(), PingInterval: 20 * time.Millisecond})
	other := run(t, Config{URL: r.URL()})
	for _, one := range []*running{b, other} {
		one.Listen("x")
		one.waitLive(t, "x")
	}
	admin, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	between := func(one *running) {
		t.Helper()
		ask := func() time.Time {
			parts, err := redigo.Int64s(admin.Do("TIME"))
			if err != nil {
				t.Fatal(err)
			}
			return time.Unix(parts[0], parts[1]*1000)
		}
		const off = 50 * time.Millisecond // half of a round trip on a machine that is busy
		before := ask()
		now := one.Now()
		if after := ask(); now.Before(before.Add(-off)) || now.After(after.Add(off)) {
			t.Errorf("Now() = %v, and Redis said %v and %v before and after", now, before, after)
		}
	}
	between(b)
	between(other)

	// What is known is wrong by an hour: it is mended by the next question.
	b.clock.last.Store(&reading{time.Now(), time.Now().Add(time.Hour)})
	eventually(t, "it is asked for again", func() bool { return time.Until(b.Now()) < time.Minute })
	between(b)
	r.Kill()
	b.wait(t, "the loss is told", func() bool { return len(b.lost) == 1 })
	b.clock.last.Store(&reading{time.Now(), time.Now().Add(time.Hour)})
	<-time.After(100 * time.Millisecond) // several questions that nobody answers
	if off := time.Until(b.Now()); off < 59*time.Minute {
		t.Errorf("Now() is %v off while Redis is away, want what was known last, an hour", off)
	}
	r.Restart()
	b.waitLive(t, "x") // nothing is live before the time is known
	if off := time.Until(b.Now()); off > time.Minute {
		t.Errorf("Now() is %v off when the channel is live again", off)
	}
}

// Who may not ask for the time is not let in at the start, and is not deaf
// when that is taken away later.
func TestTimeForbidden(t *testing.T) {
	r := redistest.Start(t)
	admin, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.Do("ACL", "SETUSER", "node", "on", ">pass", "~*", "&*", "+@all", "-time"); err != nil {
		t.Fatal(err)
	}
	url := strings.Replace(r.URL(), "//", "//node:pass@", 1)
	b := run(t, Config{URL: url, PingInterval: 20 * time.Millisecond})
	if err := b.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "TIME: NOPERM") {
		t.Errorf("Ping = %v, want TIME: NOPERM", err)
	}
	b.Listen("x")
	b.waitLive(t, "x")
	if _, err := b.Publish(t.Context(), "x", []byte("1")); err != nil {
		t.Fatal(err)
	}
	b.waitMessage(t, "x", "1")
}
