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
}

// The refusals, by their code.
var (
	errTransport  = refusal{0, http.StatusBadRequest, "Transport unknown"}
	errSession    = refusal{1, http.StatusBadRequest, "Session ID unknown"}
	errMethod     = refusal{2, http.StatusBadRequest, "Bad handshake method"}
	errBadRequest = refusal{3, http.StatusBadRequest, "Bad request"}
	errForbidden  = refusal{4, http.StatusForbidden, "Forbidden"}
	errVersion    = refusal{5, http.StatusBadRequest, "Unsupported protocol version"}
)

// refuse answers with e: as JSON, or to an upgrade as bare text and always with
// 400, after which the connection ends.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, e refusal) {
	if s.opts.Refused != nil {
		s.opts.Refused(r, e.code, e.message)
	}
	h := w.Header()
	if isUpgrade(r) {
		h.Set("Connection", "close")
		writeBody(w, http.StatusBadRequest, "text/html", []byte(e.message))
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
