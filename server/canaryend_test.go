package server

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/channels/embedded"
)

// What the broker brought and no client gets is told apart from what it did not
// bring.
func TestCanaryDeafNode(t *testing.T) {
	log, _ := logTo()
	b, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Prefix: "sb:", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Broker: b, Log: log, Canary: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }() // ends with ctx
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}()
	until := func(what string, ok func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !ok(); <-time.After(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("not in time: ", what)
			}
		}
	}
	until("a message has come back", func() bool { return s.canary.took.Load() > 0 && s.Ready() })
	if err := s.canary.io.Engine().Shutdown(ctx); err != nil { // as if sessions could not be had any more
		t.Fatal(err)
	}
	until("the node is deaf", func() bool { return s.canary.where() == deafNode })
	if s.Ready() {
		t.Error("Ready() = true")
	}
	if n := s.canary.faults[deafBroker].Load(); n != 0 {
		t.Errorf("the broker is blamed %d times, want 0", n)
	}
}
