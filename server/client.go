package server

import (
	"slices"
	"sync"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/server/socketio"
)

// A client is one session of the default namespace, or one that listens by plain
// HTTP: the [Emitter] of the map of sessions and the [channels.Client] of the map
// of channels.
type client struct {
	// Constant.
	session *engineio.Session // that of conn: one hop less for every message
	conn    link
	ear     *ear // how it hears messages with names of their own; nil where there are none

	mu    sync.Mutex
	who   identity.Who      // guarded by mu; who this session belongs to
	due   int64             // guarded by mu; when it is on the agenda, Unix seconds; 0: it is not
	line  *line             // guarded by mu; what waits to be done in order; nil: nothing
	heard heardList         // guarded by mu; the channels that it hears, few; once it has left, those that it heard
	one   [1]channels.Heard // guarded by mu; room for the first of them
	floor uint64            // guarded by mu; see former

	present map[string]struct{} // guarded by mu; channels that it is in, and shown there; nil for most

	left    bool     // guarded by mu; it hears nothing any more
	plain   bool     // constant; it listens by plain HTTP, and conn is a plainLink
	refused uint8    // owned by the calls of the session; events in a row that came too often
	seat    int32    // guarded by members.mu; its place in the member's list
	waiters *waiters // guarded by mu; nil while there are none
}

// waiters wait until a client leaves.
type waiters struct {
	n    int           // callers of gone that have not called stay
	left chan struct{} // closed by leave
}

// A link is how a client is told what is no message of a channel: a
// [socketio.Conn] or a [plainLink]. Its methods never block.
type link interface {
	ID() string
	Emit(event string, args ...any)
	Close() error
}

func newClient(session *engineio.Session, conn link, who identity.Who) *client {
	c := &client{session: session, conn: conn, who: who}
	_, c.plain = conn.(plainLink)
	c.heard = c.one[:0]
	return c
}

// ID is the public session id.
func (c *client) ID() string { return c.conn.ID() }

// Send is the fourth hop of a message. It runs under a lock of the channel.
func (c *client) Send(r *channels.Round) {
	var o engineio.Outcome
	if c.plain {
		o = c.conn.(plainLink).send(r)
	} else if m, plain := r.Encoding.(*socketio.Message); plain {
		o = m.SendTo(c.session)
	} else {
		o = r.Encoding.(*named).sendTo(c)
	}
	if o != engineio.Sent {
		r.Late(c, outcomes[o])
	}
}

// outcomes are those of engineio as package channels calls them.
var outcomes = [...]channels.Outcome{
	engineio.Sent: channels.Sent, engineio.Waits: channels.Waits, engineio.Behind: channels.Behind,
	engineio.Dropped: channels.Dropped, engineio.Ended: channels.Ended,
}

// Emit sends an event to this client alone.
func (c *client) Emit(event string, args ...any) { c.conn.Emit(event, args...) }

// Close disconnects the client.
func (c *client) Close() error { return c.conn.Close() }

// hear subscribes to all of tags, in their order, or to none, and gets what it
// missed. Holding mu all the
// way makes a subscribe that meets the disconnect of its client, or the end of
// what it may hear, either come before that, and be undone by it, or be refused.
func (c *client) hear(s *Server, tags []string, missed map[string]*channels.Missed) ([]channels.Subscription, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return nil, &wireError{Code: CodeUnavailable, Message: "the connection has ended"}
	}
	all, now := s.channels, s.rules.Load() // under the lock: see Server.review
	if err := now.policy.checkAll(c.who, tags); err != nil {
		return nil, err
	}
	added := 0
	for _, tag := range tags {
		if c.heard.index(tag) < 0 {
			added++
		}
	}
	if len(c.heard)+added > now.config.MaxChannels {
		return nil, &wireError{Code: CodeTooManyChannels, Message: "this connection hears as many channels as it may"}
	}
	subscriptions := make([]channels.Subscription, len(tags))
	for i, tag := range tags {
		sub := all.Subscribe(tag, c, missed[tag])
		if c.heard.index(tag) < 0 {
			c.heard = append(c.heard, channels.Heard{Tag: sub.Tag(), From: sub.From})
		}
		if sub.Replayed > 0 {
			c.floor = all.Last() + 1
		}
		subscriptions[i] = sub
	}
	c.ear.listen(c.heard)
	return subscriptions, nil
}

// unhear ends hear.
func (c *client) unhear(s *Server, tags []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unhearLocked(s, tags)
}

func (c *client) unhearLocked(s *Server, tags []string) {
	if c.left {
		return
	}
	for _, tag := range tags {
		if i := c.heard.index(tag); i >= 0 {
			c.heard = slices.Delete(c.heard, i, i+1)
			c.absentLocked(s.presence, tag, true)
			s.channels.Unsubscribe(tag, c.ID())
		}
	}
	c.ear.listen(c.heard)
}

// revoke ends hear for one channel without having been asked by the client, who
// is told by $expired. It is false if the client does not hear the channel.
// Nothing of the channel comes after that, unless the client subscribes
// again.
func (c *client) revoke(s *Server, tag, reason string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left || c.heard.index(tag) < 0 {
		return false
	}
	c.unhearLocked(s, []string{tag})
	c.conn.Emit("$expired", expired{tag, reason})
	c.floor = s.channels.Last() + 1
	return true
}

// leave takes the client out of every channel, and from its member, for good.
// Doing it twice changes nothing.
func (c *client) leave(s *Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.members.leave(c.who.Member, c)
	if c.left {
		return
	}
	for _, h := range c.heard {
		s.channels.Unsubscribe(h.Tag, c.ID())
	}
	for tag := range c.present { // it is kept, for whoever comes back
		s.presence.Exit(tag, c, false)
	}
	c.left = true
	if c.waiters != nil {
		close(c.waiters.left)
	}
}

// gone is closed when the client has left. The caller calls stay when it no
// longer waits.
func (c *client) gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiters == nil {
		c.waiters = &waiters{left: make(chan struct{})}
		if c.left {
			close(c.waiters.left)
		}
	}
	c.waiters.n++
	return c.waiters.left
}

// stay ends gone.
func (c *client) stay() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiters.n--; c.waiters.n == 0 {
		c.waiters = nil
	}
}

// identity is who this session belongs to now.
func (c *client) identity() identity.Who {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who
}

// hears are the channels that the client hears.
func (c *client) hears() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return nil
	}
	return c.heard.tags()
}
