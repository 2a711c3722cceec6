package engineio

import (
	"net/http"
	"time"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// The upgrade (PROTOCOL.md 2.8). The client opens a WebSocket with the sid of
// its polling session and sends "2probe"; the answer is "3probe", and whatever
// poll is pending is finished, because the client waits for it before it sends
// "5". Until then messages go by polling and nothing goes by the new socket;
// after it everything does, what is still queued first.

// serveUpgrade opens the WebSocket. One that comes while there is another is
// closed again.
func (s *Session) serveUpgrade(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		s.server.refuse(w, r, errSession)
		return
	}
	wanted := s.state == stateOpen && s.ws == nil && !s.upgrading && !s.server.opts.NoUpgrade
	if wanted {
		s.upgrading = true
	}
	s.mu.Unlock()

	k, hello, early := s.server.openSocket(w, r, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if k == nil {
		if wanted {
			s.upgrading = false
		}
		return
	}
	k.write(hello)
	if wanted && s.state == stateOpen {
		s.probe = k
		s.timeout = time.AfterFunc(s.server.opts.UpgradeTimeout, func() { s.expire(k) })
	} else {
		k.conn.Close(statusless)
	}
	k.conn.Start(early)
}

// expire ends an upgrade that has taken too long.
func (s *Session) expire(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe == k {
		s.server.opts.limited(LimitUpgrade)
		s.dropProbeLocked()
	}
}

// abandon closes a socket that will never become the transport. The session goes on by polling.
func (s *Session) abandon(k *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe == k {
		s.dropProbeLocked()
	}
}

func (s *Session) dropProbeLocked() {
	if k := s.probe; k != nil {
		s.stopTimeoutLocked()
		k.conn.Close(statusless)
		s.probe, s.probed, s.upgrading = nil, false, false
	}
}

func (s *Session) stopTimeoutLocked() {
	s.timeout.Stop()
	s.timeout = nil
}

// probing takes a message on a socket that is not the transport yet. It is
// true when it has become it: then the caller has the turn.
func (k *socket) probing(m message) bool {
	s := k.session
	p, err := s.version.DecodeText(m.data)
	switch {
	case m.op != ws.OpText, err != nil:
	case p.Type == packet.Ping && string(p.Data) == "probe" && s.answerProbe(k):
		return false
	case p.Type == packet.Upgrade && s.finishUpgrade(k):
		return true
	}
	s.abandon(k)
	return false
}

// answerProbe answers "2probe", once.
func (s *Session) answerProbe(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != k || s.probed {
		return false
	}
	k.write(probeFrame.buf)
	s.probed = true
	s.answerLocked()
	return true
}

// finishUpgrade makes k the transport on "5". A POST that is being processed is
// waited for, so that messages stay in order.
func (s *Session) finishUpgrade(k *socket) bool {
	s.takeTurn()
	if !s.switchTo(k) {
		s.releaseTurn()
		return false
	}
	return true
}

func (s *Session) switchTo(k *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probe != k || !s.probed {
		return false
	}
	if s.poll != nil {
		s.finishPollLocked()
	}
	if s.state == stateClosing {
		s.closeOverLocked(k)
		return false
	}
	s.stopTimeoutLocked()
	s.probe, s.probed, s.upgrading = nil, false, false
	s.ws = k
	s.server.stats.upgraded(s.version)
	s.flushLocked()
	return true
}
