package channels

import (
	"crypto/rand"
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

	seq sequence

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

// New makes an empty map.
func New(c Config) *Channels {
	if c.Latest == nil {
		c.Latest = func(string) bool { return false }
	}
	return &Channels{
		broker:    c.Broker,
		linger:    c.Linger,
		encode:    c.Encode,
		latest:    c.Latest,
		seq:       sequence{epoch: rand.Text()[:6]},
		channels:  make(map[string]*Channel),
		lingering: make(map[string]lingerer),
	}
}

// A Subscription is what a client is told when it begins to hear a channel.
type Subscription struct {
	Position Position        // of the newest message before the first that it gets
	Live     <-chan struct{} // closed once messages are certain to arrive

	channel *Channel
}

// Tag is the channel's own copy of its tag, for whoever keeps it.
func (s Subscription) Tag() string { return s.channel.tag }

// Early notes that the client was answered before the channel was live, so
// that it is told of the gap when it is. It reports false if the channel is
// live by now, and then nothing was missed.
func (s Subscription) Early() bool { return s.channel.early("subscribed_late") }

// Subscribe makes c hear the channel. The first client of a channel makes the
// broker listen to it. Doing it twice changes nothing.
func (cs *Channels) Subscribe(tag string, c Client) Subscription {
	cs.mu.Lock()
	ch := cs.channels[tag]
	if ch == nil {
		if ch = cs.lingering[tag].Channel; ch != nil {
			delete(cs.lingering, tag)
		} else {
			ch = &Channel{tag: tag, latest: cs.latest(tag)}
			cs.broker.Listen(tag)
		}
		cs.channels[tag] = ch
	}
	ch.refs++
	cs.mu.Unlock()

	at, live, added := ch.add(c, &cs.seq)
	if !added {
		cs.release(ch)
	}
	return Subscription{Position: at, Live: live, channel: ch}
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
		cs.broker.Unlisten(ch.tag)
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
			cs.broker.Unlisten(tag)
		}
	}
	cs.idle = nil // gives the memory back
}

// Publish sends data, which is valid JSON, to every client of the channel and
// returns how many there are. data is kept.
func (cs *Channels) Publish(tag string, data []byte) int {
	ch := cs.find(tag)
	if ch == nil {
		return 0
	}
	return ch.publish(data, cs)
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
		ch.setLost(reason)
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

// Close forgets the timer. The map is not used after it.
func (cs *Channels) Close() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.timer != nil {
		cs.timer.Stop()
	}
}
