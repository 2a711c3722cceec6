package engineio

import (
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/internal/deadline"
	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// The transports, as in the query and in Session.Transport.
const (
	polling   = "polling"
	webSocket = "websocket"
)

// A state is how far a session is.
type state uint8

const (
	stateOpen    state = iota
	stateClosing       // Close was called on polling: a poll is awaited that takes the rest
	stateClosed
)

// A Session is one client, over whichever transports it uses in turn.
//
// All methods may be called from any goroutine; they never wait and never call
// the Receiver.
//
// There may be a million of them, idle: what is not needed by all of them is
// behind a pointer.
type Session struct {
	// What a message touches, in one line of the cache.
	server   *Server        // constant
	version  packet.Version // constant
	b64      bool           // constant; takes no binary (PROTOCOL.md 3.1, 3.3)
	counter  uint8          // constant; of those that count what is sent
	state    state          // guarded by mu
	awaiting bool           // guarded by mu; a ping of ours has no answer yet
	turn     bool           // guarded by mu; somebody calls the receiver
	held     bool           // guarded by mu; what is sent on the WebSocket waits for releaseTurn
	mu       sync.Mutex
	ws       *socket // guarded by mu; the transport, if it is a WebSocket or a stream
	queue    []Frame // guarded by mu; what no transport has taken yet
	queued   int     // guarded by mu; bytes in queue

	first socket // the first WebSocket of the session, seldom followed by another

	id     string        // constant
	place  *place        // constant; nil if it is not known
	begun  *beginning    // guarded by mu; nil once nobody needs it
	reason string        // guarded by mu; why it ends, once it does
	turns  chan struct{} // guarded by mu; closed when the turn is free; nil if nobody waits

	receiver Receiver // owned by who has the turn

	spot deadline.Spot[*Session] // of Server.wheel: heartbeats, and the end of stateClosing

	*longPolling // constant; what it points to is guarded by mu
}

// A beginning is what a session keeps of its handshake, and for the application.
type beginning struct {
	handshake *Handshake
	context   any
}

// longPolling is what a session has while it polls and, while it upgrades, of
// the WebSocket that is not the transport yet.
type longPolling struct {
	jsonp     *callback   // constant; of what polls are answered with, if by scripts
	binding   string      // constant; see Options.Binding
	poll      *poll       // a GET without an answer
	answering *poll       // a GET whose answer is being written
	post      *post       // a POST under way
	probe     *socket     // of the upgrade
	timeout   *time.Timer // of probe
	corked    bool        // a POST is processed: its poll waits for the whole
	upgrading bool        // somebody tries to upgrade
	probed    bool        // probe was answered: the client is about to finish
}

// neverPolled is the longPolling of all sessions that begin on a WebSocket.
// Nothing writes to it.
var neverPolled = &longPolling{}

func newSession(s *Server, v packet.Version, h *Handshake, p *place) *Session {
	return &Session{
		server:      s,
		id:          s.opts.SessionIDGenerator.NewID(),
		counter:     uint8(s.made.Add(1) % outCounters),
		version:     v,
		turn:        true, // until begin: the receiver is not there yet
		place:       p,
		begun:       &beginning{handshake: h},
		longPolling: neverPolled,
	}
}

// Spot is the session's place on the wheel.
func (s *Session) Spot() *deadline.Spot[*Session] { return &s.spot }

// begin tells the application of the session that r has begun, which is in the
// table, and lets its packets come.
func (s *Session) begin(r *http.Request) {
	defer s.releaseTurn()
	s.receiver = nobody{} // if what follows panics
	if init := s.server.opts.ConnInitor; init != nil {
		init(r, newConn{s})
	}
	s.receiver = s.server.accept(s)
}

// nobody is the receiver of a session that the application has not taken.
type nobody struct{}

func (nobody) Message([]byte, bool) {}
func (nobody) Closed(string)        {}

// ID is the session id, a secret of the client's and the server's.
func (s *Session) ID() string { return s.id }

// Version is the client's version of Engine.IO.
func (s *Session) Version() packet.Version { return s.version }

// MaxPayload is how many bytes a message of the client may have.
func (s *Session) MaxPayload() int { return s.server.opts.MaxPayload }

// TakesBinary reports whether binary messages reach the client as such, and not
// in base64.
func (s *Session) TakesBinary() bool { return !s.b64 }

// Handshake is the request that the session began with, and nothing after
// ForgetHandshake.
func (s *Session) Handshake() *Handshake {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun == nil || s.begun.handshake == nil {
		return &Handshake{RemoteAddr: addr(""), LocalAddr: addr("")}
	}
	return s.begun.handshake
}

// ForgetHandshake lets go of the handshake, for the sake of memory: it is more
// than all else that an idle session keeps.
func (s *Session) ForgetHandshake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun == nil || s.begun.context == nil {
		s.begun = nil
		return
	}
	s.begun = &beginning{context: s.begun.context}
}

