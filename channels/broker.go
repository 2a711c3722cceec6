package channels

import (
	"context"
	"time"
)

// A Broker brings the messages of the channels that this node listens to, and
// publishes. [redis] and [embedded] are the two there are.
//
// Listen and Unlisten are called under the lock of [Channels]: they note what
// is wanted, wake whoever does the work, and return. They never wait for a
// network and never call the Sink.
type Broker interface {
	// Run serves until ctx ends, reporting to sink. It returns nil then, and
	// an error only for what no retry can mend, such as a port that is taken.
	Run(ctx context.Context, sink Sink) error

	// Listen asks for the messages of a channel. Sink.Live(tag) follows, from
	// another goroutine, once they are certain to arrive, and again each time
	// they are after a break.
	Listen(tag string)

	// Unlisten ends Listen.
	Unlisten(tag string)

	// Publish sends data to every listener of a channel on every node. The
	// integer is the broker's own count of receivers: sessions for the
	// embedded broker, subscribed nodes for Redis.
	Publish(ctx context.Context, tag string, data []byte) (int, error)

	// Barrier returns once every message of the channel that the broker had
	// accepted when it was called has been given to the Sink, or with an error if
	// that cannot be said before ctx ends.
	Barrier(ctx context.Context, tag string) error

	// Ordered reports whether all nodes get the messages of a channel in one
	// order.
	Ordered() bool

	// Now is the time on a clock that all nodes of the broker share.
	Now() time.Time

	// Up reports whether the broker can be reached now.
	Up() bool
}

// A Keeper is a Broker that keeps messages: those that Sink.Durable takes.
type Keeper interface {
	// Since returns what was kept on the channel after the message of that id,
	// oldest first and at most limit. Complete says that this is all of it: it is
	// false as well when the broker does not have the message of that id any more,
	// or never had, since nobody can tell then what came after it. In any case it
	// returns after all that was there has been given to the Sink.
	Since(ctx context.Context, tag, id string, limit int) (kept []Kept, complete bool, err error)
}

// A Sink takes what a Broker brings. Its methods never block and may be called
// from any goroutine; a broker calls Message for one channel in the order in
// which the messages were published.
type Sink interface {
	// Message delivers data, as it was published, to the clients of a channel
	// of this node and returns how many there were. The sink keeps data.
	Message(tag string, data []byte) int

	// Durable is Message for one that the broker keeps under an id, such as
	// "1700000000000-5". The ids of a channel grow, and each comes once; their
	// order among the messages without one is not that of publishing.
	Durable(tag string, data []byte, id string) int

	// Missed says that durable messages of these channels were missed, and that
	// those which follow arrive.
	Missed(reason string, tags ...string)

	// Live says that the channel's messages arrive from now on. Those that come
	// before it are not delivered.
	Live(tag string)

	// Lost says that messages of the channels may be missed from now on, until
	// Live is called for each. No tags at all means every channel.
	Lost(reason string, tags ...string)
}

// Leases are values that the nodes of a broker share, each until it expires: a
// Broker that has them can be one of many nodes'. Their methods take as long as
// ctx allows, and may be called from any goroutine. A name is a tag, and the
// nodes' own, with a dollar at its start.
type Leases interface {
	// Hold makes name have this value for ttl from now on.
	Hold(ctx context.Context, name, value string, ttl time.Duration) error

	// Lookup is the value of name; empty if there is none.
	Lookup(ctx context.Context, name string) (value string, err error)

	// Release ends Hold early.
	Release(ctx context.Context, name string) error
}
