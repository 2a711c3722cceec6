package channels

import "context"

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

	// Up reports whether the broker can be reached now.
	Up() bool
}

// A Sink takes what a Broker brings. Its methods never block and may be called
// from any goroutine; a broker calls Message for one channel in the order in
// which the messages were published.
type Sink interface {
	// Message delivers data, as it was published, to the clients of a channel
	// of this node and returns how many there were. The sink keeps data.
	Message(tag string, data []byte) int

	// Live says that the channel's messages arrive from now on.
	Live(tag string)

	// Lost says that messages of the channels may be missed from now on, until
	// Live is called for each. No tags at all means every channel.
	Lost(reason string, tags ...string)
}
