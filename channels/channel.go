package channels

import (
	"sync"
	"time"
)

// A Client is somebody who hears channels: a session of the server.
type Client interface {
	// ID is the public session id, the key of the map.
	ID() string

	// Send passes the messages of a round on, in their order. It is called
	// under a lock of the channel, so it never blocks and never calls back into
	// this package.
	Send(r *Round)
}

// A Channel is one tag and the clients who hear it. Most have one client, some
// a hundred thousand.
type Channel struct {
	// Constant.
	tag    string
	latest bool // a client that is behind gets only the newest message

	live bool // guarded by mu; messages are certain to arrive

	refs int32 // guarded by Channels.mu; clients, and those about to be

	mu      sync.Mutex
	clients clients       // guarded by mu: session id → client
	gap     string        // guarded by mu; why clients must be told once it is live again
	waiting chan struct{} // guarded by mu; closed when it is live; nil if nobody waits
	rounds  *rounds       // guarded by mu; nil while none is under way
	begun   uint64        // guarded by mu; number after which no message has been missed
	liveAt  int64         // guarded by mu; when it became live, in milliseconds on the clock of all nodes
	history *history      // guarded by mu; nil while nothing has come
}

// alwaysLive is what Subscription.Live is of a channel that is live.
var alwaysLive = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

func (ch *Channel) remove(id string) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.clients.remove(id)
}

func (ch *Channel) size() int {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.clients.size()
}

// liveLocked is closed while the channel is live.
func (ch *Channel) liveLocked() <-chan struct{} {
	if ch.live {
		return alwaysLive
	}
	if ch.waiting == nil {
		ch.waiting = make(chan struct{})
	}
	return ch.waiting
}

// setLive says that messages arrive from now on, and to everybody who was told
// or left to believe otherwise, that some may be missing.
func (ch *Channel) setLive(cs *Channels) {
	ch.mu.Lock()
	if !ch.live {
		ch.live, ch.liveAt = true, cs.retention.now()
	}
	if ch.waiting != nil {
		close(ch.waiting)
		ch.waiting = nil
	}
	if ch.gap == "" {
		ch.mu.Unlock()
		return
	}
	m := Message{Gap: ch.gap}
	ch.gap = ""
	ch.breakLocked(cs) // whatever came meanwhile has holes
	ch.sendAndUnlock(m, time.Time{}, cs)
}

// setLost says that messages may be missed until setLive.
func (ch *Channel) setLost(reason string, cs *Channels) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if h := ch.history; h != nil && h.kept && !h.plain {
		return // the broker keeps them, and brings them later
	}
	if ch.live { // else nobody was promised anything
		ch.live = false
		ch.gap = reason
		ch.breakLocked(cs)
	}
}

// early notes that a client was told that the channel is its own before it
// was live. It reports false if the channel is live by now.
func (ch *Channel) early(reason string) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.live {
		return false
	}
	if ch.gap == "" {
		ch.gap = reason
	}
	return true
}
