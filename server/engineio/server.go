package engineio

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sb-stream/stream-server/internal/deadline"
	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/reactor"
)

// A Receiver is told what one session brings. Its calls never overlap and none
// is made under a lock.
type Receiver interface {
	// Message takes the next message. data is valid during the call only.
	Message(data []byte, binary bool)

	// Closed is the last call: the session has ended, and is no longer in the
	// table.
	Closed(reason string)
}

// A Server holds the sessions and opens new ones for those who ask by HTTP.
type Server struct {
	// Constant.
	opts   Options // but for what Limit changes, guarded by mu
	accept func(*Session) Receiver
	stats  counters
	made   atomic.Uint32             // sessions so far
	wheel  *deadline.Wheel[*Session] // of heartbeats; calls Session.tick

	parking  *deadline.Wheel[*parked] // of what parked connections wait for; calls parked.tick
	leaving  atomic.Bool              // Drain was called: who is let go is to go elsewhere
	draining atomic.Bool              // Shutdown was called: no connection is kept

	mu       sync.Mutex
	sessions map[string]*Session   // guarded by mu; sid → session
	taken    int                   // guarded by mu; sessions, and handshakes that may become some
	places   map[netip.Addr]*place // guarded by mu; none is empty
	refusing bool                  // guarded by mu; handshakes are refused
	closed   bool                  // guarded by mu; Shutdown was called, or Drain has let all go
	leavers  leavers               // guarded by mu; of Drain
	reactor  *reactor.Reactor      // guarded by mu; made when it is first needed
	running  sync.WaitGroup        // sessions and sockets; added to under mu while not closed
}

// NewServer makes a Server; nil means the default options. accept is called
// once for each new session, when its handshake is decided, and returns who is
// told what it brings; what it sends comes right after the handshake. Options
// that Validate finds wrong panic.
func NewServer(opts *Options, accept func(*Session) Receiver) *Server {
	if opts == nil {
		opts = &Options{}
	}
	if err := opts.Validate(); err != nil {
		panic(err)
	}
	return &Server{
		opts:     opts.withDefaults(),
		accept:   accept,
		wheel:    deadline.NewWheel((*Session).tick),
		parking:  deadline.NewWheel((*parked).tick),
		sessions: make(map[string]*Session),
		places:   make(map[netip.Addr]*place),
	}
}

// Socket makes a socket that owns c from now on, beside those of the sessions: in
// the same reactor, if there is one. It has ended before Shutdown is called.
func (s *Server) Socket(c net.Conn, h reactor.Handler) (reactor.Conn, error) { return s.own(c, h) }

// own makes the socket that owns c from now on.
func (s *Server) own(c net.Conn, h reactor.Handler) (reactor.Conn, error) {
	if s.opts.Sockets != SocketsEpoll {
		return reactor.New(c, h), nil
	}
	r, err := s.openReactor()
	switch {
	case err == nil:
		return r.New(c, h), nil
	case errors.Is(err, errors.ErrUnsupported):
		return reactor.New(c, h), nil
	default:
		return nil, err
	}
}

// openReactor is the reactor, made when it is first needed.
func (s *Server) openReactor() (r *reactor.Reactor, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reactor == nil {
		if s.closed {
			return nil, net.ErrClosed // nobody would close it
		}
		if r, err = reactor.NewReactor(); err != nil {
			return nil, err
		}
		s.reactor = r
	}
	return s.reactor, nil
}

// Len is how many sessions there are.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Close is Shutdown without a limit: it returns within seconds, because each
// socket's goodbye is bounded, unless a Receiver does not return.
func (s *Server) Close() error { return s.Shutdown(context.Background()) }

