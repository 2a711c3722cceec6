package engineio

import (
	"net/http"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A poll is one GET of a client, which is answered when there is something to
// say (PROTOCOL.md 2.5). Its fields are guarded by the session's mu.
type poll struct {
	replier      // how it waits
	late    bool // it came after Session.Close
	noop    bool // its answer holds no message
}

// A replier writes the answer to a poll, for which it waits: the handler of the
// GET does, or its connection in the reactor. The methods are called with the
// session's mu held, and never wait.
type replier interface {
	// answer writes the answer, once, within the time that a client may take
	// for it. False means that it is not written yet, or never will be: polled
	// tells which.
	answer(frames []Frame, limit time.Duration) bool

	// within bounds the writing of the answer from now on.
	within(limit time.Duration)
}

func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	h := newHeld(w)
	p := &poll{replier: h}
	s.mu.Lock()
	switch {
	case s.state == stateClosed:
		s.mu.Unlock()
		s.refuseEnded(w, r)
		return
	case s.ws != nil:
		s.mu.Unlock()
		s.server.refuse(w, r, errBadRequest)
		return
	case s.poll != nil:
		s.endLocked(ReasonTransportError, closeFrame)
		s.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.late = s.state == stateClosing
	s.poll = p
	s.server.running.Add(1) // beside the session itself, which has not ended
	s.answerLocked()
	s.mu.Unlock()
	if s.park(p, h, w, r) {
		return // what is parked is still running
	}
	defer s.server.running.Done()
	s.hold(p, h, w, r)
}

// refuseEnded tells a client that its session has ended.
func (s *Session) refuseEnded(w http.ResponseWriter, r *http.Request) {
	if s.version == packet.V1 {
		s.server.refuseLegacy(w, r)
	} else {
		s.server.refuse(w, r, errSession)
	}
}

// polled ends a poll. If the client has not got the answer, the session ends
// too, because messages may be lost; but not if it has left polling and there
// were none.
func (s *Session) polled(p *poll, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll == p {
		s.poll = nil
	}
	if s.answering == p {
		s.answering = nil
	}
	if gone && (!p.noop || s.ws == nil) {
		s.endLocked(ReasonTransportError, closeFrame)
		return
	}
	s.polledLocked()
}

// polledLocked goes on after an answer that the client has.
func (s *Session) polledLocked() {
	if s.ws == nil {
		if s.version == packet.V1 && s.state == stateOpen {
			s.heardLocked()
		}
		s.answerLocked()
	}
}

// answerLocked answers the pending poll if there is something to say. It waits
// while a POST is processed, so that all that one causes is in one answer, and
// while the answer to the poll before is being written, so that a client that
// does not read holds one answer and no more.
func (s *Session) answerLocked() {
	p := s.poll
	if p == nil || s.corked || s.answering != nil || s.state == stateClosed {
		return
	}
	switch {
	case len(s.queue) > 0:
		s.respondLocked(s.takeQueueLocked())
	case s.state == stateClosing && s.version == packet.V1:
		s.respondLocked(nil) // a poll that fails: the client comes back
		s.endedLocked()
	case s.state == stateClosing && p.late:
		s.respondLocked([]Frame{noopFrame, closeFrame})
		s.endedLocked()
	case s.state == stateClosing:
		s.respondLocked([]Frame{closeFrame})
		s.endedLocked()
	case s.probed:
		// The client waits for its poll before it finishes the upgrade.
		s.finishPollLocked()
	}
}

// finishPollLocked ends the pending poll without a message, because the client
// is about to leave polling, or has waited long enough.
func (s *Session) finishPollLocked() {
	s.poll.noop = true
	if s.version == packet.V1 {
		s.respondLocked([]Frame{legacyNoopFrame})
	} else {
		s.respondLocked([]Frame{noopFrame})
	}
}

// finishPoll ends p if it is still pending.
func (s *Session) finishPoll(p *poll) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll == p {
		s.finishPollLocked()
	}
}

// respondLocked is the answer to the pending poll.
func (s *Session) respondLocked(frames []Frame) {
	p := s.poll
	s.answering, s.poll = p, nil
	// A client that is alive is never silent for longer.
	if p.answer(frames, s.server.opts.PingInterval+s.server.opts.PingTimeout) {
		s.answering = nil
		s.polledLocked()
	}
}
