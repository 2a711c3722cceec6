package engineio

import (
	"fmt"
	"net"
	"net/http"

	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/reactor"
)

// A plain session is that of a client who only listens, by HTTP and without
// Engine.IO: to a stream of Server-Sent Events, which ends with its connection,
// or for the length of one request. It counts, is bounded, and ends as the
// others do. A stream is sent what [PlainFrame] has, and a comment from time to
// time.

// serverSent is the transport of streams.
const serverSent = "sse"

// heartbeatComment is what a stream says in each PingInterval, so that nobody
// between takes it for dead. Nothing answers it: the kernel finds out that a
// client has gone, by what it does not acknowledge.
var heartbeatComment = PlainFrame([]byte(":\n\n"))

// plainGoodbye is the last of a stream. It says nothing.
var plainGoodbye = []byte(":\n")

// PlainFrame is a message of plain sessions: these bytes.
func PlainFrame(p []byte) Frame { return Frame{buf: p} }

// A Refused is the error of a request for which there is no room.
type Refused interface {
	error

	// Status is that of the answer: 429 for an address that has as many sessions
	// as it may, and 503 for the server.
	Status() int
}

func (e refusal) Error() string { return e.message }
func (e refusal) Status() int   { return e.status }

// NewPlain makes room for a plain session. Exactly one of Wait, Stream and
// Discard follows; until then what it is sent is dropped. The error is a [Refused].
func (s *Server) NewPlain(r *http.Request) (*Session, error) {
	place, full := s.reserve(r)
	if full != nil {
		if s.opts.Refused != nil {
			s.opts.Refused(r, full.code, full.message)
		}
		return nil, *full
	}
	session := newSession(s, packet.Plain, nil, place)
	session.begun = nil
	session.state = stateClosed // until it begins
	return session, nil
}

// Discard gives up a plain session that has not begun.
func (s *Session) Discard() { s.server.release(s.place) }

// Wait begins a plain session for the length of one request: it lasts until
// Close, and what it is sent is dropped. accept is called once, and then Closed in
// any case, before Wait returns if the server shuts down.
func (s *Session) Wait(accept func() Receiver) {
	s.openPlain(nil)
	if s.server.add(s, polling) {
		s.receiver = accept()
		s.releaseTurn()
	} else {
		s.Discard()
		accept().Closed(ReasonShutdown)
	}
}

// Stream begins a plain session on the connection of a request, which it takes
// from HTTP: head is the answer, and the beginning of its body, which ends with
// the connection. That waits in the reactor, as WebSockets do. accept and Closed
// are called as Wait does. After an error nothing has changed but that the session
// is given up, and the request is still to be answered.
func (s *Session) Stream(w http.ResponseWriter, head []byte, accept func() Receiver) error {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.Discard()
		return fmt.Errorf("engineio: %w", err)
	}
	opts := &s.server.opts
	reactor.SetPatience(c, opts.PingInterval+opts.PingTimeout)
	if !s.streamOn(c, head, accept) {
		s.Discard()
		accept().Closed(ReasonShutdown)
	}
	return nil
}

// openPlain opens the session on k, or for a request if that is nil.
func (s *Session) openPlain(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.ws = stateOpen, k
}

// streamOn is false if the session has not begun. Then c ends after the head, on
// which the client comes back.
func (s *Session) streamOn(c net.Conn, head []byte, accept func() Receiver) bool {
	if !s.server.enter() {
		_ = c.Close()
		return false
	}
	k := s.newSocket()
	conn, err := s.server.own(c, plainSocket{k})
	if err != nil { // descriptors have run out
		_ = c.Close()
		s.server.running.Done()
		return false
	}
	k.conn = conn
	conn.Write(head)
	s.openPlain(k)
	added := s.server.add(s, serverSent)
	if added {
		s.receiver = accept()
		s.releaseTurn()
	} else {
		s.openPlain(nil)
		conn.Close(plainGoodbye)
	}
	conn.Start(nil) // what the client sends does not matter
	return added
}

// A plainSocket is the connection of a stream.
type plainSocket struct{ *socket }

// Read drops what the client sends, which has nothing to say.
func (plainSocket) Read([]byte) {}

// SendParts sends messages to this client alone, of which parts are shared with
// others: each frame but the last of a message goes with the one after it. They
// are measured together. newest is how many frames the last message has, which
// is all of them that a client who is behind gets, if latest is not empty, as in
// [NewBundle].
func (s *Session) SendParts(latest string, newest int, frames ...Frame) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen {
		return Ended
	}
	for i := range frames {
		frames[i].latest = latest
	}
	if len(s.queue) == 0 && (s.ws == nil || !s.ws.conn.Busy()) {
		latest = "" // it is not behind
	}
	return s.queueAllLocked(latest, newest, frames)
}

// Joined is f as the part of a message that goes on in the next frame.
func (f Frame) Joined() Frame {
	f.joined = true
	return f
}
