package channels

import (
	"crypto/rand"
	"strings"
	"sync"
	"time"
)

// Encode makes Round.Encoding. It runs once for each round that anybody hears.
type Encode func(r *Round) any

// Config is what Channels are made with.
type Config struct {
	Broker Broker        // required
	Linger time.Duration // that a channel stays subscribed at the broker after its last client left
	Encode Encode        // required
	Keep   int           // messages of each channel, for clients who come back; 0: none
	Age    time.Duration // that they are kept
	Bytes  int           // that the messages of all channels take
	Node   string        // the name of this run of this node, in every position: letters and digits; random

	// Late is told of clients who did not get a round at once: see Round.Late. It
	// runs under locks of the channel. nil means nobody is told.
	Late func(r *Round, c Client, o Outcome)

	// Sent is told of each round of messages that everybody has been sent: how long
	// after the first of them was published. nil measures nothing.
	Sent func(r *Round, took time.Duration)

	// Latest reports whether a client that is behind gets only the newest message
	// of the channel, and not all of them. nil means never.
	Latest func(tag string) bool
}

// Channels is the map: tag → [Channel] → session id → [Client].
//
// Its methods may be called from any goroutine. Locks are taken in the order
// Channels, Channel, part, and whatever Client.Send takes. Channels.mu is not held
// while waiting for the lock of a channel, nor that of a channel during a walk,
// so that a long walk keeps nobody from other channels, nor from this one.
type Channels struct {
	// Constant.
	broker Broker
	linger time.Duration
	encode Encode
	latest func(tag string) bool
	late   func(r *Round, c Client, o Outcome) // or nil
	sent   func(r *Round, took time.Duration)  // nil: nobody measures

	seq       sequence
	retention retention

	mu        sync.RWMutex
	channels  map[string]*Channel // guarded by mu; those that clients hear
	lingering map[string]lingerer // guarded by mu; those that the last client left a while ago
	idle      []idle              // guarded by mu; when to stop listening, oldest first
	ticket    uint64              // guarded by mu; counts the times a channel became idle
	timer     *time.Timer         // guarded by mu; set while idle is not empty
}

// A lingerer is a channel without clients, since the ticket of that number.
type lingerer struct {
	*Channel

	since uint64
}

// idle is one time that a channel lost its last client.
type idle struct {
	channel *Channel
	ticket  uint64
	until   time.Time
}

// NewNode is a name for one run of one node: 40 random bits.
func NewNode() string { return strings.ToLower(rand.Text()[:8]) }

// New makes an empty map.
func New(c Config) *Channels {
	if c.Latest == nil {
		c.Latest = func(string) bool { return false }
	}
	if c.Node == "" {
		c.Node = NewNode()
	}
	now := func() int64 { return c.Broker.Now().UnixMilli() }
	return &Channels{
		broker:    c.Broker,
		linger:    c.Linger,
		encode:    c.Encode,
		latest:    c.Latest,
		late:      c.Late,
		sent:      c.Sent,
		seq:       sequence{node: c.Node},
		retention: retention{count: c.Keep, age: c.Age, most: c.Bytes, now: now},
		channels:  make(map[string]*Channel),
		lingering: make(map[string]lingerer),
	}
}

// Unsubscribe ends Subscribe. Leaving a channel that the client does not hear
// does nothing.
func (cs *Channels) Unsubscribe(tag, id string) {
	cs.mu.RLock()
	ch := cs.channels[tag]
	cs.mu.RUnlock()
	if ch != nil && ch.remove(id) {
		cs.release(ch)
	}
}

// release counts a client off, and with the last one begins to linger.
func (cs *Channels) release(ch *Channel) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if ch.refs--; ch.refs > 0 {
		return
	}
	delete(cs.channels, ch.tag)
	if cs.linger <= 0 {
		cs.drop(ch)
		return
	}
	cs.ticket++
	cs.lingering[ch.tag] = lingerer{ch, cs.ticket}
	cs.idle = append(cs.idle, idle{ch, cs.ticket, time.Now().Add(cs.linger)})
	if cs.timer == nil {
		cs.timer = time.AfterFunc(cs.linger, cs.sweep)
	}
}

