package engineio

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// A refusal is an answer to a request that gets no session (PROTOCOL.md 2.4).
type refusal struct {
	code    int
	status  int
	message string
	later   bool // it may be tried again, by the answer's status
}

// The refusals, by their code.
var (
	errTransport  = refusal{code: 0, status: http.StatusBadRequest, message: "Transport unknown"}
	errSession    = refusal{code: 1, status: http.StatusBadRequest, message: "Session ID unknown"}
	errMethod     = refusal{code: 2, status: http.StatusBadRequest, message: "Bad handshake method"}
	errBadRequest = refusal{code: 3, status: http.StatusBadRequest, message: "Bad request"}
	errForbidden  = refusal{code: 4, status: http.StatusForbidden, message: "Forbidden"}
	errVersion    = refusal{code: 5, status: http.StatusBadRequest, message: "Unsupported protocol version"}

	errFull    = refusal{4, http.StatusServiceUnavailable, "This server has as many sessions as it may", true}
	errLeaving = refusal{4, http.StatusServiceUnavailable, "This server is shutting down", true}
	errCrowded = refusal{4, http.StatusTooManyRequests, "This address has as many sessions as it may", true}
)

// retryAfter is when to ask again who was refused for want of room, in seconds.
const retryAfter = "10"

// refuse answers with e: as JSON, or to an upgrade as bare text, after which the
// connection ends. The status of that is 400 as in the reference, but for
// refusals that the reference does not have.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, e refusal) {
	if s.opts.Refused != nil {
		s.opts.Refused(r, e.code, e.message)
	}
	h := w.Header()
	if s.leaving.Load() { // the next try is to find another server
		h.Set("Connection", "close")
	}
	if e.later {
		h.Set("Retry-After", retryAfter)
	}
	if isUpgrade(r) {
		h.Set("Connection", "close")
		if !e.later {
			e.status = http.StatusBadRequest
		}
		writeBody(w, e.status, "text/html", []byte(e.message))
		return
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	// A struct of an integer and a string always encodes.
	_ = enc.Encode(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{e.code, e.message})
	writeBody(w, e.status, "application/json", bytes.TrimSuffix(body.Bytes(), []byte("\n")))
}
