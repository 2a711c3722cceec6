package engineio

import (
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// Why a session ended, as Receiver.Closed is told. The names are those of
// Socket.IO. The application's own come with Session.Close.
const (
	ReasonTransportClose = "transport close"      // the client ended it
	ReasonTransportError = "transport error"      // the transport failed, or was used against the rules
	ReasonPingTimeout    = "ping timeout"         // a heartbeat was missing
	ReasonParseError     = "parse error"          // the client sent what is no packet
	ReasonSlow           = "slow client"          // more waited for the client than may
	ReasonShutdown       = "server shutting down" // Server.Drain and Server.Shutdown
)

// closeTimeout is how long the end of a session waits for a poll
// (PROTOCOL.md 2.5).
const closeTimeout = 30 * time.Second

// lastTimeout is how long the last answer may take.
const lastTimeout = 5 * time.Second

// Close ends the session after what was sent before it. On a WebSocket that is
// at once: the socket is given a few seconds to take the rest. On polling the
// waiting poll, or one that is awaited for 30 s, takes it, or the WebSocket of
// an upgrade that is about to finish; until then the session is still in the
// table. Receiver.Closed gets the reason.
func (s *Session) Close(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateOpen {
		s.closeLocked(reason)
	}
}

// closeLocked is Close of a session that is open.
func (s *Session) closeLocked(reason string) {
	s.reason = reason
	if s.ws != nil {
		s.closeOverLocked(s.ws)
		return
	}
	if s.version == packet.Plain { // its request is about to be answered
		s.endedLocked()
		return
	}
	s.state = stateClosing
	if !s.probed { // else the client may not poll again, and finishes the upgrade
		s.dropProbeLocked()
	}
	s.scheduleLocked(closeTimeout)
	s.answerLocked()
}

// closeOverLocked ends the session with what is queued, over k.
func (s *Session) closeOverLocked(k *socket) {
	list := make([][]byte, 0, len(s.queue)+1)
	for _, f := range s.takeQueueLocked() {
		list = append(list, f.buf)
	}
	k.conn.Close(append(list, s.goodbyeLocked())...)
	s.endedLocked()
}

// goodbyeLocked is the close frame of a session that the server ends. Clients
// come back whatever it says; 1001 tells those who look at it, and proxies, why.
func (s *Session) goodbyeLocked() []byte {
	switch {
	case s.version == packet.Plain:
		return plainGoodbye
	case s.reason == ReasonShutdown:
		return goingAway
	default:
		return statusless
	}
}

// end ends the session at once: what is queued is dropped, unless a poll that
// waits can take it.
func (s *Session) end(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked(reason, closeFrame)
}

// endLocked is end, with the packet that finishes a pending poll.
func (s *Session) endLocked(reason string, last Frame) {
	if s.state == stateClosed {
		return
	}
	s.uncorkLocked()
	if s.state == stateOpen {
		s.reason = reason
	}
	if s.ws != nil {
		s.ws.conn.Close(s.goodbyeLocked())
	} else if s.poll != nil {
		if s.version != packet.V1 {
			s.queueLocked(last)
		}
		s.poll.answer(s.takeQueueLocked(), lastTimeout)
		s.poll = nil
	}
	if s.answering != nil {
		s.answering.within(lastTimeout)
	}
	s.endedLocked()
}

// cutLocked ends the session of a slow client without another word to it.
func (s *Session) cutLocked() {
	s.reason = ReasonSlow
	if s.ws != nil {
		s.ws.conn.Abort()
	}
	if s.answering != nil {
		s.answering.within(0)
	}
	s.takeQueueLocked()
	if s.poll != nil {
		if s.version != packet.V1 {
			s.queueLocked(closeFrame)
		}
		s.poll.answer(s.takeQueueLocked(), lastTimeout)
		s.poll = nil
	}
	s.endedLocked()
}

// endedLocked is the end of every session, once: its transport has been taken
// care of.
func (s *Session) endedLocked() {
	s.state = stateClosed
	s.takeQueueLocked()
	s.server.wheel.Stop(s)
	s.dropProbeLocked()
	s.server.stats.closed(s.version, s.transportLocked())
	go s.finish() // ends when the receiver has been told
}

// finish removes the session from the table and tells the receiver, which may
// be busy with a message.
func (s *Session) finish() {
	defer s.server.running.Done()
	s.server.remove(s)
	s.takeTurn()
	defer s.releaseTurn()
	s.receiver.Closed(s.reason) // constant since the end
}