// sweep stops listening to the channels that lingered long enough. linger is
// the same for all, so the queue is in the order of their ends.
func (cs *Channels) sweep() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.timer = nil
	now := time.Now()
	for len(cs.idle) > 0 {
		first := cs.idle[0]
		if wait := first.until.Sub(now); wait > 0 {
			cs.timer = time.AfterFunc(wait, cs.sweep)
			return
		}
		cs.idle = cs.idle[1:]
		if tag := first.channel.tag; cs.lingering[tag].since == first.ticket {
			delete(cs.lingering, tag)
			cs.drop(first.channel)
		}
	}
	cs.idle = nil // gives the memory back
}

// drop ends a channel that is in neither map any more.
func (cs *Channels) drop(ch *Channel) {
	cs.broker.Unlisten(ch.tag)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.breakLocked(cs)
}

// Publish sends data, which is valid JSON, to every client of the channel and
// returns how many there are. data is kept.
func (cs *Channels) Publish(tag string, data []byte) int {
	ch := cs.find(tag)
	if ch == nil {
		return 0
	}
	return ch.publish(data, "", cs)
}

// PublishKept is Publish of a message that the broker keeps under this id of
// its stream.
func (cs *Channels) PublishKept(tag string, data []byte, id string) int {
	ch := cs.find(tag)
	if ch == nil {
		return 0
	}
	return ch.publish(data, id, cs)
}

// Live says that the messages of the channel arrive from now on. Clients that
// may have missed some are told.
func (cs *Channels) Live(tag string) {
	if ch := cs.find(tag); ch != nil {
		ch.setLive(cs)
	}
}

// Lost says that messages of these channels, or of all if there are none, may
// be missed until Live. The clients are told then, when asking again helps.
func (cs *Channels) Lost(reason string, tags ...string) {
	for _, ch := range cs.pick(tags) {
		ch.setLost(reason, cs)
	}
}

// Gap tells the clients of the channel that they have missed a message, now.
func (cs *Channels) Gap(tag, reason string) {
	if ch := cs.find(tag); ch != nil {
		ch.mu.Lock()
		ch.breakLocked(cs)
		ch.sendAndUnlock(Message{Gap: reason}, time.Time{}, cs)
	}
}

// Missed tells the clients of these channels that they have missed messages of
// those that the broker keeps. Channels that have had others only are left out.
func (cs *Channels) Missed(reason string, tags ...string) {
	for _, tag := range tags {
		ch := cs.find(tag)
		if ch == nil {
			continue
		}
		ch.mu.Lock()
		if h := ch.history; h != nil && h.plain && !h.kept {
			ch.mu.Unlock()
			continue
		}
		ch.breakLocked(cs)
		ch.sendAndUnlock(Message{Gap: reason}, time.Time{}, cs)
	}
}

func (cs *Channels) find(tag string) *Channel {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	return cs.findLocked(tag)
}

func (cs *Channels) findLocked(tag string) *Channel {
	if ch := cs.channels[tag]; ch != nil {
		return ch
	}
	return cs.lingering[tag].Channel
}

func (cs *Channels) pick(tags []string) []*Channel {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	var list []*Channel
	if len(tags) == 0 {
		for _, ch := range cs.channels {
			list = append(list, ch)
		}
		for _, l := range cs.lingering {
			list = append(list, l.Channel)
		}
	}
	for _, tag := range tags {
		if ch := cs.findLocked(tag); ch != nil {
			list = append(list, ch)
		}
	}
	return list
}

// Len is how many channels have clients, and how many linger without one.
func (cs *Channels) Len() (heard, lingering int) {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	return len(cs.channels), len(cs.lingering)
}

// Clients is how many clients hear the channel.
func (cs *Channels) Clients(tag string) int {
	if ch := cs.find(tag); ch != nil {
		return ch.size()
	}
	return 0
}

// Sending reports whether messages of the channel are on their way to its
// clients: large channels are walked beside their publisher.
func (cs *Channels) Sending(tag string) bool {
	ch := cs.find(tag)
	return ch != nil && ch.walking()
}

// Kept is how many messages the histories of all channels have, and the bytes
// that these take.
func (cs *Channels) Kept() (messages, bytes int) { return cs.retention.size() }

// Close forgets the timers. The map is not used after it.
func (cs *Channels) Close() {
	cs.retention.close()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.timer != nil {
		cs.timer.Stop()
	}
}
