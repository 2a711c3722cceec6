package engineio

import (
	"net/http"
	"time"
)

// A held poll waits in the handler of its GET, which is a goroutine with its
// buffers. Its fields but the first two are guarded by the session's mu until
// answered is closed.
type held struct {
	controller *http.ResponseController
	answered   chan struct{} // closed by answer

	leaving bool          // the connection is being taken from HTTP
	frames  []Frame       // the answer
	limit   time.Duration // for it
}

func newHeld(w http.ResponseWriter) *held {
	return &held{controller: http.NewResponseController(w), answered: make(chan struct{})}
}

func (h *held) answer(frames []Frame, limit time.Duration) bool {
	h.within(limit)
	h.frames = frames
	close(h.answered)
	return false
}

func (h *held) within(limit time.Duration) {
	h.limit = limit
	if !h.leaving {
		_ = h.controller.SetWriteDeadline(time.Now().Add(limit))
	}
}

// answeredLocked reports whether there is an answer.
func (h *held) answeredLocked() bool {
	select {
	case <-h.answered:
		return true
	default:
		return false
	}
}

// hold waits for the answer and writes it.
func (s *Session) hold(p *poll, h *held, w http.ResponseWriter, r *http.Request) {
	var idle <-chan time.Time
	if d := s.idle(); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		idle = t.C
	}
	select {
	case <-h.answered:
	case <-r.Context().Done():
	case <-idle:
		s.finishPoll(p)
		<-h.answered // by that, or just before
	}
	gone := r.Context().Err() != nil
	if !gone {
		buf := getBody()
		defer putBody(buf)
		status, body := s.render(w.Header(), s.clientOf(r), h.frames, buf)
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that is gone is found by the flush
		gone = h.controller.Flush() != nil
	}
	s.polled(p, gone)
	_ = h.controller.SetWriteDeadline(time.Time{}) // the connection may go on
}
