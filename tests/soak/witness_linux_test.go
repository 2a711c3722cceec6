package soak

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	stream "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// witnessed is the channel of the witnesses, whose messages are 1, 2, 3, …
const witnessed = "witnessed"

// A witness stays throughout, and must get every message once and in order.
type witness struct {
	name   string
	close  func()       // ends it, and waits
	heard  atomic.Int64 // the last message
	failed atomic.Bool  // the test has been told
}

// hear reads until close.
func (w *witness) hear(ctx context.Context, t *testing.T, event func() (name string, data []byte, err error)) {
	for {
		name, data, err := event()
		if ctx.Err() != nil {
			return
		}
		want := w.heard.Load() + 1
		if err != nil || name != witnessed || string(data) != fmt.Sprint(want) {
			w.failed.Store(true)
			t.Errorf("the witness on %s got %s %.80s, %v; want message %d", w.name, name, data, err, want)
			return
		}
		w.heard.Store(want)
	}
}

// witness lets the witnesses in.
func (r *run) witness() {
	r.t.Helper()
	for _, version := range []packet.Version{packet.V3, packet.V4} {
		r.witnessWebSocket(version)
	}
	r.witnessPolling()
}

// add is a witness that reads until its connection ends.
func (r *run) add(name string, event func() (string, []byte, error), hangUp func()) {
	w := &witness{name: name}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { // ends with close
		defer close(done)
		w.hear(ctx, r.t, event)
	}()
	w.close = func() {
		cancel()
		hangUp()
		<-done
	}
	r.t.Cleanup(w.close)
	r.witnesses = append(r.witnesses, w)
}

func (r *run) witnessWebSocket(version packet.Version) {
	r.t.Helper()
	ctx := r.t.Context()
	c, err := stream.Dial(ctx, r.url, stream.Options{Version: version})
	if err == nil {
		if _, err = c.Next(ctx); err == nil { // $session
			_, err = c.Call(ctx, "subscribe", witnessed)
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.add(fmt.Sprintf("WebSocket of EIO %d", version), func() (string, []byte, error) {
		e, err := c.Next(context.Background())
		if err != nil {
			return "", nil, err
		}
		return e.Name, e.Args[0], nil
	}, func() { c.Close() })
}

func (r *run) witnessPolling() {
	r.t.Helper()
	c, err := dialPolling(r.address, packet.V4)
	if err == nil {
		_, err = c.subscribe(witnessed)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.add("polling", c.event, func() {
		_ = c.post(packet.Close, "")
		c.web.CloseIdleConnections()
	})
}
