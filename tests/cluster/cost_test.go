package cluster

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// A usage is what a node takes.
type usage struct{ goroutines, resident, cpu float64 }

func usageOf(t *testing.T, node string) usage {
	t.Helper()
	nodes := []string{node}
	return usage{sum(t, nodes, "go_goroutines"), sum(t, nodes, "process_resident_memory_bytes"), sum(t, nodes, "process_cpu_seconds_total")}
}

// per is the difference for each of n clients, the memory in KB.
func (u usage) per(n int, before usage) (goroutines, kilobytes float64) {
	return (u.goroutines - before.goroutines) / float64(n), (u.resident - before.resident) / 1e3 / float64(n)
}

// What one node pays for clients whose sessions are another's: goroutines and
// memory for polls that wait and for WebSockets, and time for messages.
func TestForwardCost(t *testing.T) {
	clients := setting(t, "COSTCLIENTS", strconv.Atoi, 100)
	const messages = 20
	r := redistest.Start(t)
	for _, kind := range []string{"polls", "WebSockets"} {
		nodes := startNodes(t, r, 2)
		owner, front := nodes[0], nodes[1]
		to, err := redis.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer to.Close()
		a := &tally{began: time.Now()}
		var running sync.WaitGroup
		var conns []net.Conn
		end := func() {
			a.quitted.Store(true)
			for _, c := range conns {
				c.Close()
			}
			running.Wait()
		}
		defer end()
		sessions := make([]*poller, clients)
		for i := range sessions {
			if sessions[i], err = dial(owner, "cost", a); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, sessions[i].conn)
		}
		before := [2]usage{usageOf(t, owner), usageOf(t, front)}
		for _, p := range sessions {
			open, serve := p.moveTo, p.run
			if kind == "WebSockets" {
				open, serve = p.upgrade, p.listen
			}
			if err := open(front); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, p.conn)
			running.Go(serve) // ends with its connection
		}
		for deadline := time.Now().Add(patience); sum(t, nodes, "stream_forwarding") != float64(clients); <-time.After(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%v of %d %s are passed on", sum(t, nodes, "stream_forwarding"), clients, kind)
			}
		}
		after := [2]usage{usageOf(t, owner), usageOf(t, front)}
		for n := 1; n <= messages; n++ {
			if _, err := to.Do("PUBLISH", "sb:cost", fmt.Sprintf(`{"n":%d,"t":%d}`, n, time.Since(a.began))); err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(patience); a.heard.Load() != int64(n*clients) && a.errors.Load() == 0 && time.Now().Before(deadline); {
				<-time.After(time.Millisecond)
			}
		}
		if fault := a.fault.Load(); fault != nil || a.heard.Load() != int64(messages*clients) {
			t.Fatalf("%s: %d messages were heard of %d, %d errors", kind, a.heard.Load(), messages*clients, a.errors.Load())
		}
		last := [2]usage{usageOf(t, owner), usageOf(t, front)}
		ownerGoroutines, ownerKB := after[0].per(clients, before[0])
		goroutines, kilobytes := after[1].per(clients, before[1])
		each := float64(messages*clients) / 1e6
		fmt.Printf("forward: %d %s: the node they come to has %.1f goroutines and %.1f KB for each, their own %.1f and %.1f KB; "+
			"a message takes %.0f µs there and %.0f µs here\n", clients, kind, goroutines, kilobytes, ownerGoroutines, ownerKB,
			(last[1].cpu-after[1].cpu)/each, (last[0].cpu-after[0].cpu)/each)
		if goroutines > 4.5 || ownerGoroutines > 0.5 {
			t.Errorf("%s: %.1f goroutines for each, and %.1f at its own node: want 4 and none", kind, goroutines, ownerGoroutines)
		}
		end()
	}
}

// moveTo has the next requests go to another node.
func (p *poller) moveTo(node string) error {
	conn, err := net.Dial("tcp", node)
	if err == nil {
		p.conn, p.r = conn, bufio.NewReader(conn)
	}
	return err
}

// upgrade moves a session to a WebSocket by way of a node.
func (p *poller) upgrade(node string) error {
	conn, _, _, err := ws.Dial(context.Background(), "ws://"+node+strings.Replace(p.path, "polling", "websocket", 1))
	if err != nil {
		return err
	}
	p.conn = conn
	if err = wsutil.WriteClientText(conn, []byte("2probe")); err == nil {
		_, err = wsutil.ReadServerText(conn) // 3probe
	}
	if err == nil {
		err = wsutil.WriteClientText(conn, []byte("5"))
	}
	return err
}

// listen takes what comes by a WebSocket until it ends.
func (p *poller) listen() {
	for {
		text, err := wsutil.ReadServerText(p.conn)
		if err == nil && string(text) == "2" {
			err = wsutil.WriteClientText(p.conn, []byte("3"))
		} else if err == nil {
			err = p.take(text)
		}
		if err != nil {
			p.tally.fail(err)
			return
		}
	}
}
