package embedded

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/channels/dialect"
)

// A Broker is the broker of one process. Make it with New; Open takes the
// port, Run serves.
type Broker struct {
	// Constant after Open.
	config    Config
	names     *dialect.Set
	passwords [][sha256.Size]byte // hashes; none: nobody need say one
	listener  net.Listener
	store     *store // nil: messages are kept in memory alone
	stream    *stream
	additions chan *addition
	ended     chan struct{} // closed when nothing is added any more
	now       func() time.Time

	sink channels.Sink // constant once up
	up   atomic.Bool

	released atomic.Bool // Release was called

	refused atomic.Uint64 // messages over the limit
	ids     atomic.Int64  // of clients, as CLIENT ID says
	woken   chan struct{} // holds one value while wanted is not empty
	clients sync.WaitGroup

	mu     sync.Mutex
	wanted []string              // guarded by mu; tags that Live is to be called for
	conns  map[net.Conn]struct{} // guarded by mu; nil once it is closing
}

// New makes a Broker.
func New(config Config) (*Broker, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	b := &Broker{
		config: config,
		woken:  make(chan struct{}, 1),
		conns:  make(map[net.Conn]struct{}),
		stream: &stream{most: config.MaxKept, room: config.KeptBytes, until: config.KeptAge},
		ended:  make(chan struct{}),
		now:    time.Now,

		additions: make(chan *addition, maxBatch),
	}
	if b.names = config.Dialects; b.names == nil {
		var err error
		if b.names, err = dialect.New(dialect.Config{Prefix: config.Prefix}); err != nil {
			return nil, err
		}
	}
	for _, password := range config.Passwords {
		b.passwords = append(b.passwords, sha256.Sum256([]byte(password)))
	}
	return b, nil
}

// Open takes the port, and what was kept when it last ran, or says why it
// cannot.
func (b *Broker) Open() error {
	if b.config.Dir != "" && b.store == nil {
		var err error
		if b.store, err = openStore(b.config.Dir, b.stream); err != nil {
			return err
		}
		b.stream.drop(trim{}, b.now())
		b.stream.delivered.Reach(b.stream.last) // before anybody listened
	}
	if b.listener = b.config.Listener; b.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", b.config.Listen)
	if err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	b.listener = listener
	return nil
}

// Addr is where it listens, after Open.
func (b *Broker) Addr() net.Addr { return b.listener.Addr() }

// Listener is the listening socket, after Open.
func (b *Broker) Listener() net.Listener { return b.listener }

// Release leaves the listening socket to another process that has it too, and
// sends the Redis clients there: their connections end, once what they have asked
// is answered. Run goes on.
func (b *Broker) Release() {
	b.released.Store(true)
	_ = b.listener.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.conns {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // client.wait looks after it has set its own
	}
}

// Run serves Redis clients until ctx ends, and opens the port if Open has not.
func (b *Broker) Run(ctx context.Context, sink channels.Sink) error {
	if b.listener == nil {
		if err := b.Open(); err != nil {
			return err
		}
	}
	b.sink = sink
	b.up.Store(true)
	defer b.closeStore() // when nobody adds any more
	defer b.clients.Wait()
	b.clients.Go(func() { b.keep(ctx) })   // ends with ctx
	b.clients.Go(func() { b.expire(ctx) }) // too
	stop := context.AfterFunc(ctx, b.close)
	defer stop()
	b.clients.Go(func() { b.confirm(ctx) }) // ends with ctx
	return b.accept(ctx)
}

// confirm says of each channel that its messages arrive, which here is always
// so.
func (b *Broker) confirm(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.woken:
		}
		b.mu.Lock()
		tags := b.wanted
		b.wanted = nil
		b.mu.Unlock()
		for _, tag := range tags {
			b.sink.Live(tag)
		}
	}
}

// acceptPause is between tries when there are no descriptors left.
const acceptPause = 50 * time.Millisecond

func (b *Broker) accept(ctx context.Context) error {
	for {
		conn, err := b.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed) && b.released.Load():
			<-ctx.Done()
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("embedded: %w", err)
		case err != nil:
			b.config.Log.WithError(err).Warn("embedded: a client could not be accepted")
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		b.admit(conn)
	}
}

// admit serves a client, unless there are too many.
func (b *Broker) admit(conn net.Conn) {
	if !b.enter(conn) {
		_ = conn.SetWriteDeadline(time.Now().Add(acceptPause))
		_, _ = conn.Write([]byte("-ERR max number of clients reached\r\n"))
		_ = conn.Close()
		return
	}
	b.clients.Go(func() { // ends with the connection
		defer b.dismiss(conn)
		newClient(b, conn).serve()
	})
}

func (b *Broker) enter(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns == nil || len(b.conns) >= b.config.MaxClients {
		return false
	}
	b.conns[conn] = struct{}{}
	return true
}

func (b *Broker) dismiss(conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, conn)
	_ = conn.Close()
}

// close ends what Run waits for.
func (b *Broker) close() {
	b.up.Store(false)
	_ = b.listener.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	for conn := range b.conns {
		_ = conn.Close()
	}
	b.conns = nil
}

func (b *Broker) closeStore() {
	if b.store == nil {
		return
	}
	if err := b.store.close(); err != nil {
		b.config.Log.WithError(err).Warn("embedded: the file of durable messages was not closed")
	}
}

// Listen has nothing to ask anybody for, and so confirms soon.
func (b *Broker) Listen(tag string) {
	b.mu.Lock()
	b.wanted = append(b.wanted, tag)
	b.mu.Unlock()
	select {
	case b.woken <- struct{}{}:
	default:
	}
}

// Unlisten does nothing: what nobody hears is not kept.
func (*Broker) Unlisten(string) {}

// Publish sends data to the sessions that hear the channel, and returns how
// many there are.
func (b *Broker) Publish(_ context.Context, tag string, data []byte) (int, error) {
	switch {
	case !b.up.Load():
		return 0, errNotRunning
	case len(data) > b.config.MaxPublish:
		b.refused.Add(1)
		return 0, fmt.Errorf("embedded: a message has at most %d bytes, not %d", b.config.MaxPublish, len(data))
	}
	return b.sink.Message(tag, data), nil
}

// Barrier has nothing to wait for: Publish delivers.
func (*Broker) Barrier(context.Context, string) error { return nil }

// Ordered is true: there is one node.
func (*Broker) Ordered() bool { return true }

// Now is the time of this machine.
func (*Broker) Now() time.Time { return time.Now() }

// Refused is how many messages were over the limit.
func (b *Broker) Refused() uint64 { return b.refused.Load() }

// Unreadable is how many messages of others' dialects could not be read.
func (b *Broker) Unreadable() uint64 { return b.names.Refused() }

// Up reports whether it serves.
func (b *Broker) Up() bool { return b.up.Load() }

// count is how many sessions hear a channel of Redis, where the sink can say.
func (b *Broker) count(channel []byte) int {
	counter, can := b.sink.(interface{ Clients(tag string) int })
	tag, _ := b.names.Tag(string(channel))
	if !can || tag == "" {
		return 0
	}
	return counter.Clients(tag)
}
