package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
)

// Config is how a [Broker] behaves. Zero means the default.
type Config struct {
	URL        string             // redis:// or rediss://, with user, password and database
	Prefix     string             // before every tag; none
	MaxPublish int                // bytes of one message; 1 MiB
	Log        logrus.FieldLogger // required

	DialTimeout    time.Duration // 2 s
	PingInterval   time.Duration // of the connection that subscribes; 3 s
	ReadTimeout    time.Duration // after which a silent connection is dead; 5 s
	PublishTimeout time.Duration // of a Publish whose context has no end; 2 s
}

func (c Config) withDefaults() Config {
	c.MaxPublish = cmp.Or(c.MaxPublish, 1<<20)
	c.DialTimeout = cmp.Or(c.DialTimeout, 2*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 3*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 5*time.Second)
	c.PublishTimeout = cmp.Or(c.PublishTimeout, 2*time.Second)
	return c
}

// Validate reports every fault of the configuration at once. It does not say
// the URL, which may hold a password.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "":
		faults = append(faults, errors.New("redis: the URL is not of the form redis://user:password@host:port/db"))
	case u.Scheme == "redis-sentinel" || u.Scheme == "redis-cluster":
		faults = append(faults, fmt.Errorf("redis: %s:// is not supported yet: use redis:// or rediss://", u.Scheme))
	case u.Scheme != "redis" && u.Scheme != "rediss":
		faults = append(faults, fmt.Errorf("redis: %q is no scheme of Redis: use redis:// or rediss://", u.Scheme))
	}
	if c.MaxPublish < 0 || c.DialTimeout < 0 || c.PublishTimeout < 0 {
		faults = append(faults, errors.New("redis: a limit is negative"))
	}
	if c.PingInterval <= 0 || c.ReadTimeout <= c.PingInterval {
		faults = append(faults, errors.New("redis: the read timeout must be longer than the ping interval"))
	}
	if c.Log == nil {
		faults = append(faults, errors.New("redis: no log"))
	}
	return errors.Join(faults...)
}

// A Broker is the broker on one Redis. Make it with New; Run serves. One that
// does not run can still Publish.
type Broker struct {
	// Constant.
	config Config
	pool   *redis.Pool
	woken  chan struct{} // holds one value while there may be something to ask

	up         atomic.Bool
	lag        atomic.Int64 // nanoseconds of the last PING
	reconnects atomic.Uint64

	mu            sync.Mutex
	subscriptions subscriptions // guarded by mu
}

// New makes a Broker. It connects when it is used.
func New(config Config) (*Broker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	b := &Broker{
		config:        config.withDefaults(),
		woken:         make(chan struct{}, 1),
		subscriptions: newSubscriptions(),
	}
	b.pool = b.newPool()
	return b, nil
}

// Listen asks for the messages of a channel.
func (b *Broker) Listen(tag string) { b.want(tag, true) }

// Unlisten ends Listen.
func (b *Broker) Unlisten(tag string) { b.want(tag, false) }

func (b *Broker) want(tag string, wanted bool) {
	b.mu.Lock()
	b.subscriptions.want(tag, wanted)
	b.mu.Unlock()
	b.wake()
}

func (b *Broker) wake() {
	select {
	case b.woken <- struct{}{}:
	default:
	}
}

// Up reports whether the connection that subscribes answers.
func (b *Broker) Up() bool { return b.up.Load() }

// Lag is how long Redis took to answer on that connection last.
func (b *Broker) Lag() time.Duration { return time.Duration(b.lag.Load()) }

// Reconnects is how often that connection was lost and made again.
func (b *Broker) Reconnects() uint64 { return b.reconnects.Load() }

// Subscriptions is how many channels are wanted, and how many Redis has
// confirmed on this connection.
func (b *Broker) Subscriptions() (wanted, confirmed int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.subscriptions.count()
}

// reasonLost is what clients are told after the connection was lost.
const reasonLost = "broker_lost"

// Run listens until ctx ends, and closes the Broker then. Redis may come and
// go meanwhile: the log says each once.
func (b *Broker) Run(ctx context.Context, sink channels.Sink) error {
	defer b.Close()
	var wait backoff
	said := ""
	for {
		err := b.connected(ctx, sink, func() {
			wait.reset()
			if said != "" {
				b.reconnects.Add(1)
				b.config.Log.Info("redis: connected again")
				said = ""
			}
		})
		b.up.Store(false)
		if ctx.Err() != nil {
			return nil
		}
		sink.Lost(reasonLost)
		if text := err.Error(); said == "" {
			b.config.Log.WithError(err).Warn("redis: connection lost, connecting again")
			said = text
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait.next()):
		}
	}
}

// Close ends the connections that publish.
func (b *Broker) Close() { _ = b.pool.Close() } // it has nothing to report
