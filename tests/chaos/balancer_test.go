package chaos

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// probeInterval is how often a balancer asks each node whether it is ready.
const probeInterval = 100 * time.Millisecond

// A balancer shares TCP connections out among nodes, one after the other, and
// takes the next node where one cannot be connected to. A node whose /readyz is
// not 200 gets none, unless no other is left. It knows nothing of sessions.
type balancer struct {
	url      string
	listener net.Listener
	done     sync.WaitGroup

	mu      sync.Mutex
	targets []*target             // guarded by mu
	turn    int                   // guarded by mu
	open    map[net.Conn]struct{} // guarded by mu
	closed  bool                  // guarded by mu
}

// A target is a node as a balancer sees it.
type target struct {
	addr  string
	ready atomic.Bool
	stop  context.CancelFunc // of its probe
}

// startBalancer is one until the test ends.
func startBalancer(t *testing.T, nodes ...*node) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{url: "http://" + l.Addr().String(), listener: l, open: make(map[net.Conn]struct{})}
	for _, n := range nodes {
		b.add(n)
	}
	b.done.Go(b.accept) // ends when the listener is closed
	t.Cleanup(b.close)
	return b
}

// add puts a node among the targets; it is ready.
func (b *balancer) add(n *node) {
	ctx, stop := context.WithCancel(context.Background())
	target := &target{addr: n.addr, stop: stop}
	target.ready.Store(true)
	b.done.Go(func() { target.probe(ctx) }) // ends with stop
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = append(b.targets, target)
}

// remove takes a node out; its connections stay.
func (b *balancer) remove(n *node) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = slices.DeleteFunc(b.targets, func(t *target) bool {
		if t.addr == n.addr {
			t.stop()
		}
		return t.addr == n.addr
	})
}

// probe asks for /readyz until ctx ends.
func (t *target) probe(ctx context.Context) {
	web := &http.Client{Transport: &http.Transport{}, Timeout: time.Second}
	defer web.CloseIdleConnections()
	ticker := time.NewTicker(probeInterval)
	defer ticker.Stop()
	for {
		t.ready.Store(status(ctx, web, "http://"+t.addr+"/readyz") == http.StatusOK)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// status is that of the answer to GET, or 0.
func status(ctx context.Context, web *http.Client, url string) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	resp, err := web.Do(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (b *balancer) accept() {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.done.Go(func() { b.serve(client) }) // ends with the connection
	}
}

// serve connects a client to a node, until either ends.
func (b *balancer) serve(client net.Conn) {
	defer client.Close()
	for _, addr := range b.order() {
		node, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			continue
		}
		if !b.keep(client, node) {
			_ = node.Close()
			return
		}
		defer b.forget(client, node)
		var back sync.WaitGroup
		back.Go(func() { // ends with node
			_, _ = io.Copy(client, node)
			_ = client.Close()
		})
		_, _ = io.Copy(node, client)
		_ = node.Close()
		back.Wait()
		return
	}
}

// order is the nodes as they are to be tried.
func (b *balancer) order() (addrs []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ready, rest []string
	for i := range b.targets {
		t := b.targets[(b.turn+i)%len(b.targets)]
		if t.ready.Load() {
			ready = append(ready, t.addr)
		} else {
			rest = append(rest, t.addr)
		}
	}
	b.turn++
	return append(ready, rest...)
}

func (b *balancer) keep(conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		b.open[c] = struct{}{}
	}
	return !b.closed
}

func (b *balancer) forget(conns ...net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		delete(b.open, c)
	}
}

func (b *balancer) close() {
	_ = b.listener.Close()
	b.mu.Lock()
	b.closed = true
	for _, t := range b.targets {
		t.stop()
	}
	for c := range b.open {
		_ = c.Close()
	}
	b.mu.Unlock()
	b.done.Wait()
}
