package engineio

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A client is what the answer to a request depends on.
type client struct {
	script *callback // the answer is a script
	coding *coding   // that the client likes best, nil for none
	oldIE  bool
}

func (s *Session) clientOf(r *http.Request) client {
	return client{script: s.scriptOf(r), coding: codingFor(r.Header), oldIE: isOldIE(r)}
}

// scriptOf is the function that the answer to r calls, or nil. Clients of 0.9
// name it with each poll.
func (s *Session) scriptOf(r *http.Request) *callback {
	if s.version == packet.V1 {
		return legacyCallback(r)
	}
	return s.jsonp
}

// render is the answer to a poll, whose header it completes. What is compressed
// goes to buf. No frames are the end of a session of version 1.
func (s *Session) render(h http.Header, c client, frames []Frame, buf *bytes.Buffer) (status int, body []byte) {
	if s.server.leaving.Load() && last(frames) {
		h.Set("Connection", "close")
	}
	if len(frames) == 0 {
		h.Set("Content-Length", "0")
		return http.StatusServiceUnavailable, nil
	}
	body, contentType := s.encode(c.script, frames)
	setCacheHeader(h, c.oldIE)
	body = s.server.compressed(h, c.coding, body, buf)
	setBodyHeader(h, contentType, body)
	return http.StatusOK, body
}

// last reports whether an answer is the last of its session.
func last(frames []Frame) bool {
	return len(frames) == 0 || &frames[len(frames)-1].buf[0] == &closeFrame.buf[0]
}

// payload is the packets in frames as the body of an answer, whose header it
// sets.
func (s *Session) payload(w http.ResponseWriter, r *http.Request, frames []Frame) (body []byte, contentType string) {
	body, contentType = s.encode(s.scriptOf(r), frames)
	setPollingHeader(w, r)
	return body, contentType
}

func (s *Session) encode(script *callback, frames []Frame) (body []byte, contentType string) {
	list := make([]packet.Encoded, len(frames))
	for i, f := range frames {
		list[i] = f.encoded()
	}
	body, binary := s.version.AppendPayload(nil, list, s.b64)
	contentType = "text/plain; charset=UTF-8"
	if binary {
		contentType = "application/octet-stream"
	}
	if script != nil {
		body, contentType = script.script(body)
	}
	return body, contentType
}

// setPollingHeader sets what stands in the answers to GET and POST.
func setPollingHeader(w http.ResponseWriter, r *http.Request) { setCacheHeader(w.Header(), isOldIE(r)) }

func setCacheHeader(h http.Header, oldIE bool) {
	h.Set("Cache-Control", "no-store")
	if oldIE {
		h.Set("X-XSS-Protection", "0")
	}
}

// writeBody answers with a body of known length.
func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	setBodyHeader(w.Header(), contentType, body)
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone is found by the flush after it
}

func setBodyHeader(h http.Header, contentType string, body []byte) {
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h["X-Content-Type-Options"] = noSniff
}

// noSniff keeps an answer from being taken for what clients have put into it.
// One slice for all answers costs none of them an allocation.
var noSniff = []string{"nosniff"}

// make is the answer as HTTP has it. It is true if the connection ends with it.
func (a *asked) make(buf *bytes.Buffer, frames []Frame) (ends bool) {
	h := a.header
	if h == nil {
		h = make(http.Header, 4)
	}
	scratch := getBody()
	defer putBody(scratch)
	status, body := a.session.render(h, a.client, frames, scratch)
	a.session.server.writeHead(buf, status, h)
	buf.Write(body)
	return h.Get("Connection") == "close"
}

// writeHead writes what of an answer net/http would write before the body.
func (s *Server) writeHead(buf *bytes.Buffer, status int, h http.Header) {
	if s.draining.Load() {
		h.Set("Connection", "close")
	}
	fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	if _, ok := h["Date"]; !ok { // nil is for none
		buf.WriteString("Date: ")
		buf.Write(time.Now().UTC().AppendFormat(buf.AvailableBuffer(), http.TimeFormat))
		buf.WriteString("\r\n")
	}
	_ = h.Write(buf) // memory takes everything
	buf.WriteString("\r\n")
}
