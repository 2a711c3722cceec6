package embedded

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
)

// Config is how a [Broker] behaves. Zero means the default.
type Config struct {
	Listen     string             // address for Redis clients; "127.0.0.1:6380"
	Password   string             // for AUTH; required when it listens beyond loopback
	Prefix     string             // before every tag; none
	MaxPublish int                // bytes of one message; 1 MiB
	MaxClients int                // Redis clients at once; 1,000
	Log        logrus.FieldLogger // required
}

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:6380")
	c.MaxPublish = cmp.Or(c.MaxPublish, 1<<20)
	c.MaxClients = cmp.Or(c.MaxClients, 1000)
	return c
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	host, _, err := net.SplitHostPort(c.Listen)
	ip := net.ParseIP(host)
	switch {
	case err != nil:
		faults = append(faults, fmt.Errorf("embedded: %q is no address such as 127.0.0.1:6380", c.Listen))
	case c.Password == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()):
		faults = append(faults, fmt.Errorf("embedded: %s is beyond this machine: that takes a password", c.Listen))
	}
	if c.MaxPublish < 0 || c.MaxClients < 0 {
		faults = append(faults, errors.New("embedded: a limit is negative"))
	}
	if c.Log == nil {
		faults = append(faults, errors.New("embedded: no log"))
	}
	return errors.Join(faults...)
}

// A Broker is the broker of one process. Make it with New; Open takes the
// port, Run serves.
type Broker struct {
	// Constant after Open.
	config   Config
	password [sha256.Size]byte
	listener net.Listener

	sink    channels.Sink // constant once up
	up      atomic.Bool
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
	return &Broker{
		config:   config,
		password: sha256.Sum256([]byte(config.Password)),
		woken:    make(chan struct{}, 1),
		conns:    make(map[net.Conn]struct{}),
	}, nil
}

// Open takes the port, or says why it cannot.
func (b *Broker) Open() error {
	listener, err := net.Listen("tcp", b.config.Listen)
	if err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	b.listener = listener
	return nil
}

// Addr is where it listens, after Open.
func (b *Broker) Addr() net.Addr { return b.listener.Addr() }

// Run serves Redis clients until ctx ends, and opens the port if Open has not.
func (b *Broker) Run(ctx context.Context, sink channels.Sink) error {
	if b.listener == nil {
		if err := b.Open(); err != nil {
			return err
		}
	}
	b.sink = sink
	b.up.Store(true)
	defer b.clients.Wait()
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
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conns == nil || len(b.conns) >= b.config.MaxClients {
		_ = conn.SetWriteDeadline(time.Now().Add(acceptPause))
		_, _ = conn.Write([]byte("-ERR max number of clients reached\r\n"))
		_ = conn.Close()
		return
	}
	b.conns[conn] = struct{}{}
	b.clients.Go(func() { // ends with the connection
		defer b.dismiss(conn)
		newClient(b, conn).serve()
	})
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
		return 0, errors.New("embedded: not running")
	case len(data) > b.config.MaxPublish:
		return 0, fmt.Errorf("embedded: a message has at most %d bytes, not %d", b.config.MaxPublish, len(data))
	}
	return b.sink.Message(tag, data), nil
}

// Up reports whether it serves.
func (b *Broker) Up() bool { return b.up.Load() }

// tag is the tag of a channel of Redis, if it is one of ours.
func (b *Broker) tag(channel []byte) (string, bool) {
	return strings.CutPrefix(string(channel), b.config.Prefix)
}

// count is how many sessions hear a channel of Redis, where the sink can say.
func (b *Broker) count(channel []byte) int {
	counter, can := b.sink.(interface{ Clients(tag string) int })
	tag, ours := b.tag(channel)
	if !can || !ours {
		return 0
	}
	return counter.Clients(tag)
}
