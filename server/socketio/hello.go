package socketio

import (
	"context"
	"encoding/json"
)

// A hello is what came with CONNECT.
type hello struct {
	auth   json.RawMessage
	former *Former // until the client is in the namespace
	back   bool    // the client is that one again
}

// waiting is who waits for a client, or for its end.
type waiting struct {
	acks   map[int64]func(*Arguments) // by the id of the packet
	ctx    context.Context            // of handlers; nil if none asked
	cancel context.CancelFunc         // of ctx
}

// waitingLocked is c.waiting, made if need be.
func (c *conn) waitingLocked() *waiting {
	if c.waiting == nil {
		c.waiting = &waiting{acks: make(map[int64]func(*Arguments))}
	}
	return c.waiting
}

func (c *conn) ForgetHandshake() {
	c.session.ForgetHandshake()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello != nil {
		c.hello.auth = nil
	}
	c.dropHelloLocked()
}

func (c *conn) dropHelloLocked() {
	if c.hello != nil && c.hello.auth == nil && c.hello.former == nil {
		c.hello = nil
	}
}

func (c *conn) Auth() json.RawMessage {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello == nil {
		return nil
	}
	return c.hello.auth
}

func (c *conn) Former() *Former {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello == nil {
		return nil
	}
	return c.hello.former
}

func (c *conn) Recover(replay func() bool) {
	f := c.Former()
	if f == nil {
		return
	}
	id := c.id
	c.id = f.id
	if !replay() {
		c.id = id
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hello.back = true
}

// greeted forgets who the client was, and returns that if it is that one again.
func (c *conn) greeted() *Former {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hello == nil || c.hello.former == nil {
		return nil
	}
	f := c.hello.former
	if !c.hello.back {
		f = nil
	}
	c.hello.former = nil
	c.dropHelloLocked()
	return f
}
