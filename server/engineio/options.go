package engineio

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/session"
	"github.com/sb-stream/stream-server/server/engineio/transport"
)

// Defaults, of RELIABILITY.md section 2.
const (
	DefaultPingInterval   = 25 * time.Second
	DefaultPingTimeout    = 20 * time.Second
	DefaultUpgradeTimeout = 10 * time.Second
	DefaultBodyTimeout    = 15 * time.Second
	DefaultMaxPayload     = 64 << 10
	DefaultMaxPackets     = 1000
	DefaultQueueBytes     = 1 << 20
	DefaultQueueMessages  = 1000

	DefaultTotalQueueBytes = 256 << 20

	DefaultCompressThreshold = 1 << 10
)

// The values of Options.Sockets.
const (
	SocketsGoroutine = "goroutine"
	SocketsEpoll     = "epoll"
)

// Options are what a [Server] is set up with. A field that is zero means the
// default named at it.
type Options struct {
	PingInterval   time.Duration // between heartbeats; 25 s
	PingTimeout    time.Duration // for the answer to one; 20 s
	UpgradeTimeout time.Duration // from the new WebSocket to the client's last word; 10 s
	BodyTimeout    time.Duration // for the body of a POST to arrive; 15 s

	MaxPayload    int // bytes of one POST or one WebSocket message; 64 KiB
	MaxPackets    int // in one POST; 1,000
	QueueBytes    int // that may wait for one client, who is closed as slow over it; 1 MiB
	QueueMessages int // likewise; 1,000

	// TotalQueueBytes may wait for all clients together; 256 MiB. Over it, whoever
	// has something waiting and is sent more is closed as slow. A message that
	// waits for many clients, who share one copy of it, counts for each.
	TotalQueueBytes int

	// MaxSessions is how many there may be at once; 0 means no limit. Who asks for
	// one more gets 503.
	MaxSessions int

	// MaxPerAddress is how many sessions one address may have at once; 0 means no
	// limit. Who asks for one more gets 429.
	MaxPerAddress int

	// Address says where a request comes from, for MaxPerAddress and
	// Session.Address; sessions from nowhere, the zero Addr, are not counted. nil:
	// all are from nowhere.
	Address func(*http.Request) netip.Addr

	// CompressThreshold is from how many bytes on the answer to a poll is
	// compressed, if the client takes that; 1 KiB. Negative means never.
	CompressThreshold int

	// Compress offers WebSockets permessage-deflate, without context takeover:
	// messages from CompressThreshold on are compressed, once for all clients.
	Compress bool

	// Sockets is how WebSockets and polls are waited for: SocketsGoroutine, the
	// default, or SocketsEpoll, which takes a few goroutines for all of them, on
	// Linux; other systems have goroutines in any case. With epoll, a Receiver
	// that waits keeps other clients waiting, and so do hooks of the http.Server.
	Sockets string

	RefuseV3  bool // no Engine.IO 3: only clients of Socket.IO 3 and 4 are let in
	NoUpgrade bool // clients stay on the transport that they began with

	// Transports are those that clients may use, and the pages that may use
	// them; polling.Default and websocket.Default. A page whose origin a
	// CheckOrigin of the program's own allows is told so by CORS headers,
	// unless the ResponseWriter has some already (PROTOCOL.md 2.10).
	Transports []transport.Transport

	// RequestChecker decides whether a request may open a session. The text of
	// its error is the answer to a request it refuses (PROTOCOL.md 2.4); the
	// headers go out with the handshake. nil lets everybody in.
	RequestChecker CheckerFunc

	// Binding, if set, is what each request of a session that polls has to have in
	// common with its handshake, such as a hash of a cookie. Who has not is
	// refused, and the session goes on.
	Binding func(http.Header) string

	// ConnInitor, if set, is called once for each new session, before the
	// application is told of it.
	ConnInitor ConnInitorFunc

	// SessionIDGenerator makes the session ids. They are secrets: whoever
	// knows one can speak for its client. The default is 130 random bits.
	SessionIDGenerator IDGenerator

	// Cookie, if set, goes out with each handshake, with the session id for
	// its value (PROTOCOL.md 2.9). Its Name is "io" and its Path "/" unless
	// they are given. The server never reads it; a load balancer may.
	Cookie *http.Cookie

	// Elsewhere, if set, is asked for a session that is not here, when the request
	// has passed all that comes before its session. True means that it has
	// answered; false, that there is no such session.
	Elsewhere func(w http.ResponseWriter, r *http.Request, sid string) bool

	// Refused, if set, is told about every request that was refused, with the
	// code and text of PROTOCOL.md 2.4.
	Refused func(r *http.Request, code int, message string)

	// Limited, if set, is told of every limit that a client has gone over, by its
	// name. It is called with locks held: it must not wait, nor call this package.
	Limited func(limit string)
}

