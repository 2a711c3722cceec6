package redis

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redistest"
)

const (
	logLost = "redis: connection lost, redialling"
	logBack = "redis: connected again"
)

func TestMessages(t *testing.T) {
	b := run(t, Config{URL: redistest.Start(t).URL(), MaxPublish: 100})
	b.Listen("score")
	b.Listen("other")
	b.waitLive(t, "score", "other")
	for i, data := range []string{`{"goal":1}`, "", "no JSON\x00\xff\r\n"} {
		if n, err := b.Publish(t.Context(), "score", []byte(data)); n != 1 || err != nil {
			t.Fatalf("Publish(%q) = %d, %v, want 1 node", data, n, err)
		}
		b.wait(t, "message", func() bool { return len(b.messages["score"]) == i+1 })
		if got := b.messages["score"][i]; got != data {
			t.Errorf("message %d = %q, want %q", i, got, data)
		}
	}
	if n, err := b.Publish(t.Context(), "nobody", []byte("1")); n != 0 || err != nil {
		t.Errorf("Publish to nobody = %d, %v, want 0", n, err)
	}
	if _, err := b.Publish(t.Context(), "score", make([]byte, 101)); err == nil {
		t.Error("Publish over MaxPublish reports no error")
	}
	if !b.Up() {
		t.Error("Up = false while connected")
	}
	b.Unlisten("score")
	b.Unlisten("other")
	b.Unlisten("never")
	eventually(t, "no subscription left", func() bool {
		wanted, confirmed := b.Subscriptions()
		return wanted+confirmed == 0
	})
	eventually(t, "Publish after Unlisten finds no node", func() bool { // Redis may have it yet to read
		n, err := b.Publish(t.Context(), "score", []byte("1"))
		if err != nil {
			t.Fatal(err)
		}
		return n == 0
	})
	b.stop()
	if b.Up() {
		t.Error("Up = true after Run")
	}
	if _, err := b.Publish(t.Context(), "score", nil); err == nil {
		t.Error("Publish after Run reports no error")
	}
	if got := b.losses(); len(got) != 0 {
		t.Errorf("the sink was told of %v, want no loss at the end of Run", got)
	}
}

// A channel that is left and entered again is told anew that it is live, even
// if Redis was asked for nothing: the one who enters does not know.
func TestLiveIsSaidAgain(t *testing.T) {
	b := run(t, Config{URL: redistest.Start(t).URL()})
	b.Listen("x")
	b.waitLive(t, "x")
	for i := range 1000 {
		b.Unlisten("x")
		if i%7 == 0 { // lets Redis be asked, sometimes
			eventually(t, "left", func() bool { wanted, confirmed := b.Subscriptions(); return wanted+confirmed == 0 })
		}
		before := func() int { b.sink.mu.Lock(); defer b.sink.mu.Unlock(); return b.live["x"] }()
		b.Listen("x")
		if i%3 == 0 {
			b.wait(t, "Live again", func() bool { return b.live["x"] > before })
		}
	}
	b.waitLive(t, "x")
	eventually(t, "consistent", func() bool { wanted, confirmed := b.Subscriptions(); return wanted == 1 && confirmed == 1 })
	if n, err := b.Publish(t.Context(), "x", []byte("end")); n != 1 || err != nil {
		t.Errorf("Publish = %d, %v, want 1", n, err)
	}
	b.waitMessage(t, "x", "end")
	b.Unlisten("x")
	eventually(t, "nothing left", func() bool { wanted, confirmed := b.Subscriptions(); return wanted+confirmed == 0 })
}

func TestManyChannels(t *testing.T) {
	const n = 5000
	b := run(t, Config{URL: redistest.Start(t).URL()})
	tags := make([]string, n)
	for i := range tags {
		tags[i] = fmt.Sprint("feed:", i)
		b.Listen(tags[i])
	}
	b.waitLive(t, tags...)
	if wanted, confirmed := b.Subscriptions(); wanted != n || confirmed != n {
		t.Errorf("Subscriptions = %d, %d, want %d of each", wanted, confirmed, n)
	}
	for _, i := range []int{0, 511, 512, 4999} {
		if _, err := b.Publish(t.Context(), tags[i], []byte("1")); err != nil {
			t.Fatal(err)
		}
		b.waitMessage(t, tags[i], "1")
	}
	for _, tag := range tags {
		b.Unlisten(tag)
	}
	eventually(t, "nothing left", func() bool { wanted, confirmed := b.Subscriptions(); return wanted+confirmed == 0 })
}

func TestMessageOverTheLimit(t *testing.T) {
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL(), MaxPublish: 10})
	other := run(t, Config{URL: r.URL()})
	b.Listen("x")
	b.Listen("y")
	b.waitLive(t, "x", "y")
	for _, data := range []string{"0123456789", "0123456789a", "after"} {
		if _, err := other.Publish(t.Context(), "x", []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	b.waitMessage(t, "x", "after")
	if got := strings.Join(b.messages["x"], " "); got != "0123456789 after" {
		t.Errorf("messages = %q, want all but the one over the limit", got)
	}
	if got := fmt.Sprint(b.losses()); got != "[[too_large x]]" {
		t.Errorf("losses = %s, want [[too_large x]]", got)
	}
	b.wait(t, "Live of x is said again", func() bool { return b.live["x"] == 2 })
	if b.live["y"] != 1 {
		t.Errorf("Live of y was said %d times, want 1", b.live["y"])
	}
	if got := b.logged("redis: a message is over the limit and was not delivered"); len(got) != 1 {
		t.Errorf("the log says %q, want one line about the message", got)
	}
}

func TestLag(t *testing.T) {
	r := redistest.Start(t)
	b := run(t, Config{URL: r.URL(), PingInterval: 20 * time.Millisecond})
	eventually(t, "a PING is answered with no channel", func() bool { return b.Lag() > 0 })
	b.Listen("x")
	b.waitLive(t, "x")
	r.Pause()
	eventually(t, "the lag grows while Redis is silent", func() bool { return b.Lag() > 500*time.Millisecond })
	r.Resume()
	eventually(t, "the lag shrinks", func() bool { return b.Lag() < 100*time.Millisecond })
	if got := b.losses(); len(got) != 0 {
		t.Errorf("losses = %v, want none: Redis was only slow", got)
	}
}
