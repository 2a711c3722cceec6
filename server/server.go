package server

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/engineio/transport"
	"github.com/sb-stream/stream-server/server/engineio/transport/polling"
	"github.com/sb-stream/stream-server/server/engineio/transport/websocket"
	"github.com/sb-stream/stream-server/server/presence"
	"github.com/sb-stream/stream-server/server/socketio"
)

// A Server is the stream server. Make it with New; Serve runs it.
type Server struct {
	// Constant.
	config   Config
	log      logrus.FieldLogger
	broker   channels.Broker
	rules    atomic.Pointer[rules] // what Reload changes
	agenda   *agenda
	node     string // the name of this run, in positions and among the nodes
	sessions *Sessions
	members  *members
	nodes    *nodes
	peers    fellowship        // nil: this node knows no others
	cluster  *peers            // the same, by HTTP
	canary   *canary           // nil: there is none
	aside    chan net.Listener // of Share
	channels *channels.Channels
	presence *presence.Rosters
	io       *socketio.Server
	registry *prometheus.Registry
	proxies  trustedProxies
	hash     hasher
	blackBox *blackBox
	glance   glance

	reloading sync.Mutex // held by Reload

	counters   counters
	histograms histograms
	refusals   refusals
	recoveries recoveries
	forwards   *forwards
	refused    atomic.Int64 // when an origin was last refused in the log, Unix seconds
	faulty     atomic.Int64 // the same of who cannot be known
	draining   atomic.Bool  // it was told to end
}

// counters are what /metrics and /api/stats read.
type counters struct {
	messagesIn  atomic.Uint64 // that the broker brought
	messagesOut atomic.Uint64 // that went to clients: messages times clients
	tooDeep     atomic.Uint64 // messages that were refused because of their nesting

	begun        atomic.Uint64 // sessions
	acceptPaused atomic.Uint64 // times that descriptors were short
}

// New makes a Server, or says everything that is wrong with the configuration.
func New(config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	proxies, err := parseProxies(config.TrustedProxies)
	if err != nil {
		return nil, err
	}
	if len(config.Identity.GuestKeys) == 0 {
		config.Identity.GuestKeys = [][]byte{[]byte(rand.Text())}
	}
	s := &Server{
		config:   config,
		log:      config.Log,
		broker:   config.Broker,
		node:     channels.NewNode(),
		sessions: newSessions(),
		members:  newMembers(),
		refusals: newRefusals(),
		aside:    make(chan net.Listener),
		forwards: newForwards(),

		recoveries: newRecoveries(),
		histograms: newHistograms(),

		proxies:  proxies,
		hash:     newHasher(config.Identity.GuestKeys),
		blackBox: newBlackBox(maxEvents),
	}
	s.channels = channels.New(channels.Config{
		Broker: config.Broker, Node: s.node, Linger: config.Linger, Encode: s.encode, Sent: s.sent, Late: s.late, Latest: tags.Patterns(config.Latest).Match,
		Keep: max(config.History, 0), Age: config.HistoryAge, Bytes: config.HistoryBytes,
	})
	s.agenda = newAgenda(s.due)
	r, err := s.newRules(config, nil)
	if err != nil {
		return nil, err
	}
	s.rules.Store(r)
	options := &engineio.Options{
		Binding:      func(h http.Header) string { return s.rules.Load().identity.Binding(h) },
		PingInterval: config.PingInterval,
		PingTimeout:  config.PingTimeout,
		MaxPayload:   config.MaxMessage,
		QueueBytes:   config.ClientQueue,
		Sockets:      config.Sockets, // no handler of this server waits

		TotalQueueBytes: config.TotalQueue,
		MaxSessions:     config.MaxSessions,
		MaxPerAddress:   config.MaxPerAddress,
		Limited:         s.refusals.add,
		Compress:        config.Compress,
		Refused:         s.logTurnedAway,
		Elsewhere:       s.forward,
		Address:         s.limitedAddress,

		SessionIDGenerator: sessionID{s.node},
		Transports: []transport.Transport{
			&polling.Transport{CheckOrigin: checkedOrigin},
			&websocket.Transport{CheckOrigin: checkedOrigin},
		},
	}
	s.io = socketio.NewServer(options)
	s.handle(s.io)
	s.nodes = s.newNodes()
	s.presence = s.newPresence()
	s.cluster = newPeers(s.node, config.NodeAddress, config.Broker, s.nodes.seal, config.Log)
	if s.cluster.book != nil {
		s.peers = s.cluster
		s.cluster.handle(historyPath, func(ctx context.Context, _ string, body []byte) ([]byte, error) { return s.history(ctx, body) })
	}
	if config.Canary > 0 {
		s.canary = newCanary(s, *options)
	}
	s.registry = s.newRegistry()
	return s, nil
}

