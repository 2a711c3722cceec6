package engineio

import (
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/reactor"
)

// statusless is the close frame without a status: the client sees 1005
// (PROTOCOL.md 2.6).
var statusless = ws.CompiledClose

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
// frame, and what the application sends is next.
func (s *Session) openWebSocket(w http.ResponseWriter, r *http.Request) {
	s.setCookie(w)
	k, hello, early := s.server.openSocket(w, r, s)
	if k != nil {
		s.beginOn(k, hello, early, r)
	}
}

// Attach begins a session of version 4 on a WebSocket that open makes, and
// whose handshake r has been answered: one in memory, for tests and benchmarks,
// or one that somebody else has accepted. It is false once Shutdown was called.
func (s *Server) Attach(r *http.Request, open func(reactor.Handler) reactor.Conn) bool {
	if !s.enter() {
		return false
	}
	session := newSession(s, packet.V4, newHandshake(r))
	k := session.newSocket()
	k.conn = open(k)
	session.beginOn(k, nil, nil, r)
	return true
}

// beginOn begins the session on k, with the answer to its handshake and the
// open packet in one.
func (s *Session) beginOn(k *socket, hello, early []byte, r *http.Request) {
	s.mu.Lock()
	k.conn.Write(append(hello, s.openFrame(webSocket).buf...))
	s.ws, k.live = k, true
	s.mu.Unlock()
	if s.server.add(s, webSocket) {
		s.begin(r)
	} else { // the server shuts down
		s.mu.Lock()
		s.ws, k.live = nil, false
		s.mu.Unlock()
		k.conn.Close(statusless)
	}
	k.conn.Start(early)
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
	for {
		m, rest, fault := k.frames.next(p, s.server.opts.MaxPayload)
		switch {
		case fault != 0:
			k.end(ReasonParseError, closeWith(fault))
			return
		case m.op == 0:
			return
		case m.op == ws.OpPing:
			k.answerPing(m.data)
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

// answerPing answers a ping of WebSocket. If the answer has to wait, only the
// last one is kept: RFC 6455, 5.5.3, asks for no more.
func (k *socket) answerPing(data []byte) {
	pong := ws.MustCompileFrame(ws.NewPongFrame(data))
	k.session.mu.Lock()
	defer k.session.mu.Unlock()
	if k.session.ws == k {
		k.session.flushLocked()
	}
	if k.late == nil && k.conn.Write(pong) {
		return
	}
	if k.late == nil {
		k.late = &late{}
	}
	k.late.pong = pong
}

// closeWith is a close frame with a status.
func closeWith(code ws.StatusCode) []byte {
	return ws.MustCompileFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(code, "")))
}

// closeAnswer is the answer to a close frame: its own status, or that it is no
// good.
func closeAnswer(data []byte) []byte {
	if len(data) == 0 {
		return statusless
	}
	code, reason := ws.ParseCloseFrameData(data)
	if len(data) < 2 || code > 4999 || ws.CheckCloseFrameData(code, reason) != nil {
		return closeWith(ws.StatusProtocolError)
	}
	return closeWith(code)
}
