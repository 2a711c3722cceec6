package server

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/engineio"
)

// Config is how a [Server] behaves. The zero value of a field means its
// default, where there is one; the flags that set them are in DESIGN.md
// section 9.
type Config struct {
	Broker channels.Broker    // required: where messages come from
	Log    logrus.FieldLogger // required

	Path         string        // of Socket.IO; "/socket.io/"
	PingInterval time.Duration // 25 s
	PingTimeout  time.Duration // 20 s
	MaxMessage   int           // bytes, from a client; 64 KiB
	MaxPublish   int           // bytes, of a message; 1 MiB
	ClientQueue  int           // bytes that wait for one client; 1 MiB
	TotalQueue   int           // bytes that wait for all clients; 256 MiB
	MaxChannels  int           // that one client may hear; 128
	Sockets      string        // engineio.SocketsEpoll, or engineio.SocketsGoroutine
	Compress     bool          // WebSockets may have permessage-deflate
	Linger       time.Duration // that the broker listens on after the last client left; 0 is not at all
	Latest       []string      // patterns of channels of which slow clients get only the newest message

	PublishKeys  []string // bearer keys of /api/publish; none: it is off
	OperatorKeys []string // bearer keys of the other /api/ calls; none: loopback only
	Origins      []string // further origins, such as "https://app.example"
	JWTKey       []byte   // HS256; none: everybody is a guest
	GuestKey     []byte   // signs the ids of guests; random if none

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
	headerTimeout = 10 * time.Second // RELIABILITY.md section 2
	idleTimeout   = 2 * time.Minute  // of a kept-alive HTTP connection; longer than a poll
	bodyTimeout   = 15 * time.Second // RELIABILITY.md section 2
	maxHeader     = 16 << 10         // bytes
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
	c.Sockets = cmp.Or(c.Sockets, engineio.SocketsEpoll)
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
	check(c.MaxChannels > 0, "server: channels per client %d must be above zero", c.MaxChannels)
	check(c.Sockets == engineio.SocketsEpoll || c.Sockets == engineio.SocketsGoroutine,
		"server: sockets %q must be %s or %s", c.Sockets, engineio.SocketsEpoll, engineio.SocketsGoroutine)
	check(c.Linger >= 0, "server: linger %v must not be negative", c.Linger)
	check(len(c.JWTKey) == 0 || len(c.JWTKey) >= 16, "server: the JWT key must have at least 16 bytes")
	for _, pattern := range c.Latest {
		if err := tags.CheckPattern(pattern); err != nil {
			faults = append(faults, fmt.Errorf("server: the pattern %q of channels: %w", pattern, err))
		}
	}
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