// checkedOrigin lets in the pages that withOrigin has let in, and no script
// tags of other pages, which name no origin that it could look at.
func checkedOrigin(r *http.Request) bool {
	return r.Header.Get("Origin") != "" || transport.SameOrigin(r)
}

// Sessions is the map of sessions.
func (s *Server) Sessions() *Sessions { return s.sessions }

// Channels is the map of channels.
func (s *Server) Channels() *channels.Channels { return s.channels }

// Serve runs the broker and answers HTTP on l until ctx ends. Then it lets the
// clients go over Config.Drain, stays for as long as other nodes may ask for what
// they missed, and returns nil, at most 5 s after the drain (drain.go). It closes
// l. An error says what ended it earlier.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	door := newDoor(
		newPausingListener(l, new(descriptors).short, &s.counters.acceptPaused, s.log),
		newLateHeaders(headerTimeout, func() { s.refusals.add(limitHeaderTime) }),
	)
	web := &http.Server{
		Handler:           s.Handler(),
		Protocols:         new(http.Protocols),
		ReadHeaderTimeout: headerTimeout, // and for the handshake of TLS
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader + maxURL, // limitHTTP looks at both
		ConnState:         door.state,
		ErrorLog:          newWebLog(s.log, s.hash),
	}
	// No HTTP/2, which TLS would bring: a WebSocket and a poll take their
	// connection from HTTP, which cannot be where many requests share one. Browsers
	// would open another one for each WebSocket anyway, and keep polls in this one
	// at three goroutines each.
	web.Protocols.SetHTTP1(true)
	serve := web.Serve
	if s.config.TLS != nil {
		web.TLSConfig = s.config.TLS.Clone()
		web.TLSConfig.MinVersion = max(web.TLSConfig.MinVersion, tls.VersionTLS12)
		serve = func(l net.Listener) error { return web.ServeTLS(l, "", "") }
	}
	if err := s.cluster.hold(ctx); err != nil { // before there are sessions that name this node
		s.log.WithError(err).Warn("the other nodes do not find this one yet: it has no lease")
	}
	told := ctx // its end tells to go; that of ctx, below, comes when all have gone
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { // ends with ctx
		if err := s.broker.Run(ctx, s); err != nil {
			return err
		}
		if ctx.Err() == nil {
			return errors.New("server: the broker has stopped")
		}
		return nil
	})
	group.Go(func() error { return s.nodes.run(ctx) })    // ends with ctx
	group.Go(func() error { return s.cluster.run(ctx) })  // ends with ctx
	group.Go(func() error { return s.presence.Run(ctx) }) // ends with ctx
	quiet := s.startCanary(told, ctx, group)
	group.Go(func() error { // ends when the door is shut
		defer close(door.left)
		err := serve(door)
		if !errors.Is(err, http.ErrServerClosed) && told.Err() == nil {
			return fmt.Errorf("server: %w", err)
		}
		return nil
	})
	group.Go(func() error { // ends with ctx, or as the one above
		select {
		case aside := <-s.aside:
			if err := serve(aside); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("server: %w", err)
			}
		case <-ctx.Done():
		}
		return nil
	})
	group.Go(func() error { // ends a while after told
		defer stop()
		defer s.cluster.release()
		return s.end(told, ctx, web, door, quiet)
	})
	return group.Wait()
}
