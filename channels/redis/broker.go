package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
)

// Why clients may have missed messages, as they are told.
const (
	reasonLost     = "broker_lost"
	reasonTooLarge = "too_large"
)

// A Broker is the broker on one Redis. Make it with New; Run serves. One that
// does not run can still Publish, until Close.
//
// Its methods may be called from any goroutine; Run once.
type Broker struct {
	// Constant.
	config Config
	target target
	pool   *redis.Pool
	wake   chan struct{} // holds one value while there may be something to send

	up         atomic.Bool
	reconnects atomic.Uint64

	mu   sync.Mutex
	subs *subscriptions // guarded by mu
	lag  time.Duration  // guarded by mu; of the last PING that was answered
}

// New makes a Broker. It connects when it is used.
func New(config Config) (*Broker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	t, err := parseURL(config.URL)
	if err != nil {
		return nil, err
	}
	b := &Broker{
		config: config.withDefaults(),
		target: t,
		wake:   make(chan struct{}, 1),
		subs:   newSubscriptions(),
	}
	b.pool = b.newPool()
	return b, nil
}

// Ping reports, as one line, whether Redis can be reached and lets this user
// in. It uses a connection of its own, so that a program can ask at its start.
func (b *Broker) Ping(ctx context.Context) error {
	conn, err := b.dial(ctx)
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return conn.Close()
}

// Listen asks for the messages of a channel.
func (b *Broker) Listen(tag string) {
	b.mu.Lock()
	b.subs.listen(tag)
	b.mu.Unlock()
	b.awaken()
}

// Unlisten ends Listen.
func (b *Broker) Unlisten(tag string) {
	b.mu.Lock()
	b.subs.unlisten(tag)
	b.mu.Unlock()
	b.awaken()
}

// awaken makes the writer look at what there is to do.
func (b *Broker) awaken() {
	select {
	case b.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Up reports whether the connection that subscribes is there.
func (b *Broker) Up() bool { return b.up.Load() }

// Lag is how long Redis took to answer the last PING on that connection, or
// how long it has not answered the next one, if that is longer.
func (b *Broker) Lag() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.subs.pinged(); !at.IsZero() {
		return max(b.lag, time.Since(at))
	}
	return b.lag
}

// Reconnects is how often that connection was lost and made again.
func (b *Broker) Reconnects() uint64 { return b.reconnects.Load() }

// Subscriptions is how many channels are wanted, and how many Redis has
// confirmed on this connection. Both are zero when nobody listens.
func (b *Broker) Subscriptions() (wanted, confirmed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.subs.count()
}

// Run listens until ctx ends, and closes the Broker then. Redis may come and
// go meanwhile: the sink and the log are told once of each.
func (b *Broker) Run(ctx context.Context, sink channels.Sink) error {
	defer b.Close()
	var away outage
	served := false
	for tries := 0; ; tries++ {
		conn, err := b.dial(ctx)
		if err == nil {
			away.over(b.config.Log)
			if served {
				b.reconnects.Add(1)
			}
			served = true
			began := time.Now()
			if err = b.serve(ctx, conn, sink); time.Since(began) > b.config.MaxRedial {
				tries = 0
			}
		}
		if ctx.Err() != nil {
			return nil
		}
		away.note(b.config.Log, err)
		select {
		case <-ctx.Done():
			return nil
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

// Close ends the connections that publish. Publish fails after it.
func (b *Broker) Close() { _ = b.pool.Close() } // it has nothing to report

// An outage is a time without connection, of which the log tells once.
//
// It belongs to the goroutine of Run.
type outage struct {
	since time.Time // zero while there is a connection
	said  string    // what Redis said last, if it said anything
}

// note takes why there is no connection. The log hears the first reason, and
// then only what Redis itself answers, such as that the password is wrong.
func (o *outage) note(log logrus.FieldLogger, err error) {
	var reply redis.Error
	refused := errors.As(err, &reply)
	if o.since.IsZero() {
		o.since = time.Now()
		log.WithError(err).Warn("redis: connection lost, redialling")
	} else if refused && string(reply) != o.said {
		log.WithError(err).Warn("redis: connection refused, redialling")
	}
	if refused {
		o.said = string(reply)
	}
}

// over ends the outage, if there is one.
func (o *outage) over(log logrus.FieldLogger) {
	if !o.since.IsZero() {
		log.WithField("away", time.Since(o.since).Round(time.Millisecond)).Info("redis: connected again")
	}
	*o = outage{}
}
