package engineio

import (
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// Heartbeats (PROTOCOL.md 2.7). In version 4 the server pings PingInterval
// after the last pong, and ends the session if none follows within
// PingTimeout. In version 3 the client pings, and the server ends the session
// after PingInterval + PingTimeout without one. Other traffic changes nothing,
// and neither does the transport.

// startHeartbeat is called once, before others know the session.
func (s *Session) startHeartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.quiet()
	s.due = time.Now().Add(d)
	s.timer = time.AfterFunc(d, s.tick)
}

// quiet is how long nothing has to happen after a sign of life.
func (s *Session) quiet() time.Duration {
	opts := &s.server.opts
	if s.version == packet.V3 {
		return opts.PingInterval + opts.PingTimeout
	}
	return opts.PingInterval
}

// heardLocked notes a sign of life.
func (s *Session) heardLocked() {
	s.awaiting = false
	s.scheduleLocked(s.quiet())
}

// scheduleLocked makes tick act in d, and not before.
func (s *Session) scheduleLocked(d time.Duration) {
	s.due = time.Now().Add(d)
	s.timer.Reset(d)
}

// tick is called by the timer, and by a timer that was on its way when it was
// set anew: then it is not due.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateClosed || time.Now().Before(s.due):
	case s.state == stateClosing:
		s.endLocked(s.reason, closeFrame)
	case s.version == packet.V4 && !s.awaiting:
		s.awaiting = true
		s.scheduleLocked(s.server.opts.PingTimeout)
		s.pushLocked(pingFrame)
	default:
		s.endLocked(ReasonPingTimeout, closeFrame)
	}
}