// Shutdown ends every session, lets no new one in, and waits until all are
// gone, or ctx is. What is queued for a client is dropped; pending polls are
// answered.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.mu.Lock()
	s.closed = true
	pollers := s.reactor
	sessions := make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		sessions = append(sessions, session)
	}
	s.mu.Unlock()
	for _, session := range sessions {
		session.end(ReasonShutdown)
	}
	if pollers != nil {
		pollers.CallAll() // connections that wait for a request are closed
	}
	done := make(chan struct{})
	go func() { // ends when the last session and socket have, also after ctx
		s.running.Wait()
		s.closeReactor()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closeReactor ends the pollers, which have no sockets any more.
func (s *Server) closeReactor() {
	s.mu.Lock()
	r := s.reactor
	s.reactor = nil
	s.mu.Unlock()
	if r != nil {
		r.Close()
	}
}

// enter counts one more session or socket, which calls s.running.Done. It is
// false once Shutdown was called.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Add(1)
	}
	return !s.closed
}

// add puts a session into the table, unless its id is taken by now or the
// server shuts down.
func (s *Server) add(session *Session, transport string) bool {
	session.startHeartbeat()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.sessions[session.id] != nil {
		s.wheel.Stop(session)
		return false
	}
	s.sessions[session.id] = session
	s.leavers.enter(session)
	s.running.Add(1)
	s.stats.opened(session.version, transport)
	return true
}

func (s *Server) remove(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session.id)
	s.releaseLocked(session.place)
	s.leavers.exit(session)
	s.emptyLocked()
}

func (s *Server) lookup(sid string) *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[sid]
}

// maxParameters is how many a query may have: each takes far more memory than
// it has bytes.
const maxParameters = 100

// ServeHTTP answers one request of a client: a handshake, a poll, a POST or an
// upgrade (PROTOCOL.md 2.1).
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 { // there is a body, which may come slowly
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.opts.BodyTimeout))
	}
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		s.refuse(w, r, errBadRequest)
		return
	}
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // no client sends that, and it may hide what else is in it
		s.refuse(w, r, errBadRequest)
		return
	}
	if l, ok := legacyOf(r, q); ok {
		s.serveLegacy(w, r, q, l)
		return
	}
	transport := only(q, "transport")
	offered := s.opts.transportNamed(transport)
	if offered == nil {
		s.refuse(w, r, errTransport)
		return
	}
	upgrade := isUpgrade(r)
	if !s.admit(w, r, offered, upgrade) {
		return
	}
	sid := only(q, "sid")
	if !q.Has("sid") || sid == "" && len(q["sid"]) == 1 {
		s.serveHandshake(w, r, q, transport, upgrade)
		return
	}
	session := s.lookup(sid)
	version, ok := versionOf(q)
	switch {
	case session == nil && s.elsewhere(w, r, sid):
	case session == nil:
		s.refuse(w, r, errSession)
	case !ok || version != session.version:
		s.refuse(w, r, errBadRequest)
	case !session.bound(r):
		s.refuse(w, r, errForbidden)
	case transport == webSocket && upgrade:
		session.serveUpgrade(w, r)
	case transport == webSocket:
		s.refuse(w, r, errBadRequest)
	case upgrade:
		s.dismiss(w, r)
	case r.Method == http.MethodGet:
		session.servePoll(w, r)
	case r.Method == http.MethodPost:
		session.servePost(w, r)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// elsewhere reports whether a request was answered by who has its session.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request, sid string) bool {
	return s.opts.Elsewhere != nil && s.opts.Elsewhere(w, r, sid)
}

// only is the value of a key of the query, and nothing if there are several:
// somebody in front of this server may have looked at another one.
func only(q url.Values, key string) string {
	if len(q[key]) != 1 {
		return ""
	}
	return q[key][0]
}

// versionOf is the version that the query asks for. Missing means 3
// (PROTOCOL.md chapter 1).
func versionOf(q url.Values) (packet.Version, bool) {
	switch v := only(q, "EIO"); {
	case v == "3", v == "" && len(q["EIO"]) <= 1:
		return packet.V3, true
	case v == "4":
		return packet.V4, true
	default:
		return 0, false
	}
}
