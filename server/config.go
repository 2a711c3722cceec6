package server

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/internal/tracing"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/identity"
)

// Config is how a [Server] behaves. The zero value of a field means its
// default, where there is one; the flags that set them are in DESIGN.md
// section 9.
type Config struct {
	Broker channels.Broker    // required: where messages come from
	Log    logrus.FieldLogger // required

	Path          string        // of Socket.IO; "/socket.io/"
	PingInterval  time.Duration // 25 s
	PingTimeout   time.Duration // 20 s
	MaxMessage    int           // bytes, from a client; 64 KiB
	MaxPublish    int           // bytes, of a message; 1 MiB
	ClientQueue   int           // bytes that wait for one client; 1 MiB
	TotalQueue    int           // bytes that wait for all clients; 256 MiB
	MaxChannels   int           // that one client may hear; 128
	MaxSessions   int           // at once; 0: no limit
	MaxPerMember  int           // sessions of one member at once, guests not counted; 20; negative: no limit
	MaxPerAddress int           // sessions of one address at once, or of one /64 of IPv6; 0: no limit

	MessageRate     int // events a second of one client, twice as many at once; 50; negative: no limit
	SubscribeRate   int // channels a second of one client, MaxChannels at once and at least 128; 20; negative: no limit
	RatesPerMember  int // of all sessions of a member, times those of one client; 20; negative: no limit
	RatesPerAddress int // of all sessions of an address, likewise; 0: no limit

	Sockets  string        // engineio.SocketsEpoll, or engineio.SocketsGoroutine
	Compress bool          // WebSockets may have permessage-deflate
	Drain    time.Duration // over which clients are let go at the end; 0 is all at once
	Linger   time.Duration // that the broker listens on after the last client left; 0 is not at all
	History  int           // messages of each channel that are kept for clients who come back; 300; negative: none
	Named    bool          // messages may have an event's name of their own, as in other dialects (package dialect)
	Echo     bool          // and clients may be Laravel Echo; takes Named
	Latest   []string      // patterns of channels of which slow clients get only the newest message

	HistoryAge   time.Duration // that they are kept; 5 min
	HistoryBytes int           // that those of all channels take; 256 MiB

	PublishKeys  []string      // bearer keys of /api/publish; none: it is off
	OperatorKeys []string      // bearer keys of the other /api/ calls; none: loopback only
	Origins      []string      // further origins, such as "https://app.example"
	ClusterKeys  [][]byte      // sign what nodes say to each other: the first one; all are believed; none: each is alone
	NodeAddress  string        // where the other nodes reach this one, such as "http://10.0.0.5:8080"; none: they do not
	Canary       time.Duration // between messages of the node's own, by which it knows that it hears; 3 s; negative: none
	NodeTimeout  time.Duration // that other nodes may take to answer; 1 s

	Identity   identity.Config // how people are known; its zero value knows guests only
	Private    []string        // patterns of channels that have to be granted; "private:*" and "member:*"
	Public     []string        // patterns of the others; "*"
	TokenGrace time.Duration   // that an expired token still opens what it opened; 0 is not at all

	TLS            *tls.Config   // certificates for https and wss on the listener; none: http and ws
	HSTS           time.Duration // Strict-Transport-Security on answers over TLS; 0 is not at all
	TrustedProxies []string      // addresses and networks whose X-Forwarded-For and -Proto are believed

	Tracer *tracing.Tracer // of what /api/publish takes; nil: none

	NoConsole bool // nothing is at "/"

	Version string // shown by /api/info
	Redis   Redis  // shown by /api/info
}

// Redis is where web servers publish, for the page that tells them how.
type Redis struct {
	Embedded bool   // it is the broker of this process
	Host     string // without user and password
	Port     int
	Prefix   string // before every tag
}

// Limits that are no option.
const (
	burst         = 128              // channels that a client may subscribe to at once, and more if it may hear more
	headerTimeout = 10 * time.Second // RELIABILITY.md section 2
	idleTimeout   = 2 * time.Minute  // of a kept-alive HTTP connection; longer than a poll
	bodyTimeout   = 15 * time.Second // RELIABILITY.md section 2
	maxHeader     = 16 << 10         // bytes of the fields; headerSize counts them
	maxURL        = 8 << 10          // bytes
	ackTimeout    = 5 * time.Second  // that a subscribe waits for the broker, DESIGN.md section 4
)

