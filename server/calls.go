package server

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answerRefused stands in headerAnswer when it is the signature that is no good.
const answerRefused = "refused"

// fromNodes takes what other nodes ask: their calls, and requests of clients
// that they pass on. What a signature says of where a client comes from is
// believed, and nothing else is: whoever has no good one is refused.
func (s *Server) fromNodes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called := strings.HasPrefix(r.URL.Path, callPath)
		if r.Header[headerNode] == nil && r.Header[headerClient] == nil && !called {
			next.ServeHTTP(w, r)
			return
		}
		e, err := s.openEnvelope(r)
		switch {
		case err == errElsewhere: //nolint:errorlint // it is not wrapped
			w.WriteHeader(http.StatusMisdirectedRequest)
			return
		case err != nil || called != (e.client == "") || !called && !strings.HasPrefix(r.URL.Path, s.config.Path):
			s.nodes.refuse(cmp.Or(err, errForged))
			w.Header().Set(headerAnswer, answerRefused)
			writeError(w, http.StatusForbidden, CodeForbidden, "this is for the nodes of this cluster")
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(max(maxNodeBody, s.config.MaxMessage))))
		if err != nil || hashed(body) != e.body {
			writeError(w, http.StatusBadRequest, CodeBadRequest, "the body is not the one that was signed")
			return
		}
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // of the body
		r = e.in(r)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if called {
			s.serveCall(w, r, e, body)
			return
		}
		delete(r.Header, headerNode)
		delete(r.Header, headerClient)
		for _, name := range forwarding {
			delete(r.Header, name)
		}
		r.RemoteAddr = e.client
		next.ServeHTTP(w, r)
	})
}

func (s *Server) openEnvelope(r *http.Request) (*envelope, error) {
	if s.cluster.book == nil {
		return nil, errForged
	}
	return s.cluster.book.seal.openRequest(r, s.node)
}

// serveCall is POST /node/<name>. A call that has been made once is refused when
// it is repeated, since its answer may have changed.
func (s *Server) serveCall(w http.ResponseWriter, r *http.Request, e *envelope, body []byte) {
	f := s.cluster.calls[strings.TrimPrefix(r.URL.Path, callPath)]
	key := s.cluster.book.seal
	answer, status := []byte(nil), http.StatusOK
	switch {
	case !key.first(e.nonce, key.now()):
		s.nodes.refuse(errTwice)
		writeError(w, http.StatusForbidden, CodeForbidden, "this has been asked before")
		return
	case f == nil || r.Method != http.MethodPost:
		status = http.StatusNotFound
	default:
		var err error
		if answer, err = f(r.Context(), e.from, body); err != nil {
			answer, status = []byte(err.Error()), http.StatusInternalServerError
		}
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	h.Set(headerAnswer, key.mac(signsAnswer, answerText(e.nonce, status, answer)))
	w.WriteHeader(status)
	_, _ = w.Write(answer) // who has gone does not need it
}
