package socketio

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sb-stream/stream-server/internal/deadline"
	eio "github.com/sb-stream/stream-server/server/engineio"
)

// Defaults, of RELIABILITY.md section 2.
const (
	DefaultConnectTimeout = 10 * time.Second
	maxNamespaces         = 16 // that one client may be in, or may have asked for in vain
)

// A Server accepts Socket.IO clients and calls handlers for what they do.
//
// All methods may be called from any goroutine. Register handlers before the
// first request: a client that is connected already has missed them.
type Server struct {
	// ConnectTimeout is how long a client may stay without having joined a
	// namespace. 0 means DefaultConnectTimeout. Constant once it serves.
	ConnectTimeout time.Duration

	engine  *eio.Server   // constant
	limited func(string)  // constant; told of limits that clients go over
	closed  chan struct{} // closed by Shutdown
	once    sync.Once     // closes closed
	lastID  atomic.Int64  // of the packets that ask clients for an ack

	joining *deadline.Wheel[*joining] // constant; clients that have to join a namespace

	mu         sync.Mutex
	namespaces map[string]*namespace // guarded by mu; by name
	adapter    *adapter              // guarded by mu; nil for none
}

// NewServer makes a Server over sessions with these options; nil means the
// defaults of Engine.IO. A namespace exists once something is registered for
// it; "" is "/".
func NewServer(opts *eio.Options) *Server {
	s := &Server{
		limited:    func(string) {},
		closed:     make(chan struct{}),
		joining:    deadline.NewWheel((*joining).late),
		namespaces: make(map[string]*namespace),
	}
	if opts != nil && opts.Limited != nil {
		s.limited = opts.Limited
	}
	s.engine = eio.NewServer(opts, s.accept)
	return s
}

// ServeHTTP answers the requests below the path of Socket.IO.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.engine.ServeHTTP(w, r)
}

// Serve waits until the Server is closed, and returns io.EOF. Clients are
// served without it too: it is here for programs that were written for
// go-socket.io, and start with it in a goroutine.
func (s *Server) Serve() error {
	<-s.closed
	return io.EOF
}

// Close is Shutdown without a limit: it returns within seconds, unless a
// handler does not return.
func (s *Server) Close() error { return s.Shutdown(context.Background()) }

// Drain lets every client go at an even pace, as that of [eio.Server] does:
// transports are closed and no DISCONNECT is sent, on which stock clients would
// stay away. Shutdown comes after it.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	return s.engine.Drain(ctx, over)
}

// Shutdown closes every session, so that the clients come back, here or to
// another server, and waits for their handlers until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(func() { close(s.closed) })
	err := s.engine.Shutdown(ctx)
	s.mu.Lock()
	a := s.adapter
	for _, n := range s.namespaces {
		n.handlers().absent.close()
	}
	s.mu.Unlock()
	if a != nil {
		a.close()
	}
	return err
}

// Engine is the server of the sessions below.
func (s *Server) Engine() *eio.Server { return s.engine }

// Count is how many clients there are, in whatever namespaces they are.
func (s *Server) Count() int { return s.engine.Len() }

// Stats are the counters of the sessions.
func (s *Server) Stats() eio.Stats { return s.engine.Stats() }

func (s *Server) connectTimeout() time.Duration {
	if s.ConnectTimeout > 0 {
		return s.ConnectTimeout
	}
	return DefaultConnectTimeout
}
