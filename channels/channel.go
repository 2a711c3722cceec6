package channels

import "sync"

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
}

// alwaysLive is what Subscription.Live is of a channel that is live.
var alwaysLive = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// add puts c into the map and reports whether it was not there yet. The client
// gets every message after the one at the position, and none before.
func (ch *Channel) add(c Client, seq *sequence) (at Position, live <-chan struct{}, added bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.clients.size() == 0 {
		ch.gap = "" // those it was meant for have left
	}
	if ch.rounds == nil {
		_, added = ch.clients.put(c, 0)
		return seq.now(), ch.liveLocked(), added
	}
	// The round under way has been at the client's part, or has yet to come.
	seen, added := ch.clients.put(c, ch.rounds.last)
	return seq.position(max(seen, ch.rounds.first-1)), ch.liveLocked(), added
}

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
	ch.live = true
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
	ch.sendAndUnlock(m, cs)
}

// setLost says that messages may be missed until setLive.
func (ch *Channel) setLost(reason string) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.live { // else nobody was promised anything
		ch.live = false
		ch.gap = reason
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
