package server

import (
	"slices"
	"sync"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio"
)

// A client is one session of the default namespace: the [Emitter] of the map
// of sessions and the [channels.Client] of the map of channels.
type client struct {
	// Constant.
	session *engineio.Session // that of conn: one hop less for every message
	conn    socketio.Conn

	mu      sync.Mutex
	member  string        // guarded by mu; the id of who this session belongs to
	tags    []string      // guarded by mu; of the channels that it hears, few
	one     [1]string     // guarded by mu; room for the first of them
	left    bool          // guarded by mu; it hears nothing any more
	waiting int           // guarded by mu; callers of gone that have not called stay
	done    chan struct{} // guarded by mu; closed by leave; nil while nobody waits
}

func newClient(conn socketio.Conn, member string) *client {
	c := &client{session: conn.Session(), conn: conn, member: member}
	c.tags = c.one[:0]
	return c
}

// ID is the public session id.
func (c *client) ID() string { return c.conn.ID() }

// Send is the fourth hop of a message. It runs under a lock of the channel.
func (c *client) Send(r *channels.Round) { r.Encoding.(*socketio.Message).SendTo(c.session) }

// Emit sends an event to this client alone.
func (c *client) Emit(event string, args ...any) { c.conn.Emit(event, args...) }

// Close disconnects the client.
func (c *client) Close() error { return c.conn.Close() }

// hear subscribes to all of tags, in their order, or to none. Holding mu all the way makes a
// subscribe that meets the disconnect of its client either come before it, and
// be undone by it, or find that the client has left.
func (c *client) hear(all *channels.Channels, tags []string, limit int) ([]channels.Subscription, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return nil, &wireError{Code: CodeUnavailable, Message: "the connection has ended"}
	}
	added := 0
	for _, tag := range tags {
		if !slices.Contains(c.tags, tag) {
			added++
		}
	}
	if len(c.tags)+added > limit {
		return nil, &wireError{Code: CodeTooManyChannels, Message: "this connection hears as many channels as it may"}
	}
	subscriptions := make([]channels.Subscription, len(tags))
	for i, tag := range tags {
		subscriptions[i] = all.Subscribe(tag, c)
		if !slices.Contains(c.tags, tag) {
			c.tags = append(c.tags, subscriptions[i].Tag())
		}
	}
	return subscriptions, nil
}

// unhear ends hear.
func (c *client) unhear(all *channels.Channels, tags []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tag := range tags {
		if i := slices.Index(c.tags, tag); i >= 0 {
			c.tags = slices.Delete(c.tags, i, i+1)
			all.Unsubscribe(tag, c.ID())
		}
	}
}

// leave takes the client out of every channel, for good.
func (c *client) leave(all *channels.Channels) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tag := range c.tags {
		all.Unsubscribe(tag, c.ID())
	}
	c.tags, c.left = nil, true
	if c.done != nil {
		close(c.done)
	}
}

// gone is closed when the client has left. The caller calls stay when it no
// longer waits.
func (c *client) gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting++
	if c.done == nil {
		c.done = make(chan struct{})
		if c.left {
			close(c.done)
		}
	}
	return c.done
}

// stay ends gone.
func (c *client) stay() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting--; c.waiting == 0 {
		c.done = nil
	}
}

// setMember makes the session somebody else's.
func (c *client) setMember(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.member = id
}
