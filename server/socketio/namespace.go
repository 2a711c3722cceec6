package socketio

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A namespace is who is in it, in which rooms, and the handlers.
type namespace struct {
	name    string                   // constant; starts with "/"
	current atomic.Pointer[handlers] // replaced as a whole, under register

	register sync.Mutex // one registration at a time

	// mu is held while a broadcast walks over its receivers, so that everybody
	// gets broadcasts in one order; the locks of sessions are below it.
	mu    sync.Mutex
	conns map[string]*conn            // guarded by mu; id → conn
	rooms map[string]map[string]*conn // guarded by mu; room → id → conn; none is empty
}

// handlers are what the application registered. They are constant: a
// registration makes a new one.
type handlers struct {
	middleware []func(Conn) error
	filter     func(Conn, *Event) bool
	connect    func(Conn) error
	disconnect func(Conn, string)
	failure    func(Conn, error)
	events     map[string]Handler
	absent     *absent // nil: nobody comes back as who they were
}

func newNamespace(name string) *namespace {
	n := &namespace{name: name, conns: make(map[string]*conn), rooms: make(map[string]map[string]*conn)}
	n.current.Store(&handlers{})
	return n
}

func (n *namespace) handlers() *handlers { return n.current.Load() }

// change replaces the handlers by a copy that f has changed.
func (n *namespace) change(f func(*handlers)) {
	n.register.Lock()
	defer n.register.Unlock()
	h := *n.current.Load()
	f(&h)
	n.current.Store(&h)
}

// fail tells the application of a fault. The Conn is nil if it is not one
// client's.
func (n *namespace) fail(c Conn, err error) {
	if f := n.handlers().failure; f != nil {
		f(c, err)
	}
}

// enter puts a client into the namespace.
func (n *namespace) enter(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[c.id] = c
}

// exit takes a client out of the namespace and of all rooms, for good.
func (n *namespace) exit(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.leaveAllLocked(c)
	if n.conns[c.id] == c { // else it has come back already
		delete(n.conns, c.id)
	}
}

// namespace is the one of this name, which is made if there is none.
func (s *Server) namespace(name string) *namespace {
	if name == "" {
		name = "/"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.namespaces[name]
	if n == nil {
		n = newNamespace(name)
		s.namespaces[name] = n
	}
	return n
}

// find is the namespace of this name, or nil.
func (s *Server) find(name string) *namespace {
	if name == "" {
		name = "/"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.namespaces[name]
}

// Use adds a check that every client passes before it is connected to the
// namespace, in the order of the calls. An error refuses the client, who is
// told its text, or what a [*Refusal] says. Conn.Emit must not be used yet.
func (s *Server) Use(namespace string, f func(Conn) error) {
	s.namespace(namespace).change(func(h *handlers) {
		h.middleware = append(h.middleware[:len(h.middleware):len(h.middleware)], f)
	})
}

// Filter registers what is asked before each event of a client, whether it has a
// handler or not, and may ack it. An event that it is false for goes no
// further. One without a payload has no name.
func (s *Server) Filter(namespace string, f func(Conn, *Event) bool) {
	s.namespace(namespace).change(func(h *handlers) { h.filter = f })
}

// OnConnect registers what runs when a client has been connected to the
// namespace. After an error the client is disconnected.
func (s *Server) OnConnect(namespace string, f func(Conn) error) {
	s.namespace(namespace).change(func(h *handlers) { h.connect = f })
}

// OnDisconnect registers what runs when a client has left the namespace, with
// the reason in the words of Socket.IO. It runs once for each client that
// OnConnect ran for. The client is still in its rooms.
func (s *Server) OnDisconnect(namespace string, f func(Conn, string)) {
	s.namespace(namespace).change(func(h *handlers) { h.disconnect = f })
}

// OnError registers what hears of faults of the application: a handler that
// panicked, arguments that do not fit a handler or cannot be encoded, an error
// of OnConnect. The Conn is nil when the fault is not one client's.
func (s *Server) OnError(namespace string, f func(Conn, error)) {
	s.namespace(namespace).change(func(h *handlers) { h.failure = f })
}

// OnEvent registers what handles an event: a [Handler], or any function of the
// form that [NewHandler] takes. Events without a handler are ignored. It panics
// for a name that Socket.IO keeps for itself, and for what is no handler.
func (s *Server) OnEvent(namespace, event string, f any) {
	if packet.Reserved(event) {
		panic(fmt.Sprintf("socketio: event %q is reserved", event))
	}
	handler := NewHandler(f)
	s.namespace(namespace).change(func(h *handlers) {
		h.events = maps.Clone(h.events)
		if h.events == nil {
			h.events = make(map[string]Handler)
		}
		h.events[event] = handler
	})
}

// A Refusal is the error of a middleware that says more than a text: clients
// of version 5 get both fields in CONNECT_ERROR, those of version 4 get Data
// alone, or Message if there is none (PROTOCOL.md 5.4).
type Refusal struct {
	Message string
	Data    any // encoded as JSON; nil for none
}

func (r *Refusal) Error() string { return r.Message }
