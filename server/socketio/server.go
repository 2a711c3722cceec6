package socketio

import (
	"context"
	"fmt"
	"net/http"
	"time"

	eio "github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// Defaults, of RELIABILITY.md section 2.
const (
	DefaultConnectTimeout = 10 * time.Second
	maxNamespaces         = 16 // that one client may be in
)

// A Server accepts Socket.IO clients and calls handlers for what they do.
//
// Register every handler before the first request; after that the Server may
// be used from any goroutine.
type Server struct {
	// ConnectTimeout is how long a client may stay without having joined a
	// namespace. 0 means DefaultConnectTimeout.
	ConnectTimeout time.Duration

	engine     *eio.Server           // constant
	namespaces map[string]*namespace // constant once it serves
}

// A namespace is the handlers of one, by the name that starts with "/".
type namespace struct {
	name       string
	middleware []func(Conn) error
	connect    func(Conn) error
	disconnect func(Conn, string)
	failure    func(Conn, error)
	events     map[string]Handler
}

// A Handler takes one event of a client. The event is valid during the call
// only; Event.Ack may be called later too.
type Handler func(c Conn, e *Event)

// NewServer makes a Server over sessions with these options; nil means the
// defaults of Engine.IO. A namespace exists once a handler is registered for
// it; "" is "/".
func NewServer(opts *eio.Options) *Server {
	s := &Server{namespaces: make(map[string]*namespace)}
	s.engine = eio.NewServer(opts, s.accept)
	return s
}

// Use adds a check that every client passes before it is connected to the
// namespace, in the order of the calls. An error refuses the client, who is
// told its text, or what a [*Refusal] says. Conn.Emit must not be used yet.
func (s *Server) Use(namespace string, f func(Conn) error) {
	n := s.namespace(namespace)
	n.middleware = append(n.middleware, f)
}

// OnConnect registers what runs when a client has been connected to the
// namespace. After an error the client is disconnected.
func (s *Server) OnConnect(namespace string, f func(Conn) error) {
	s.namespace(namespace).connect = f
}

// OnDisconnect registers what runs when a client has left the namespace, with
// the reason in the words of Socket.IO. It runs once for each client that
// OnConnect ran for.
func (s *Server) OnDisconnect(namespace string, f func(Conn, string)) {
	s.namespace(namespace).disconnect = f
}

// OnError registers what hears of faults of the application: a handler that
// panicked, an argument that cannot be encoded, an error of OnConnect.
func (s *Server) OnError(namespace string, f func(Conn, error)) {
	s.namespace(namespace).failure = f
}

// OnEvent registers what handles an event. It panics for a name that Socket.IO
// keeps for itself. Events without a handler are ignored.
func (s *Server) OnEvent(namespace, event string, f Handler) {
	if packet.Reserved(event) {
		panic(fmt.Sprintf("socketio: event %q is reserved", event))
	}
	s.namespace(namespace).events[event] = f
}

func (s *Server) namespace(name string) *namespace {
	if name == "" {
		name = "/"
	}
	n := s.namespaces[name]
	if n == nil {
		n = &namespace{name: name, events: make(map[string]Handler)}
		s.namespaces[name] = n
	}
	return n
}

// ServeHTTP answers the requests below the path of Socket.IO.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.engine.ServeHTTP(w, r)
}

// Stats are the counters of the sessions.
func (s *Server) Stats() eio.Stats { return s.engine.Stats() }

// Shutdown closes every session, so that the clients come back, here or to
// another server, and waits for their handlers until ctx ends.
func (s *Server) Shutdown(ctx context.Context) error { return s.engine.Shutdown(ctx) }

func (s *Server) connectTimeout() time.Duration {
	if s.ConnectTimeout > 0 {
		return s.ConnectTimeout
	}
	return DefaultConnectTimeout
}

// A Refusal is the error of a middleware that says more than a text: clients
// of version 5 get both fields in CONNECT_ERROR, those of version 4 get Data
// alone, or Message if there is none (PROTOCOL.md 5.4).
type Refusal struct {
	Message string
	Data    any // encoded as JSON; nil for none
}

func (r *Refusal) Error() string { return r.Message }
