package engineio

import (
	"net/http"
	"strconv"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A poll is one GET of a client, which is answered when there is something to
// say (PROTOCOL.md 2.5). Its fields but the controller are guarded by the
// session's mu until answered is closed.
type poll struct {
	controller *http.ResponseController
	late       bool          // it came after Session.Close
	answered   chan struct{} // closed by answer
	frames     []Frame       // the answer
	noop       bool          // which holds no message
}

// answer lets the answer be written, within the time that a client may take
// for it.
func (p *poll) answer(frames []Frame, limit time.Duration) {
	p.within(limit)
	p.frames = frames
	close(p.answered)
}

// within bounds the writing of the answer from now on.
func (p *poll) within(limit time.Duration) {
	_ = p.controller.SetWriteDeadline(time.Now().Add(limit))
}

func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	p := &poll{controller: http.NewResponseController(w), answered: make(chan struct{})}
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
	defer s.server.running.Done()
	s.answerLocked()
	s.mu.Unlock()

	idle, stop := s.idle()
	defer stop()
	select {
	case <-p.answered:
	case <-r.Context().Done():
	case <-idle:
		s.finishPoll(p)
		<-p.answered // by that, or just before
	}
	gone := r.Context().Err() != nil
	switch {
	case gone:
	case len(p.frames) == 0:
		w.WriteHeader(http.StatusServiceUnavailable) // the end of a session of version 1
	default:
		body, contentType := s.payload(w, r, p.frames)
		s.server.writeCompressed(w, r, contentType, body)
		gone = p.controller.Flush() != nil
	}
	s.polled(p, gone)
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
	_ = p.controller.SetWriteDeadline(time.Time{}) // the connection may go on
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
	case s.state == stateClosing && s.version == packet.V1:
		s.respondLocked(s.takeQueueLocked())
		s.endedLocked()
	case len(s.queue) > 0:
		s.respondLocked(s.takeQueueLocked())
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
	s.answering = s.poll
	s.poll = nil
	// A client that is alive is never silent for longer.
	s.answering.answer(frames, s.server.opts.PingInterval+s.server.opts.PingTimeout)
}

// payload is the packets in frames as the body of an answer, whose header it
// sets.
func (s *Session) payload(w http.ResponseWriter, r *http.Request, frames []Frame) (body []byte, contentType string) {
	list := make([]packet.Encoded, len(frames))
	for i, f := range frames {
		list[i] = f.encoded()
	}
	body, binary := s.version.AppendPayload(nil, list, s.b64)
	contentType = "text/plain; charset=UTF-8"
	if binary {
		contentType = "application/octet-stream"
	}
	script := s.jsonp
	if s.version == packet.V1 {
		script = legacyCallback(r)
	}
	if script != nil {
		body, contentType = script.script(w.Header(), body)
	}
	setPollingHeader(w, r)
	return body, contentType
}

// setPollingHeader sets what stands in the answers to GET and POST.
func setPollingHeader(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if isOldIE(r) {
		h.Set("X-XSS-Protection", "0")
	}
}

// writeBody answers with a body of known length.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone is found by the flush after it
}