// A CheckerFunc is a RequestChecker.
type CheckerFunc func(*http.Request) (http.Header, error)

// A ConnInitorFunc is a ConnInitor. The request is that of the handshake.
type ConnInitorFunc func(*http.Request, Conn)

// An IDGenerator makes session ids. It may be called from any goroutine.
type IDGenerator = session.IDGenerator

type randomID struct{}

func (randomID) NewID() string { return rand.Text() }

// Validate reports everything that is wrong with o at once.
func (o *Options) Validate() error {
	var faults []error
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"PingInterval", o.PingInterval},
		{"PingTimeout", o.PingTimeout},
		{"UpgradeTimeout", o.UpgradeTimeout},
		{"BodyTimeout", o.BodyTimeout},
	} {
		if f.value < 0 || f.value%time.Millisecond != 0 {
			faults = append(faults, fmt.Errorf("engineio: %s is %v: want whole milliseconds", f.name, f.value))
		}
	}
	for _, f := range []struct {
		name  string
		value int
	}{
		{"MaxPayload", o.MaxPayload},
		{"MaxPackets", o.MaxPackets},
		{"QueueBytes", o.QueueBytes},
		{"QueueMessages", o.QueueMessages},
		{"TotalQueueBytes", o.TotalQueueBytes},
		{"MaxSessions", o.MaxSessions},
		{"MaxPerAddress", o.MaxPerAddress},
	} {
		if f.value < 0 {
			faults = append(faults, fmt.Errorf("engineio: %s is %d: want none below 0", f.name, f.value))
		}
	}
	for _, t := range o.Transports {
		if t == nil || t.Name() != polling && t.Name() != webSocket {
			faults = append(faults, fmt.Errorf("engineio: Transports has %v: want polling or websocket", t))
		}
	}
	if o.Sockets != "" && o.Sockets != SocketsGoroutine && o.Sockets != SocketsEpoll {
		faults = append(faults, fmt.Errorf("engineio: Sockets is %q: want %s or %s", o.Sockets, SocketsGoroutine, SocketsEpoll))
	}
	if o.Cookie != nil {
		if err := o.cookie("sid").Valid(); err != nil {
			faults = append(faults, fmt.Errorf("engineio: Cookie: %w", err))
		}
	}
	return errors.Join(faults...)
}

// withDefaults is o with its zeros replaced.
func (o Options) withDefaults() Options {
	set(&o.PingInterval, DefaultPingInterval)
	set(&o.PingTimeout, DefaultPingTimeout)
	set(&o.UpgradeTimeout, DefaultUpgradeTimeout)
	set(&o.BodyTimeout, DefaultBodyTimeout)
	set(&o.MaxPayload, DefaultMaxPayload)
	set(&o.MaxPackets, DefaultMaxPackets)
	set(&o.QueueBytes, DefaultQueueBytes)
	set(&o.QueueMessages, DefaultQueueMessages)
	set(&o.TotalQueueBytes, DefaultTotalQueueBytes)
	set(&o.CompressThreshold, DefaultCompressThreshold)
	if o.SessionIDGenerator == nil {
		o.SessionIDGenerator = randomID{}
	}
	if len(o.Transports) == 0 {
		o.Transports = defaultTransports
	}
	return o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// cookie is the one of a handshake.
func (o *Options) cookie(sid string) *http.Cookie {
	c := *o.Cookie
	set(&c.Name, "io")
	set(&c.Path, "/")
	c.Value = sid
	return &c
}