func (c Config) withDefaults() Config {
	c.Path = cmp.Or(c.Path, "/socket.io/")
	c.PingInterval = cmp.Or(c.PingInterval, 25*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 20*time.Second)
	c.MaxMessage = cmp.Or(c.MaxMessage, 64<<10)
	c.MaxPublish = cmp.Or(c.MaxPublish, 1<<20)
	c.ClientQueue = cmp.Or(c.ClientQueue, 1<<20)
	c.TotalQueue = cmp.Or(c.TotalQueue, engineio.DefaultTotalQueueBytes)
	c.MaxChannels = cmp.Or(c.MaxChannels, 128)
	c.MaxPerMember = cmp.Or(c.MaxPerMember, 20)
	c.MessageRate = cmp.Or(c.MessageRate, 50)
	c.SubscribeRate = cmp.Or(c.SubscribeRate, 20)
	c.RatesPerMember = cmp.Or(c.RatesPerMember, 20)
	c.History = cmp.Or(c.History, 300)
	c.HistoryAge = cmp.Or(c.HistoryAge, 5*time.Minute)
	c.HistoryBytes = cmp.Or(c.HistoryBytes, 256<<20)
	c.Sockets = cmp.Or(c.Sockets, engineio.SocketsEpoll)
	c.Canary = cmp.Or(c.Canary, 3*time.Second)
	c.NodeTimeout = cmp.Or(c.NodeTimeout, time.Second)
	c.Identity.Recheck = cmp.Or(c.Identity.Recheck, time.Minute)
	if c.Private == nil {
		c.Private = []string{"private:*", "member:*"}
	}
	if c.Public == nil {
		c.Public = []string{"*"}
	}
	return c
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(c.Broker != nil, "server: no broker")
	check(c.Log != nil, "server: no log")
	check(strings.HasPrefix(c.Path, "/") && strings.HasSuffix(c.Path, "/") && len(c.Path) > 1,
		"server: path %q must begin and end with a slash", c.Path)
	check(c.PingInterval > 0, "server: ping interval %v must be above zero", c.PingInterval)
	check(c.PingTimeout > 0, "server: ping timeout %v must be above zero", c.PingTimeout)
	check(c.MaxMessage >= 1<<10, "server: the largest message of a client must be at least 1 KiB, not %d bytes", c.MaxMessage)
	check(c.MaxPublish >= 1<<10, "server: the largest publish must be at least 1 KiB, not %d bytes", c.MaxPublish)
	check(c.ClientQueue >= 1<<10, "server: the queue of a client must be at least 1 KiB, not %d bytes", c.ClientQueue)
	check(c.TotalQueue >= c.ClientQueue, "server: the queue of all clients, %d bytes, is smaller than that of one, %d", c.TotalQueue, c.ClientQueue)
	check(c.MaxSessions >= 0, "server: sessions %d must not be negative", c.MaxSessions)
	check(c.MaxPerAddress >= 0, "server: sessions per address %d must not be negative", c.MaxPerAddress)
	check(c.RatesPerAddress >= 0, "server: rates per address %d must not be negative", c.RatesPerAddress)
	check(c.MaxChannels > 0, "server: channels per client %d must be above zero", c.MaxChannels)
	check(c.Sockets == engineio.SocketsEpoll || c.Sockets == engineio.SocketsGoroutine,
		"server: sockets %q must be %s or %s", c.Sockets, engineio.SocketsEpoll, engineio.SocketsGoroutine)
	check(c.NodeTimeout > 0, "server: the time that nodes have to answer, %v, must be above zero", c.NodeTimeout)
	check(c.HistoryAge > 0, "server: the age of histories, %v, must be above zero", c.HistoryAge)
	check(c.HistoryBytes > 0, "server: the bytes of histories, %d, must be above zero", c.HistoryBytes)
	check(c.Drain >= 0, "server: drain %v must not be negative", c.Drain)
	check(c.Linger >= 0, "server: linger %v must not be negative", c.Linger)
	for _, key := range c.ClusterKeys {
		check(len(key) >= 16, "server: a cluster key must have at least 16 bytes")
	}
	if c.NodeAddress != "" {
		_, shared := c.Broker.(channels.Leases)
		check(shared, "server: the address of a node, %s, is for nodes that share a Redis", c.NodeAddress)
		check(len(c.ClusterKeys) > 0, "server: the address of a node, %s, takes a cluster key, by which nodes know each other", c.NodeAddress)
		if err := checkNodeAddress(c.NodeAddress); err != nil {
			faults = append(faults, err)
		}
	}
	check(c.TokenGrace >= 0, "server: the time of grace %v must not be negative", c.TokenGrace)
	for _, pattern := range slices.Concat(c.Latest, c.Private, c.Public) {
		if err := tags.CheckPattern(pattern); err != nil {
			faults = append(faults, fmt.Errorf("server: the pattern %q of channels: %w", pattern, err))
		}
	}
	if _, err := parseProxies(c.TrustedProxies); err != nil {
		faults = append(faults, err)
	}
	check(c.TLS == nil || len(c.TLS.Certificates) > 0 || c.TLS.GetCertificate != nil, "server: TLS without a certificate")
	check(c.HSTS >= 0, "server: HSTS %v must not be negative", c.HSTS)
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		check(origin == "*" || err == nil && u.Scheme != "" && u.Host != "" && u.Path == "",
			"server: origin %q is not of the form https://app.example", origin)
	}
	for _, key := range append(append([]string{}, c.PublishKeys...), c.OperatorKeys...) {
		check(key != "", "server: a bearer key is empty")
	}
	return errors.Join(faults...)
}
