package server_test

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/channels/redis"
	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
)

// The canary goes all the way round on every connection to Redis, and nobody
// counts or lists it.
func TestCanary(t *testing.T) {
	r := redistest.Start(t)
	b, err := redis.New(redis.Config{URL: r.URL(), Prefix: "sb:", Log: quiet(), Connections: 3})
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, server.Config{Broker: b, Canary: 50 * time.Millisecond})
	eventually(t, "a message has come back", func() bool { return n.metric(t, "stream_canary_seconds") > 0 })
	if wanted, _ := b.Subscriptions(); wanted != 3 {
		t.Errorf("%d channels are subscribed to, want one for each connection", wanted)
	}
	for name, want := range map[string]float64{
		"stream_canary_up": 1, `stream_canary_lost_total{part="broker"}`: 0, `stream_canary_lost_total{part="node"}`: 0,
		"stream_channels": 0, "stream_messages_in_total": 0, "stream_messages_out_total": 0, "stream_history_messages": 0,
	} {
		if got := n.metric(t, name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	resp, err := n.http.Get(n.url + "/api/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var stats map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&stats); err != nil || stats["sessions"] != 0.0 || stats["channels"] != 0.0 {
		t.Errorf("/api/stats = %v, %v, want no session and no channel", stats, err)
	}
}

// A muffled broker brings nothing while it is told to, and looks well.
type muffled struct {
	*embedded.Broker
	mute     atomic.Bool
	redialed chan string
}

func (b *muffled) Run(ctx context.Context, sink channels.Sink) error {
	return b.Broker.Run(ctx, &muffler{sink, b})
}

func (b *muffled) Redial(tag, reason string) {
	select {
	case b.redialed <- reason + " " + tag[:len("$canary:")]:
	default:
	}
}

type muffler struct {
	channels.Sink
	broker *muffled
}

func (m *muffler) Message(tag string, data []byte) int {
	if m.broker.mute.Load() {
		return 0
	}
	return m.Sink.Message(tag, data)
}

// A node that hears nothing, though its broker looks well, says so before its
// clients notice, has the connection made again, and says when it hears again.
func TestCanaryDeafBroker(t *testing.T) {
	t.Parallel() // it waits
	e, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Prefix: "sb:", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Open(); err != nil {
		t.Fatal(err)
	}
	b := &muffled{Broker: e, redialed: make(chan string, 1)}
	n := start(t, server.Config{Broker: b, Canary: 50 * time.Millisecond})
	eventually(t, "a message has come back", func() bool { return n.metric(t, "stream_canary_seconds") > 0 })
	began := time.Now()
	b.mute.Store(true)
	eventually(t, "/readyz says 503", func() bool { return !n.ready() })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("that took %v, want at most 10 s", took)
	}
	if got := <-b.redialed; got != "deaf $canary:" {
		t.Errorf("Redial was called with %q", got)
	}
	if got := n.metric(t, "stream_canary_up"); got != 0 {
		t.Errorf("stream_canary_up = %v, want 0", got)
	}
	if got := n.metric(t, `stream_canary_lost_total{part="broker"}`); got == 0 {
		t.Error("stream_canary_lost_total of the broker = 0")
	}
	resp, err := n.http.Get(n.url + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(text), "lost in the broker") {
		t.Errorf("/readyz says %q, want where the message was lost", text)
	}
	if status, _ := n.get("/healthz"); status != 200 {
		t.Errorf("/healthz = %d, want 200", status)
	}
	b.mute.Store(false)
	eventually(t, "/readyz says 200", n.ready)
	if got := n.metric(t, "stream_canary_up"); got != 1 {
		t.Errorf("stream_canary_up = %v, want 1", got)
	}
}

// The gap of a connection that is given up because it is deaf is told, to its
// channels.
func TestCanaryRedial(t *testing.T) {
	t.Parallel()
	r := redistest.Start(t)
	log, _ := logtest.NewNullLogger()
	b, err := redis.New(redis.Config{URL: r.URL(), Prefix: "sb:", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	deaf := &deafened{Broker: b}
	n := start(t, server.Config{Broker: deaf, Canary: 50 * time.Millisecond})
	c := n.open(t, client.Options{})
	if _, err := c.Call(t.Context(), "subscribe", "x"); err != nil {
		t.Fatal(err)
	}
	deaf.mute.Store(true)
	eventually(t, "the connection is made again", func() bool { return b.Reconnects() == 1 })
	deaf.mute.Store(false)
	e := c.next()
	if got := string(e.Args[0]); e.Name != "$gap" || got != `{"channel":"x","reason":"deaf"}` {
		t.Errorf("the client is told %s %s, want $gap of x, because the node was deaf", e.Name, got)
	}
	eventually(t, "/readyz says 200", n.ready)
}

// deafened is a Redis whose messages are lost while it is told so.
type deafened struct {
	*redis.Broker
	mute atomic.Bool
}

func (b *deafened) Run(ctx context.Context, sink channels.Sink) error {
	return b.Broker.Run(ctx, &deafener{sink, b})
}

type deafener struct {
	channels.Sink
	broker *deafened
}

func (d *deafener) Message(tag string, data []byte) int {
	if d.broker.mute.Load() {
		return 0
	}
	return d.Sink.Message(tag, data)
}
