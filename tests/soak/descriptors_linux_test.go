package soak

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	stream "github.com/sb-stream/stream-server/client-go"
)

// TestDescriptorsRunOut connects more clients than there are descriptors for
// (RELIABILITY.md R3): those that are in hear all, those that are not get in as
// others leave, and the wait costs nothing.
func TestDescriptorsRunOut(t *testing.T) {
	path := build(t)
	for _, sockets := range []string{"epoll", "goroutine"} {
		t.Run(sockets, func(t *testing.T) { descriptorsRunOut(t, path, sockets) })
	}
}

func descriptorsRunOut(t *testing.T, path, sockets string) {
	const limit, clients, messages = 256, 400, 20
	p := start(t, path, limit, "--linger=0s", "--sockets="+sockets)
	publisher, err := redis.Dial("tcp", p.broker)
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()

	came := make(chan *stream.Conn, clients)
	ctx, cancel := context.WithCancel(t.Context())
	var joining sync.WaitGroup
	defer joining.Wait()
	defer cancel()
	join(ctx, t, p.url, came)
	others := p.descriptors() - 1
	for range clients - 1 {
		joining.Go(func() { join(ctx, t, p.url, came) }) // ends when it is in, or with ctx
	}
	var in []*stream.Conn
	defer func() {
		for _, c := range in {
			c.Close()
		}
	}()
	take := func(what string, within time.Duration, n int) {
		t.Helper()
		end := time.After(within)
		for range n {
			select {
			case c := <-came:
				in = append(in, c)
			case <-end:
				t.Fatalf("%s: not within %v; %d are in", what, within, len(in))
			}
		}
	}
	const most = limit - limit/8 // the rest is for others
	var sessions int
	eventually(t, "no more get in", func() bool {
		open := p.descriptors()
		sessions = int(p.metrics()["stream_sessions"])
		return open >= most && sessions == open-others
	})
	take("all whose connection is accepted", patience, sessions)
	if n := p.metrics()["stream_accept_paused_total"]; n == 0 {
		t.Error("no pause was counted")
	}

	before := p.cpu()
	time.Sleep(3 * time.Second)
	used := p.cpu() - before
	t.Logf("%d of %d clients are in, with %d descriptors of %d; the server computed %v in 3 s", len(in), clients, p.descriptors(), limit, used)
	if used >= 300*time.Millisecond {
		t.Errorf("the server computed %v in 3 s, want less than 10 %%", used)
	}

	another, err := redis.Dial("tcp", p.broker, redis.DialReadTimeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer another.Close()
	for n := range messages {
		conn := publisher
		if n >= messages/2 {
			conn = another
		}
		if got, err := redis.Int(conn.Do("PUBLISH", "sb:all", n)); err != nil || got != len(in) {
			t.Fatalf("PUBLISH = %d, %v, want %d", got, err, len(in))
		}
	}
	for i, c := range in {
		for n := range messages {
			if e, err := c.Next(ctx); err != nil || e.Name != "all" || string(e.Args[0]) != fmt.Sprint(n) {
				t.Fatalf("client %d got %s %s, %v; want message %d", i, e.Name, e.Args, err, n)
			}
		}
	}

	another.Close() // which took the place of one of those who wait
	const leave = 100
	wait := clients - len(in)
	for _, c := range in[:leave] {
		c.Close()
	}
	in = in[leave:]
	left := time.Now()
	take("the next get in", patience, leave)
	t.Logf("%d have left, and as many got in after %v", leave, time.Since(left).Round(time.Millisecond))
	for len(in) > 0 {
		in[0].Close()
		in = in[1:]
	}
	take("the others get in", patience, wait-leave)
	for _, c := range in {
		c.Close()
	}
	eventually(t, "all sessions are gone", func() bool { return p.metrics()["stream_sessions"] == 0 })
	if log := strings.Join(p.lines(), "\n"); strings.Count(log, "descriptors are short") != 1 || len(p.lines()) > 5 {
		t.Errorf("the log does not say it once:\n%s", log)
	}
}

// join connects, subscribes and says so.
func join(ctx context.Context, t *testing.T, url string, came chan<- *stream.Conn) {
	c, err := stream.Dial(ctx, url, stream.Options{})
	if err == nil {
		if _, err = c.Next(ctx); err == nil { // $session
			_, err = c.Call(ctx, "subscribe", "all")
		}
	}
	switch {
	case err == nil:
		came <- c
	case ctx.Err() == nil:
		t.Errorf("a client was not let in: %v", err)
	case c != nil:
		c.Close()
	}
}

// TestUpgradeWithoutDescriptors upgrades where no descriptor is left: the client
// is served by goroutines, and nothing stays behind.
func TestUpgradeWithoutDescriptors(t *testing.T) {
	p := start(t, build(t), 256, "--linger=0s")
	first, err := dial(p.address, 4)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is counted", func() bool { return p.metrics()["stream_sessions"] == 1 })
	with := p.descriptors()

	c := p.atTheLimit()
	err = c.upgrade()
	if err == nil {
		err = c.subscribe("all")
	}
	if err != nil {
		t.Errorf("an upgrade that cannot duplicate its descriptor: %v", err)
	}
	p.limit(256)
	publisher, err := redis.Dial("tcp", p.broker)
	if err != nil {
		t.Fatal(err)
	}
	defer publisher.Close()
	if n, err := redis.Int(publisher.Do("PUBLISH", "sb:all", 1)); n != 1 || err != nil {
		t.Errorf("PUBLISH = %d, %v, want 1", n, err)
	}
	if name, data, err := c.event(); name != "all" || string(data) != "1" {
		t.Errorf("the client got %s %s, %v", name, data, err)
	}
	publisher.Close()
	c.conn.Close()
	eventually(t, "nothing is left of it", func() bool { return p.descriptors() == with })
	first.conn.Close()
	eventually(t, "nothing is left", func() bool { return p.metrics()["stream_sessions"] == 0 && p.descriptors() == with-1 })
	for _, line := range p.lines() {
		if strings.Contains(line, "panic") {
			t.Error(line)
		}
	}
}

// atTheLimit is a connection that is open and idle, of a server that may open
// nothing more.
func (p *process) atTheLimit() *client {
	p.t.Helper()
	c, err := connect(p.address, 4)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(c.reset)
	if err := c.request("/healthz", "", 200); err != nil {
		p.t.Fatal(err)
	}
	if _, err := io.ReadFull(c.r, make([]byte, len("ok\n"))); err != nil {
		p.t.Fatal(err)
	}
	p.limit(3)
	return c
}
