package hostile

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	client "github.com/sb-stream/stream-server/client-go"
)

// echoEvery is the pause between two messages, unless somebody waits for one.
const echoEvery = 20 * time.Millisecond

// A canary is another client of the server: it listens all the time to a
// channel that a web server publishes to, by Redis.
type canary struct {
	conn *client.Conn
	web  redis.Conn
	end  context.CancelFunc
	now  chan struct{} // ends a pause
	done chan struct{} // closed when it has ended

	mu    sync.Mutex
	began int           // guarded by mu; messages that were published
	heard int           // guarded by mu; those that arrived
	worst time.Duration // guarded by mu; since mark
	err   error         // guarded by mu
}

func newCanary(t *testing.T, n *target) *canary {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := &canary{end: cancel, now: make(chan struct{}, 1), done: make(chan struct{})}
	var err error
	if c.conn, err = client.Dial(t.Context(), "http://"+n.address, client.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err = c.conn.Call(t.Context(), "subscribe", "canary"); err != nil {
		t.Fatal(err)
	}
	if c.web, err = redis.Dial("tcp", n.broker); err != nil {
		t.Fatal(err)
	}
	if e, err := c.conn.Next(t.Context()); err != nil || e.Name != "$session" {
		t.Fatalf("the canary got %s, %v, want $session", e.Name, err)
	}
	host.watch()
	go c.run(ctx) // ends with ctx
	return c
}

func (c *canary) run(ctx context.Context) {
	defer close(c.done)
	for i := 1; ; i++ {
		c.mu.Lock()
		c.began = i
		c.mu.Unlock()
		took, err := c.echo(ctx, strconv.Itoa(i))
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		c.heard, c.worst, c.err = i, max(c.worst, took), errors.Join(c.err, err)
		c.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-c.now:
		case <-time.After(echoEvery):
		}
	}
}

// echo publishes a message and waits until it is there.
func (c *canary) echo(ctx context.Context, message string) (took time.Duration, err error) {
	start := time.Now()
	defer func() {
		if took > echoLimit {
			took -= host.kept(start)
		}
	}()
	if _, err := c.web.Do("PUBLISH", prefix+"canary", message); err != nil {
		return 0, err
	}
	e, err := c.conn.Next(ctx)
	switch {
	case err != nil:
		return 0, err
	case e.Name != "canary" || string(e.Args[0]) != message:
		return 0, fmt.Errorf("the canary got %s %s, want %s", e.Name, e.Args[0], message)
	}
	return time.Since(start), nil
}

// mark forgets how long messages took until now.
func (c *canary) mark() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.worst = 0
}

// check waits for a message that is published from now on, and reports the
// longest time that one has taken since mark.
func (c *canary) check() (time.Duration, error) {
	c.mu.Lock()
	next := c.began + 1
	c.mu.Unlock()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		c.mu.Lock()
		heard, worst, err := c.heard, c.worst, c.err
		c.mu.Unlock()
		if err != nil || heard >= next {
			return worst, err
		}
		select {
		case c.now <- struct{}{}:
		default:
		}
	}
	return patience, errors.New("the canary is silent")
}

func (c *canary) close() {
	if c == nil {
		return
	}
	c.end()
	<-c.done
	host.leave()
	c.conn.Close()
	c.web.Close()
}
