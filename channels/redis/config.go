package redis

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/dialect"
	"github.com/sb-stream/stream-server/internal/streams"
)

// Config is how a [Broker] behaves. Zero means the default. The times are
// those of RELIABILITY.md sections 1 and 2.
type Config struct {
	URL        string             // redis://user:password@host:port/database, redis-sentinel://, redis-cluster://, or rediss… for TLS; required
	Prefix     string             // before every tag; none
	Dialects   *dialect.Set       // how others publish to the same channels, with that prefix; they do not
	MaxPublish int                // bytes of one message; 1 MiB
	TLS        *tls.Config        // for rediss://, 1.2 and later; the roots of the system
	Log        logrus.FieldLogger // required

	Connections      int // that subscribe, each channel on one of them; 1. A Cluster has one for each of its primaries
	StreamPartitions int // streams that durable messages are read from, [streams.Keys]; none
	StreamMax        int // entries that Keep leaves in one, about; 100,000

	DialTimeout    time.Duration // until a new connection has answered; 3 s
	PublishTimeout time.Duration // of a Publish whose context has no deadline; 2 s
	PingInterval   time.Duration // between PINGs on the connection that subscribes; 3 s
	PingTimeout    time.Duration // that one may take, before the connection is dead; 5 s
	MinRedial      time.Duration // before the connection is made again; 50 ms
	MaxRedial      time.Duration // as MinRedial, after many tries; 1 s
	CheckInterval  time.Duration // between looks at what is wanted and not confirmed; 5 s
}

// maxConnections is of those that subscribe.
const maxConnections = 64

func (c Config) withDefaults() Config {
	c.MaxPublish = cmp.Or(c.MaxPublish, 1<<20)
	c.Connections = cmp.Or(c.Connections, 1)
	c.StreamMax = cmp.Or(c.StreamMax, streams.DefaultMax)
	c.DialTimeout = cmp.Or(c.DialTimeout, 3*time.Second)
	c.PublishTimeout = cmp.Or(c.PublishTimeout, 2*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 3*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 5*time.Second)
	c.MinRedial = cmp.Or(c.MinRedial, 50*time.Millisecond)
	c.MaxRedial = cmp.Or(c.MaxRedial, time.Second)
	c.CheckInterval = cmp.Or(c.CheckInterval, 5*time.Second)
	return c
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	c = c.withDefaults()
	_, err := parseURL(c.URL)
	faults := []error{err}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("redis: "+format, args...))
		}
	}
	check(c.Log != nil, "no log")
	check(c.MaxPublish > 0, "the largest message must be above zero, not %d bytes", c.MaxPublish)
	check(c.Connections > 0 && c.Connections <= maxConnections, "1 to %d connections subscribe, not %d", maxConnections, c.Connections)
	check(c.StreamPartitions >= 0 && c.StreamPartitions <= streams.MaxPartitions,
		"there are 1 to %d stream partitions, not %d", streams.MaxPartitions, c.StreamPartitions)
	check(c.StreamMax > 0, "a stream keeps more than %d entries", c.StreamMax)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"dial timeout", c.DialTimeout},
		{"publish timeout", c.PublishTimeout},
		{"ping interval", c.PingInterval},
		{"ping timeout", c.PingTimeout},
		{"shortest redial", c.MinRedial},
		{"check interval", c.CheckInterval},
	} {
		check(d.value > 0, "%s %v must be above zero", d.name, d.value)
	}
	check(c.MaxRedial >= c.MinRedial, "longest redial %v must be at least the shortest, %v", c.MaxRedial, c.MinRedial)
	return errors.Join(faults...)
}
