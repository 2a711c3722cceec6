package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/engineio/transport"
	"github.com/sb-stream/stream-server/server/engineio/transport/polling"
	"github.com/sb-stream/stream-server/server/engineio/transport/websocket"
	"github.com/sb-stream/stream-server/server/socketio"
)

// A Server is the stream server. Make it with New; Serve runs it.
type Server struct {
	// Constant.
	config   Config
	log      logrus.FieldLogger
	broker   channels.Broker
	identity *identity
	sessions *Sessions
	channels *channels.Channels
	io       *socketio.Server
	registry *prometheus.Registry
	publish  keys
	operator keys

	counters counters
	refused  atomic.Int64 // when an origin was last refused in the log, Unix seconds
}

// counters are what /metrics and /api/stats read.
type counters struct {
	messagesIn  atomic.Uint64 // that the broker brought
	messagesOut atomic.Uint64 // that went to clients: messages times clients

	acceptPaused atomic.Uint64 // times that descriptors were short
}

// New makes a Server, or says everything that is wrong with the configuration.
func New(config Config) (*Server, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	config = config.withDefaults()
	s := &Server{
		config:   config,
		log:      config.Log,
		broker:   config.Broker,
		identity: newIdentity(config.JWTKey, config.GuestKey),
		sessions: newSessions(),
		channels: channels.New(channels.Config{
			Broker: config.Broker, Linger: config.Linger, Encode: encode, Latest: tags.Patterns(config.Latest).Match,
		}),
		publish:  newKeys(config.PublishKeys),
		operator: newKeys(config.OperatorKeys),
	}
	s.io = socketio.NewServer(&engineio.Options{
		PingInterval: config.PingInterval,
		PingTimeout:  config.PingTimeout,
		MaxPayload:   config.MaxMessage,
		QueueBytes:   config.ClientQueue,
		Sockets:      config.Sockets, // no handler of this server waits

		TotalQueueBytes: config.TotalQueue,
		Compress:        config.Compress,
		Transports: []transport.Transport{
			&polling.Transport{CheckOrigin: checkedOrigin},
			&websocket.Transport{CheckOrigin: checkedOrigin},
		},
	})
	s.handle(s.io)
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

// Serve runs the broker and answers HTTP on l until ctx ends, then closes
// every connection and returns nil. It closes l. An error says what ended it
// earlier.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	web := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          newWebLog(s.log),
	}
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
	group.Go(func() error { // ends with Shutdown or Close of web
		pausing := newPausingListener(l, new(descriptors).short, &s.counters.acceptPaused, s.log)
		if err := web.Serve(pausing); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("server: %w", err)
		}
		return nil
	})
	group.Go(func() error { // ends a while after ctx
		<-ctx.Done()
		return s.shutdown(web)
	})
	return group.Wait()
}

// shutdownTimeout is how long clients may take to be told.
const shutdownTimeout = 5 * time.Second

// shutdown closes the sessions first: that answers the pending polls, which
// web.Shutdown would wait for.
func (s *Server) shutdown(web *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	defer s.channels.Close()
	err := s.io.Shutdown(ctx)
	if webErr := web.Shutdown(ctx); webErr != nil {
		err = errors.Join(err, webErr, web.Close())
	}
	return err
}
