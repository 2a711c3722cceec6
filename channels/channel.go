package channels

import "sync"

// A Client is somebody who hears channels: a session of the server.
type Client interface {
	// ID is the public session id, the key of the map.
	ID() string

	// Send passes a message on. It is called under the lock of the channel,
	// so it never blocks and never calls back into this package.
	Send(m *Message)
}

// A Channel is one tag and the clients who hear it.
type Channel struct {
	tag string

	refs      int    // guarded by Channels.mu; clients, and those about to be
	idleSince uint64 // guarded by Channels.mu; ticket of the last time refs became 0

	mu      sync.Mutex
	clients map[string]Client // guarded by mu; session id → client
	live    chan struct{}     // guarded by mu; closed while messages are certain to arrive
	gap     string            // guarded by mu; why clients must be told once it is live again
}

func newChannel(tag string) *Channel {
	return &Channel{tag: tag, clients: make(map[string]Client), live: make(chan struct{})}
}

// add puts c into the map and reports whether it was not there yet.
func (ch *Channel) add(c Client, seq *sequence) (at Position, live <-chan struct{}, added bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if len(ch.clients) == 0 {
		ch.gap = "" // those it was meant for have left
	}
	_, there := ch.clients[c.ID()]
	ch.clients[c.ID()] = c
	return seq.now(), ch.live, !there
}

func (ch *Channel) remove(id string) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	_, there := ch.clients[id]
	delete(ch.clients, id)
	return there
}

// walk numbers the message and sends it to every client. Holding the lock all
// the way is what gives all of them the same order; Send never blocks.
func (ch *Channel) walk(data []byte, seq *sequence, encode Encode) int {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	m := &Message{Channel: ch.tag, Data: data, Position: seq.next()}
	return ch.sendLocked(m, encode)
}

func (ch *Channel) sendLocked(m *Message, encode Encode) int {
	if len(ch.clients) == 0 {
		return 0
	}
	m.Encoding = encode(m)
	for _, c := range ch.clients {
		c.Send(m)
	}
	return len(ch.clients)
}

// setLive says that messages arrive from now on, and to everybody who was told
// or left to believe otherwise, that some may be missing.
func (ch *Channel) setLive(encode Encode) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.gap != "" {
		ch.sendLocked(&Message{Channel: ch.tag, Gap: ch.gap}, encode)
		ch.gap = ""
	}
	if !ch.isLiveLocked() {
		close(ch.live)
	}
}

// setLost says that messages may be missed until setLive.
func (ch *Channel) setLost(reason string) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.isLiveLocked() {
		return // never live yet: nobody was promised anything
	}
	ch.live = make(chan struct{})
	ch.gap = reason
}

func (ch *Channel) isLiveLocked() bool {
	select {
	case <-ch.live:
		return true
	default:
		return false
	}
}

// early notes that a client was told that the channel is its own before it
// was live. It reports false if the channel is live by now.
func (ch *Channel) early(reason string) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.isLiveLocked() {
		return false
	}
	if ch.gap == "" {
		ch.gap = reason
	}
	return true
}

func (ch *Channel) size() int {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return len(ch.clients)
}