// Context is what SetContext kept, for the application's own use.
func (s *Session) Context() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun == nil {
		return nil
	}
	return s.begun.context
}

// SetContext keeps a value with the session.
func (s *Session) SetContext(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun == nil {
		s.begun = &beginning{}
	}
	s.begun.context = v
}

// URL is that of the handshake.
func (s *Session) URL() url.URL { return s.Handshake().URL }

// RemoteHeader is the header of the handshake. It must not be changed.
func (s *Session) RemoteHeader() http.Header { return s.Handshake().Header }

// RemoteAddr is where the handshake came from.
func (s *Session) RemoteAddr() net.Addr { return s.Handshake().RemoteAddr }

// LocalAddr is where the handshake arrived.
func (s *Session) LocalAddr() net.Addr { return s.Handshake().LocalAddr }

// Transport is the one in use: "polling", "websocket", or "sse" of a stream.
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transportLocked()
}

func (s *Session) transportLocked() string {
	switch {
	case s.ws == nil:
		return polling
	case s.version == packet.Plain:
		return serverSent
	default:
		return webSocket
	}
}

// takeTurn waits until nobody calls the receiver, so that its calls never
// overlap, and keeps others from it until releaseTurn.
func (s *Session) takeTurn() {
	for {
		s.mu.Lock()
		if !s.turn {
			s.turn = true
			s.mu.Unlock()
			return
		}
		if s.turns == nil {
			s.turns = make(chan struct{})
		}
		wait := s.turns
		s.mu.Unlock()
		<-wait
	}
}

func (s *Session) releaseTurn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn = false
	s.uncorkLocked()
	if s.turns != nil {
		close(s.turns)
		s.turns = nil
	}
}

// Do runs f in a goroutine of its own, when no call of the Receiver is under
// way: in order with them, and after Closed at the latest.
func (s *Session) Do(f func()) {
	go func() { // ends when the calls before it have
		s.takeTurn()
		defer s.releaseTurn()
		f()
	}()
}

// receive acts on a packet of the client (PROTOCOL.md 2.6, 2.7). The caller has
// the turn. It is false when the rest of what came is to be dropped.
func (s *Session) receive(p packet.Packet) bool {
	s.server.stats.received(len(p.Data))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateClosed:
	case p.Type == packet.Close:
		s.endLocked(ReasonTransportClose, noopFrame)
	case s.state == stateClosing:
	case p.Type == packet.Message:
		s.mu.Unlock()
		s.receiver.Message(s.dataOf(p), p.Binary)
		s.mu.Lock()
	case p.Type == packet.Ping && s.version == packet.V3:
		s.heardLocked()
		s.pushLocked(pongFrame)
	case p.Type == packet.Pong && s.version != packet.V3:
		s.heardLocked()
	case p.Type == packet.Ping, p.Type == packet.Pong:
		s.endLocked(ReasonTransportError, closeFrame) // the wrong direction
	}
	return s.state != stateClosed
}

// dataOf is the data of a message. Text of version 3 may be that of a 1.x
// client, who encodes it twice (PROTOCOL.md 3.4).
func (s *Session) dataOf(p packet.Packet) []byte {
	if s.version == packet.V3 && !p.Binary {
		return packet.DecodeTwice(p.Data)
	}
	return p.Data
}
