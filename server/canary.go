package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/server/socketio"
)

// canaryTag begins the channels of the canary: then come the id of the node, and
// what tells the connections to the broker apart.
const canaryTag = "$canary:"

// How long a message of the canary may take. The second limit is there because
// the first is over at once for a process that was stopped for a while.
const (
	canaryTimeout = 4 * time.Second
	canaryGrace   = time.Second
)

// Where a message of the canary was lost.
const (
	deafBroker = "broker" // it was published, and the broker did not bring it
	deafNode   = "node"   // the broker brought it, and it did not reach the client
)

// A canary is a client of the server's own, which finds out before others do
// that the node is deaf: at each interval a message goes out on its channels, one
// for each connection to the broker, and has to come back as that of any channel
// does: broker, Server.Message, map of channels, encoding, session, reactor, TCP.
// It is in maps of its own, so that nobody counts or lists it; its socket is in
// the reactor of all.
//
// What could not be published tells nothing about who listens, nor does what was
// on its way when the broker was lost.
type canary struct {
	// Constant.
	server   *Server
	prefix   string // of its channels
	channels *channels.Channels
	io       *socketio.Server

	deaf    atomic.Pointer[string] // deafBroker, deafNode; nil: all is well, as far as is known
	took    atomic.Int64           // nanoseconds that the slowest message of the last round took
	faults  map[string]*atomic.Uint64
	breaks  atomic.Uint64 // times that the broker was lost
	arrived sync.Map      // channel → uint64: the newest number that the broker brought

	// Owned by the goroutine of run.
	number uint64
	end    *canaryEnd // nil while it is not connected
	heard  []string   // channels
}

func newCanary(s *Server, options engineio.Options) *canary {
	c := &canary{
		server: s,
		prefix: canaryTag + s.node,
		faults: map[string]*atomic.Uint64{deafBroker: new(atomic.Uint64), deafNode: new(atomic.Uint64)},
	}
	c.channels = channels.New(channels.Config{Broker: s.broker, Node: s.node, Encode: encode, Age: s.config.HistoryAge, Bytes: 1})
	c.io = socketio.NewServer(&engineio.Options{
		PingInterval: options.PingInterval, PingTimeout: options.PingTimeout, QueueBytes: options.QueueBytes, Sockets: options.Sockets,
		ConnInitor: func(r *http.Request, conn engineio.Conn) { conn.SetContext(r.Context().Value(canaryKey{})) },
	})
	c.io.OnConnect("/", func(conn socketio.Conn) error {
		c.server.log.Debug("the canary is connected")
		conn.Context().(*canaryEnd).joined(newClient(conn.Session(), conn, identity.Who{}))
		return nil
	})
	return c
}

// own reports whether a reserved tag is the canary's.
func (c *canary) own(tag string) bool { return c != nil && strings.HasPrefix(tag, c.prefix) }

// message takes what the broker brings on the canary's channels.
func (c *canary) message(tag string, data []byte) {
	var n uint64
	if json.Unmarshal(data, &n) != nil {
		return // anybody may publish there
	}
	c.arrived.Store(tag, n)
	c.channels.Publish(tag, data)
}

// live and lost are those of [channels.Sink].
func (c *canary) live(tag string) { c.channels.Live(tag) }

func (c *canary) lost(reason string, tags []string) {
	own := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return !c.own(tag) })
	if len(tags) == 0 || len(own) > 0 {
		c.breaks.Add(1)
		c.channels.Lost(reason, own...)
	}
}

// where is the part of the node that is deaf; "" for none.
func (c *canary) where() string {
	if c == nil {
		return ""
	}
	if part := c.deaf.Load(); part != nil {
		return *part
	}
	return ""
}

// run sends messages until ctx ends.
func (c *canary) run(ctx context.Context) {
	defer c.close()
	for {
		began := time.Now()
		if c.server.broker.Up() {
			c.round(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(c.server.config.Canary-time.Since(began), 0)):
		}
	}
}

// startCanary runs the canary, if there is one, until the server is told to end
// or has ended; what it returns is closed then.
func (s *Server) startCanary(told, running context.Context, group *errgroup.Group) (quiet <-chan struct{}) {
	done := make(chan struct{})
	if s.canary == nil {
		close(done)
		return done
	}
	ctx, cancel := context.WithCancel(running)
	context.AfterFunc(told, cancel)
	group.Go(func() error { // ends with ctx
		defer cancel()
		defer close(done)
		s.canary.run(ctx)
		return nil
	})
	return done
}

