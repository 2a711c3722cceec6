package engineio

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/reactor"
)

// statusless is the close frame without a status: the client sees 1005
// (PROTOCOL.md 2.6).
var statusless = ws.CompiledClose

// goingAway is the close frame of a server that ends. 1012, service restart,
// would say it better, and is an invalid code to clients of 1.0 and before.
var goingAway = closeWith(ws.StatusGoingAway)

// A socket is one WebSocket of a session: its transport, or a probe that may
// become it. It is what the reactor calls.
type socket struct {
	// Constant.
	session *Session
	conn    reactor.Conn

	// Owned by Read.
	frames frames
	live   bool // it is the transport

	late *late // guarded by session.mu; what has to wait and is no message; nil for nothing
}

// late is what a socket could not send at once, beside messages.
type late struct {
	first []byte // of an upgrade
	pong  []byte // the answer to the last ping
}

// write sends what belongs to the upgrade, or keeps it until there is room. The
// caller holds session.mu.
func (k *socket) write(p []byte) {
	if k.late == nil && k.conn.Write(p) {
		return
	}
	if k.late == nil {
		k.late = &late{}
	}
	k.late.first = append(k.late.first, p...)
}

// newSocket is a socket of the session, which has no Conn yet.
func (s *Session) newSocket() *socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first.session == nil {
		s.first.session = s
		return &s.first
	}
	return &socket{session: s}
}

// openWebSocket begins a session on a WebSocket. The open packet is the first
// frame, and what the application sends is next. It is false if the session has
// not begun.
func (s *Session) openWebSocket(w http.ResponseWriter, r *http.Request) bool {
	s.setCookie(w)
	k, hello, early := s.server.openSocket(w, r, s)
	return k != nil && s.beginOn(k, hello, early, r)
}

// Attach begins a session of version 4 on a WebSocket that open makes, and
// whose handshake r has been answered: one in memory, for tests and benchmarks,
// or one that somebody else has accepted. It is false once Shutdown was called,
// and when there are as many sessions as there may be.
func (s *Server) Attach(r *http.Request, open func(reactor.Handler) reactor.Conn) bool {
	place, full := s.reserve(r)
	if full != nil {
		return false
	}
	if !s.enter() {
		s.release(place)
		return false
	}
	session := newSession(s, packet.V4, newHandshake(r), place)
	k := session.newSocket()
	k.conn = open(k)
	if !session.beginOn(k, nil, nil, r) {
		s.release(place)
	}
	return true
}

// beginOn begins the session on k, with the answer to its handshake and the
// open packet in one. It is false when the server shuts down.
func (s *Session) beginOn(k *socket, hello, early []byte, r *http.Request) bool {
	s.mu.Lock()
	k.conn.Write(append(hello, s.openFrame(webSocket).buf...))
	s.ws, k.live = k, true
	s.mu.Unlock()
	added := s.server.add(s, webSocket)
	if added {
		s.begin(r)
	} else {
		s.mu.Lock()
		s.ws, k.live = nil, false
		s.mu.Unlock()
		k.conn.Close(statusless)
	}
	k.conn.Start(early)
	return added
}

// Writable sends what had to wait.
func (k *socket) Writable() {
	s := k.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.late != nil {
		if !k.conn.WriteAll(k.late.first, k.late.pong) {
			return
		}
		k.late = nil
	}
	if s.ws == k {
		s.flushLocked()
	}
}

// Closed ends the session that has lost its transport.
func (k *socket) Closed(err error) {
	defer k.session.server.running.Done()
	reason := ReasonTransportError
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		reason = ReasonTransportClose
	}
	k.end(reason, statusless)
}

// end closes the socket with a last frame and, if it is the transport, the
// session.
func (k *socket) end(reason string, last []byte) {
	s := k.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ws == k {
		s.uncorkLocked()
	}
	k.conn.Close(last) // what follows closes it too, which does nothing any more
	switch k {
	case s.ws:
		s.endLocked(reason, closeFrame)
	case s.probe:
		s.dropProbeLocked()
	}
}

// Read acts on what the client sent.
func (k *socket) Read(p []byte) {
	s := k.session
	if k.live {
		s.takeTurn()
		s.cork()
	}
	defer func() {
		if k.live {
			s.releaseTurn()
		}
	}()
	var pings pongs
	for {
		m, rest, fault := k.frames.next(p, s.server.opts.MaxPayload)
		if m.op != ws.OpPing {
			k.answer(&pings)
		}
		switch {
		case fault != 0:
			s.server.opts.faulted(fault)
			k.end(ReasonParseError, closeWith(fault))
			return
		case m.op == 0:
			return
		case m.op == ws.OpPing:
			pings.add(m.data)
		case m.op == ws.OpPong:
		case m.op == ws.OpClose:
			k.end(ReasonTransportClose, closeAnswer(m.data))
			return
		case !k.live:
			k.live = k.probing(m)
		case !k.receive(m):
			return
		}
		p = rest
	}
}

// receive takes a message of the transport. It is false when nothing more is
// to be read.
func (k *socket) receive(m message) bool {
	v := k.session.version
	var p packet.Packet
	var err error
	if m.op == ws.OpText {
		p, err = v.DecodeText(m.data)
	} else {
		p, err = v.DecodeBinary(m.data)
	}
	if err != nil {
		k.end(ReasonParseError, statusless)
		return false
	}
	return k.session.receive(p)
}

// pongs are the answers to pings that came in a row.
type pongs struct {
	wire []byte
	last int // where the last of them begins
}

func (a *pongs) add(data []byte) { // at most 125 bytes
	a.last = len(a.wire)
	a.wire = append(append(a.wire, 0x80|byte(ws.OpPong), byte(len(data))), data...)
}

// answer answers pings of WebSocket, all in one write. If that has to wait, only
// the last one is kept: RFC 6455, 5.5.3, asks for no more. So a peer that sends
// pings and reads nothing costs one of them.
func (k *socket) answer(a *pongs) {
	if len(a.wire) == 0 {
		return
	}
	wire := a.wire
	a.wire = nil // the reactor has it
	k.session.mu.Lock()
	defer k.session.mu.Unlock()
	if k.session.ws == k {
		k.session.flushLocked()
	}
	if k.late == nil && k.conn.Write(wire) {
		return
	}
	if k.late == nil {
		k.late = &late{}
	}
	k.late.pong = bytes.Clone(wire[a.last:])
}

// closeWith is a close frame with a status.
func closeWith(code ws.StatusCode) []byte {
	return ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))
}

// closeAnswer is the answer to a close frame: its own status, or what is wrong
// with it.
func closeAnswer(data []byte) []byte {
	if len(data) == 0 {
		return statusless
	}
	code, _ := ws.ParseCloseFrameData(data)
	switch {
	case len(data) < 2 || !mayClose(code):
		return closeWith(ws.StatusProtocolError)
	case !utf8.Valid(data[2:]): // the reason
		return closeWith(ws.StatusInvalidFramePayloadData)
	}
	return closeWith(code)
}

// mayClose reports whether a close frame may have this status (RFC 6455, 7.4,
// and what IANA has registered since).
func mayClose(code ws.StatusCode) bool {
	switch code {
	case 1004, ws.StatusNoStatusRcvd, ws.StatusAbnormalClosure:
		return false
	default:
		return 1000 <= code && code <= 1014 || 3000 <= code && code <= 4999
	}
}
