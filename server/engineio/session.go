package engineio

import (
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

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
type Session struct {
	// Constant after the handshake.
	server  *Server
	id      string
	version packet.Version
	b64     bool      // takes no binary (PROTOCOL.md 3.1, 3.3)
	jsonp   *callback // of what its polls are answered with, if by scripts

	handshake atomic.Pointer[Handshake] // replaced by ForgetHandshake alone

	receiver Receiver // owned by who has the turn

	mu     sync.Mutex
	state  state  // guarded by mu
	reason string // guarded by mu; why it ends, once it does

	queue  []Frame // guarded by mu; what no transport has taken yet
	queued int     // guarded by mu; bytes in queue

	context any // guarded by mu; the application's

	turn  bool          // guarded by mu; somebody calls the receiver
	turns chan struct{} // guarded by mu; closed when the turn is free; nil if nobody waits

	timer    *time.Timer // guarded by mu; calls tick: heartbeats, and the end of stateClosing
	due      time.Time   // guarded by mu; when tick has something to do
	awaiting bool        // guarded by mu; a ping of ours has no answer yet

	// Polling, while ws is nil.
	poll      *poll // guarded by mu; a GET without an answer
	answering *poll // guarded by mu; a GET whose answer is being written
	post      *post // guarded by mu; a POST under way
	corked    bool  // guarded by mu; a POST is processed: its poll waits for the whole

	ws        *socket // guarded by mu; the transport, if it is a WebSocket
	upgrading bool    // guarded by mu; somebody tries to upgrade
	probe     *socket // guarded by mu; its WebSocket, not the transport yet
	probed    bool    // guarded by mu; probe was answered: the client is about to finish
}

func newSession(s *Server, v packet.Version, h *Handshake) *Session {
	session := &Session{
		server:  s,
		id:      s.opts.SessionIDGenerator.NewID(),
		version: v,
		turn:    true, // until begin: the receiver is not there yet
	}
	session.handshake.Store(h)
	return session
}

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

// TakesBinary reports whether binary messages reach the client as such, and not
// in base64.
func (s *Session) TakesBinary() bool { return !s.b64 }

// Handshake is the request that the session began with.
func (s *Session) Handshake() *Handshake { return s.handshake.Load() }

// ForgetHandshake lets go of the URL and the header of the handshake, which
// are most of what an idle session keeps. The addresses stay.
func (s *Session) ForgetHandshake() {
	h := s.Handshake()
	s.handshake.Store(&Handshake{RemoteAddr: h.RemoteAddr, LocalAddr: h.LocalAddr, Secure: h.Secure, Time: h.Time})
}

// URL is that of the handshake.
func (s *Session) URL() url.URL { return s.Handshake().URL }

// RemoteHeader is the header of the handshake. It must not be changed.
func (s *Session) RemoteHeader() http.Header { return s.Handshake().Header }

// RemoteAddr is where the handshake came from.
func (s *Session) RemoteAddr() net.Addr { return s.Handshake().RemoteAddr }

// LocalAddr is where the handshake arrived.
func (s *Session) LocalAddr() net.Addr { return s.Handshake().LocalAddr }

// Transport is the one in use: "polling" or "websocket".
func (s *Session) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.transportLocked()
}

func (s *Session) transportLocked() string {
	if s.ws != nil {
		return webSocket
	}
	return polling
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
