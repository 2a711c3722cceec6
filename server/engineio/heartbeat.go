package engineio

import (
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// Heartbeats (PROTOCOL.md 2.7). In version 4 the server pings PingInterval
// after the last pong, and ends the session if none follows within
// PingTimeout. In version 3 the client pings, and the server ends the session
// after PingInterval + PingTimeout without one. Other traffic changes nothing,
// and neither does the transport. Plain sessions have no answers (plain.go).

// startHeartbeat is called once, before others know the session.
func (s *Session) startHeartbeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scheduleLocked(s.quietLocked())
}

// quietLocked is how long nothing has to happen after a sign of life.
func (s *Session) quietLocked() time.Duration {
	opts := &s.server.opts
	if s.version == packet.V3 || s.version == packet.V1 && s.ws == nil {
		return opts.PingInterval + opts.PingTimeout
	}
	return opts.PingInterval
}

// heardLocked notes a sign of life.
func (s *Session) heardLocked() {
	s.awaiting = false
	s.scheduleLocked(s.quietLocked())
}

// scheduleLocked makes tick act in d, and not before.
func (s *Session) scheduleLocked(d time.Duration) { s.server.wheel.Set(s, d) }

// tick is called by the wheel, also if the session was scheduled anew when its
// time had just come: then it is not due.
func (s *Session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state == stateClosed || s.server.wheel.Waits(s):
	case s.state == stateClosing:
		s.endLocked(s.reason, closeFrame)
	case s.version == packet.Plain:
		s.scheduleLocked(s.server.opts.PingInterval)
		if s.ws != nil && len(s.queue) == 0 {
			s.pushLocked(heartbeatComment)
		}
	case s.version == packet.V4 && !s.awaiting:
		s.awaiting = true
		s.scheduleLocked(s.server.opts.PingTimeout)
		s.pushLocked(pingFrame)
	case s.version == packet.V1 && s.ws != nil && !s.awaiting:
		s.awaiting = true
		s.scheduleLocked(s.server.opts.PingTimeout)
		s.pushLocked(legacyPingFrame)
	case s.version == packet.V1 && s.ws == nil && (s.poll != nil || s.answering != nil):
		s.heardLocked() // a poll is a sign of life
	default:
		s.endLocked(ReasonPingTimeout, closeFrame)
	}
}