// round is one message on each channel, and what became of it.
func (c *canary) round(ctx context.Context) {
	breaks := c.breaks.Load()
	if c.end == nil || c.end.gone() {
		c.disconnect()
		if err := c.connect(ctx); err != nil {
			if ctx.Err() == nil {
				c.judge(deafNode, err)
			}
			return
		}
	}
	if !c.subscribe(ctx) {
		return // who cannot be told yet whether messages come is told when they do
	}
	c.number++
	began := time.Now()
	for _, tag := range c.heard {
		publishing, cancel := context.WithTimeout(ctx, canaryTimeout)
		_, err := c.server.broker.Publish(publishing, tag, fmt.Append(nil, c.number))
		cancel()
		if err != nil {
			c.server.log.WithError(err).Debug("the canary could not publish")
			return
		}
	}
	missing := c.end.wait(ctx, c.heard, c.number)
	if missing == "" {
		c.took.Store(int64(time.Since(began)))
		c.judge("", nil)
		return
	}
	if ctx.Err() != nil || c.breaks.Load() != breaks || !c.server.broker.Up() {
		return
	}
	if n, ok := c.arrived.Load(missing); ok && n.(uint64) == c.number {
		c.judge(deafNode, errDeaf)
		c.disconnect() // with a new connection it may do better
		return
	}
	c.judge(deafBroker, errDeaf)
	if b, ok := c.server.broker.(interface{ Redial(tag, reason string) }); ok {
		b.Redial(missing, "deaf")
	}
}

// judge notes what is deaf, if anything is, and tells the log of a change.
func (c *canary) judge(part string, why error) {
	before := c.where()
	if part == "" {
		c.deaf.Store(nil)
		if before != "" {
			c.server.log.Info("the node hears again")
		}
		return
	}
	c.faults[part].Add(1)
	c.deaf.Store(&part)
	if before != part {
		c.server.log.WithError(why).WithField("part", part).Error("the node is deaf: not ready until a message of its own comes back")
	}
}

// subscribe hears the channels that there should be, and waits until they are
// live. It is false if they are not.
func (c *canary) subscribe(ctx context.Context) bool {
	want := []string{c.prefix}
	if b, ok := c.server.broker.(interface{ Probes(name string) []string }); ok {
		want = b.Probes(c.prefix)
	}
	for _, tag := range c.heard {
		if !slices.Contains(want, tag) {
			c.channels.Unsubscribe(tag, c.end.client.ID())
			c.arrived.Delete(tag)
		}
	}
	c.heard = want
	late := time.After(canaryTimeout)
	for _, tag := range want {
		select {
		case <-c.channels.Subscribe(tag, c.end.client, nil).Live: // once more changes nothing
		case <-late:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return len(want) > 0
}

// connect makes the canary's session.
func (c *canary) connect(ctx context.Context) error {
	ours, theirs, err := socketPair(ctx)
	if err != nil {
		return fmt.Errorf("server: the canary: %w", err)
	}
	end := newCanaryEnd(ours)
	r, err := http.NewRequestWithContext(context.WithValue(ctx, canaryKey{}, end), http.MethodGet, "http://canary/", nil)
	if err == nil && !c.attach(r, theirs) {
		err = errDeaf
	}
	if err != nil {
		_, _ = ours.Close(), theirs.Close()
		return fmt.Errorf("server: the canary: %w", err)
	}
	go end.read() // ends with the connection
	if err := end.connected(ctx); err != nil {
		end.close()
		return fmt.Errorf("server: the canary: %w", err)
	}
	c.end = end
	return nil
}

// disconnect ends it.
func (c *canary) disconnect() {
	if c.end == nil {
		return
	}
	for _, tag := range c.heard {
		c.channels.Unsubscribe(tag, c.end.client.ID())
	}
	c.end.close()
	c.end, c.heard = nil, nil
}

func (c *canary) close() {
	c.disconnect()
	ctx, cancel := context.WithTimeout(context.Background(), canaryTimeout)
	defer cancel()
	_ = c.io.Shutdown(ctx) // one socket, which is closed
	c.channels.Close()
}
