package server

import (
	"sync"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/socketio"
)

// A client is one session of the default namespace: the [Emitter] of the map
// of sessions and the [channels.Client] of the map of channels.
type client struct {
	// Constant.
	conn socketio.Conn

	mu       sync.Mutex
	member   Member              // guarded by mu
	channels map[string]struct{} // guarded by mu; what it hears; nil once it has left
	done     chan struct{}       // guarded by mu; closed by leave; nil while nobody waits
}

func newClient(conn socketio.Conn, member Member) *client {
	return &client{
		conn:     conn,
		member:   member,
		channels: make(map[string]struct{}),
	}
}

// ID is the public session id.
func (c *client) ID() string { return c.conn.ID() }

// Send is the fourth hop of a message. It runs under a lock of the channel.
func (c *client) Send(r *channels.Round) { c.conn.Send(r.Encoding.(*socketio.Message)) }

// Emit sends an event to this client alone.
func (c *client) Emit(event string, args ...any) { c.conn.Emit(event, args...) }

// Close disconnects the client.
func (c *client) Close() error { return c.conn.Close() }

// hear subscribes to all of tags or to none. Holding mu all the way makes a
// subscribe that meets the disconnect of its client either come before it, and
// be undone by it, or find that the client has left.
func (c *client) hear(all *channels.Channels, tags []string, limit int) (map[string]channels.Subscription, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channels == nil {
		return nil, &wireError{Code: CodeUnavailable, Message: "the connection has ended"}
	}
	added := 0
	for _, tag := range tags {
		if _, ok := c.channels[tag]; !ok {
			added++
		}
	}
	if len(c.channels)+added > limit {
		return nil, &wireError{Code: CodeTooManyChannels, Message: "this connection hears as many channels as it may"}
	}
	subscriptions := make(map[string]channels.Subscription, len(tags))
	for _, tag := range tags {
		c.channels[tag] = struct{}{}
		subscriptions[tag] = all.Subscribe(tag, c)
	}
	return subscriptions, nil
}

// unhear ends hear.
func (c *client) unhear(all *channels.Channels, tags []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tag := range tags {
		if _, ok := c.channels[tag]; ok {
			delete(c.channels, tag)
			all.Unsubscribe(tag, c.ID())
		}
	}
}

// leave takes the client out of every channel, for good.
func (c *client) leave(all *channels.Channels) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tag := range c.channels {
		all.Unsubscribe(tag, c.ID())
	}
	c.channels = nil
	if c.done != nil {
		close(c.done)
	}
}

// gone is closed when the client has left.
func (c *client) gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.channels == nil {
			close(c.done)
		}
	}
	return c.done
}

// who is the member that this session belongs to.
func (c *client) who() Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.member
}

func (c *client) setMember(m Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.member = m
}
