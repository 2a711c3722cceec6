package engineio

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"
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

	RefuseV3  bool // no Engine.IO 3: only clients of Socket.IO 3 and 4 are let in
	NoUpgrade bool // clients stay on the transport that they began with

	// RequestChecker decides whether a request may open a session. The text of
	// its error is the answer to a request it refuses (PROTOCOL.md 2.4); the
	// headers go out with the handshake. nil lets everybody in.
	RequestChecker func(*http.Request) (http.Header, error)

	// SessionIDGenerator makes the session ids. They are secrets: whoever
	// knows one can speak for its client. The default is 130 random bits.
	SessionIDGenerator IDGenerator

	// Refused, if set, is told about every request that was refused, with the
	// code and text of PROTOCOL.md 2.4.
	Refused func(r *http.Request, code int, message string)
}

// An IDGenerator makes session ids. It may be called from any goroutine.
type IDGenerator interface {
	NewID() string
}

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
	} {
		if f.value < 0 {
			faults = append(faults, fmt.Errorf("engineio: %s is %d: want more than 0", f.name, f.value))
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
	if o.SessionIDGenerator == nil {
		o.SessionIDGenerator = randomID{}
	}
	return o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
