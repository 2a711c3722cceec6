package server_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
)

// 100,000 events in one POST, in as many as it takes, and on a WebSocket, with
// and without acks: other clients are answered as if nothing was.
func TestFlood(t *testing.T) {
	const events = 100_000
	for _, tt := range []struct {
		name  string
		flood func(x *limited)
	}{
		{"one POST", func(x *limited) {
			if got := x.post(x.join(), strings.Repeat("42[\"x\"]\x1e", events-1)+`42["x"]`); got != "400 " {
				x.t.Errorf("the POST was answered %q, want 400", got)
			}
		}},
		{"POSTs of as much as they may have", func(x *limited) {
			body := strings.Repeat("42[\"x\"]\x1e", 999) + `42["x"]`
			for range events / 1000 {
				path := x.join()
				if got := x.post(path, body); got != "200 ok" {
					x.t.Errorf("a POST was answered %q, want 200", got)
				}
				for strings.HasPrefix(x.http("GET "+path, "", ""), "200") { // until it has heard of its end
				}
			}
		}},
		{"a WebSocket", func(x *limited) {
			x.flood(`42["x"]`, events)
		}},
		{"a WebSocket, with acks", func(x *limited) {
			x.flood(`421["unsubscribe","x"]`, events)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := start(t, server.Config{MaxMessage: 1 << 20})
			other := n.open(t, client.Options{})
			done := make(chan struct{})
			go func() {
				defer close(done)
				x := &limited{t: t, n: n}
				defer x.hangUp()
				tt.flood(x)
			}()
			// As often as a client may.
			worst, asked := time.Duration(0), time.NewTicker(20*time.Millisecond)
			defer asked.Stop()
			for over := false; !over; {
				select {
				case <-done:
					over = true
				case <-asked.C:
				}
				begun := time.Now()
				if a := other.call("unsubscribe", "x"); !a.OK {
					t.Fatalf("the other client was refused: %+v", *a.Error)
				}
				worst = max(worst, time.Since(begun))
			}
			refused := n.refusals(t)
			t.Logf("the slowest answer to another client took %v; refused: %v messages, %v POSTs", worst, refused["messages"], refused["packets"])
			if worst > time.Second { // it is some ms on a machine that does nothing else
				t.Errorf("the slowest answer to another client took %v", worst)
			}
			eventually(t, "all but the other client are closed", func() bool { return n.Sessions().Len() == 1 })
		})
	}
}

// flood sends a message again and again, until it has been sent so often or the
// server closes the connection.
func (x *limited) flood(text string, times int) {
	c := x.webSocket()
	go func() { // ends with the connection
		buf := make([]byte, 64<<10)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
	}()
	frames := []byte(strings.Repeat(string(masked(ws.OpText, true, text)), 100))
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	for range times / 100 {
		if _, err := c.Write(frames); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				x.t.Errorf("the flood was not ended: %v", err)
			}
			return
		}
	}
}
