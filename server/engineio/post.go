package engineio

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A post is one POST of a client (PROTOCOL.md 2.5).
type post struct {
	controller *http.ResponseController
	cut        bool // guarded by Session.mu; its connection is to end
	late       bool // its body has not come in time
}

// bodies are buffers for what POSTs bring and what polls take compressed.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled is the largest buffer that bodies keeps.
const maxPooled = 128 << 10

func getBody() *bytes.Buffer { return bodies.Get().(*bytes.Buffer) }

func putBody(body *bytes.Buffer) {
	if body.Cap() <= maxPooled {
		body.Reset()
		bodies.Put(body)
	}
}

var errTooLarge = errors.New("engineio: payload is too large")

func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	p := &post{controller: http.NewResponseController(w)}
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
	case s.post != nil:
		s.post.cut = true
		_ = s.post.controller.SetReadDeadline(time.Unix(1, 0))
		s.endLocked(ReasonTransportError, closeFrame)
		s.mu.Unlock()
		_ = p.controller.SetReadDeadline(time.Unix(1, 0)) // net/http waits for the body otherwise
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.post = p
	s.mu.Unlock()
	defer s.uncork() // after the answer: 0.9 clients go wrong if that of their poll comes first

	status := s.takePost(r, p)
	s.mu.Lock()
	s.post = nil
	cut := p.cut
	s.mu.Unlock()
	if cut {
		panic(http.ErrAbortHandler) // the way to cut a connection
	}
	if p.late {
		s.server.opts.limited(LimitBody)
	}
	// A body may take longer to come than the server gives an answer.
	_ = p.controller.SetWriteDeadline(time.Now().Add(s.server.opts.BodyTimeout))
	switch status {
	case http.StatusOK:
		setPollingHeader(w, r)
		body, contentType := []byte("ok"), "text/html"
		if s.version == packet.V1 {
			body, contentType = []byte("1"), "text/plain; charset=UTF-8"
		}
		if s.server.parkAnswered(w, r, status, contentType, body, false) {
			return
		}
		writeBody(w, status, contentType, body)
	case 0:
		s.server.refuse(w, r, errBadRequest)
	default:
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(status)
	}
	_ = p.controller.Flush()
	_ = p.controller.SetWriteDeadline(time.Time{}) // the connection goes on
}

// takePost reads and processes a POST and returns the status of the answer, 0
// if the session has left polling.
func (s *Session) takePost(r *http.Request, p *post) int {
	t, ok := payloadType(r)
	binary := t == "application/octet-stream"
	if !ok || binary && s.version != packet.V3 {
		s.end(ReasonTransportError)
		return http.StatusBadRequest
	}
	body := getBody()
	defer putBody(body)
	if err := s.readBody(body, r, p); errors.Is(err, errTooLarge) {
		s.server.opts.limited(LimitMessage)
		return http.StatusRequestEntityTooLarge // and the session is kept
	} else if err != nil {
		p.late = errors.Is(err, os.ErrDeadlineExceeded)
		s.end(ReasonTransportError)
		return http.StatusRequestTimeout
	}
	payload := body.Bytes()
	if t == "application/x-www-form-urlencoded" && (s.jsonp != nil || legacyCallback(r) != nil) {
		payload = s.formPayload(payload)
	}
	packets, err := s.version.DecodePayload(payload, binary, s.server.opts.MaxPackets)
	if err != nil {
		s.end(ReasonParseError)
		if errors.Is(err, packet.ErrTooMany) {
			s.server.opts.limited(LimitPackets)
			return http.StatusBadRequest
		}
		return s.badPayload()
	}
	return s.process(packets)
}

// payloadType is the media type of a POST, and whether it is one that a client
// may send. Types that have no meaning are text, as curl sends a form.
func payloadType(r *http.Request) (t string, ok bool) {
	if e := r.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return "", false
	}
	// What cannot be parsed is taken for text, as what is missing.
	t, _, _ = mime.ParseMediaType(r.Header.Get("Content-Type"))
	return t, !strings.HasPrefix(t, "multipart/")
}

// readBody reads no more than a payload may have. ServeHTTP has set the time
// for it, which stays in force for what is left unread: net/http reads that.
func (s *Session) readBody(body *bytes.Buffer, r *http.Request, p *post) error {
	limit := int64(s.server.opts.MaxPayload)
	if r.ContentLength > limit {
		return errTooLarge
	}
	n, err := body.ReadFrom(io.LimitReader(r.Body, limit+1))
	if n > limit {
		return errTooLarge
	}
	if err == nil {
		_ = p.controller.SetReadDeadline(time.Time{})
	}
	return err
}

// process passes on what a POST brought. What is sent meanwhile waits until the
// POST has been answered, and goes out together.
func (s *Session) process(packets []packet.Packet) int {
	s.takeTurn()
	defer s.releaseTurn()
	s.mu.Lock()
	left := s.ws != nil
	s.corked = !left
	s.mu.Unlock()
	if left {
		return 0
	}
	// Heartbeats come first, as the reference has it (PROTOCOL.md 3.2): its
	// Socket.IO handles events after the whole POST.
	heartbeat := func(p packet.Packet) bool { return p.Type == packet.Ping && s.version == packet.V3 }
	alive := true
	for _, first := range []bool{true, false} {
		for _, p := range packets {
			alive = alive && (heartbeat(p) != first || s.receive(p))
		}
	}
	if s.broken() {
		return s.badPayload()
	}
	return http.StatusOK
}

// badPayload is the status for what breaks the rules and ends the session. The
// reference says ok all the same (PROTOCOL.md 2.5); 0.9 clients, which would go
// wrong otherwise, are told so too.
func (s *Session) badPayload() int {
	if s.version == packet.V1 {
		return http.StatusOK
	}
	return http.StatusBadRequest
}

// broken reports whether the session ends because of what the client sent.
func (s *Session) broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason == ReasonParseError || s.reason == ReasonTransportError
}

func (s *Session) uncork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.corked = false
	s.answerLocked()
}
