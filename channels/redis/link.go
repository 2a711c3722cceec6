package redis

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sb-stream/stream-server/channels"
)

// A link is one connection that subscribes, made again whenever it breaks, and
// what is wanted on it. A channel is on one link, so that its messages stay in
// order.
//
// Its methods may be called from any goroutine, run once.
type link struct {
	// Constant.
	broker  *Broker
	dialer  *dialer
	sharded bool          // of a Redis Cluster: SSUBSCRIBE
	wake    chan struct{} // holds one value while there may be something to send

	up     atomic.Bool
	barred atomic.Bool // Redis' ACL keeps this user from subscribing

	mu   sync.Mutex
	subs *subscriptions          // guarded by mu
	lag  time.Duration           // guarded by mu; of the last PING that was answered
	addr string                  // guarded by mu; where the connection leads
	drop context.CancelCauseFunc // guarded by mu; ends the connection; nil while there is none
}

func (b *Broker) newLink(d *dialer) *link {
	return &link{
		broker: b, dialer: d, sharded: d.topology == clustered,
		wake: make(chan struct{}, 1), subs: newSubscriptions(),
	}
}

func (l *link) listen(tag string) {
	l.mu.Lock()
	l.subs.listen(tag)
	l.mu.Unlock()
	l.awaken()
}

func (l *link) unlisten(tag string) {
	l.mu.Lock()
	l.subs.unlisten(tag)
	l.mu.Unlock()
	l.awaken()
}

// awaken makes the writer look at what there is to do.
func (l *link) awaken() {
	select {
	case l.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// lagging is how long Redis took to answer the last PING, or how long it has not
// answered the next one, if that is longer.
func (l *link) lagging() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.subs.pinged(); !at.IsZero() {
		return max(l.lag, time.Since(at))
	}
	return l.lag
}

// run keeps the connection until ctx ends. Redis may come and go meanwhile: the
// sink and the log are told once of each.
func (l *link) run(ctx context.Context, sink channels.Sink) {
	b := l.broker
	var away outage
	served := false
	for tries := 0; ; tries++ {
		conn, addr, err := l.dialer.reach(ctx)
		if err == nil {
			away.over(b.config.Log)
			if served {
				b.reconnects.Add(1)
			}
			served = true
			began := time.Now()
			if err = l.serve(ctx, conn, addr, sink); time.Since(began) > b.config.MaxRedial {
				tries = 0
			}
		}
		if ctx.Err() != nil {
			return
		}
		away.note(b.config.Log, err)
		if b.cluster != nil {
			b.cluster.doubt() // its slots may be somewhere else by now
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(b.redial(tries)):
		}
	}
}

// redial is how long to wait before the next try: a random part of a limit
// that doubles, so that many nodes do not come back in step.
func (b *Broker) redial(tries int) time.Duration {
	shortest, longest := b.config.MinRedial, b.config.MaxRedial
	limit := longest
	if tries < 16 {
		limit = min(longest, shortest<<(tries+1))
	}
	return shortest + rand.N(limit-shortest+1)
}

// lost tells the sink that the connection is gone. Until it knows, no channel
// goes to another link, where it might be live before that.
func (l *link) lost(why error, sink channels.Sink) {
	l.mu.Lock()
	l.subs.reset()
	tags := l.subs.hold()
	l.mu.Unlock()
	switch {
	case l.broker.alone():
		sink.Lost(lossOf(why)) // all there are
	case len(tags) > 0:
		sink.Lost(lossOf(why), tags...)
	}
	l.mu.Lock()
	l.subs.announced(tags)
	l.mu.Unlock()
}
