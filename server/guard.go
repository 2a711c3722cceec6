package server

import (
	"mime"
	"net/http"

	"github.com/sb-stream/stream-server/server/engineio/transport"
)

// operators lets those in who have an operator key; where none is set, those
// on this machine. A browser on this machine that shows somebody else's page is
// not meant: what another origin's page asks for is refused, and so is, without
// a key, a name of this machine that its owner may have got from anywhere (DNS
// rebinding).
func (s *Server) operators(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch operator := s.rules.Load().operator; {
		case foreign(r):
			writeError(w, http.StatusForbidden, CodeForbidden, "this is for no page of another origin")
		case len(operator) == 0 && !s.local(r):
			writeError(w, http.StatusForbidden, CodeForbidden, "this is for the server's own machine, asked by its own name: --operator-key opens it to others")
		case len(operator) > 0 && !operator.open(r):
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeError(w, http.StatusUnauthorized, CodeForbidden, "this takes the operator key: Authorization: Bearer …")
		case r.Method == http.MethodPost && !isJSON(r):
			writeError(w, http.StatusUnsupportedMediaType, CodeBadRequest, "this takes Content-Type: application/json")
		default:
			next(w, r)
		}
	}
}

// foreign reports whether a page of another origin made the request: browsers
// tell of it by one header or the other. A proxy has to pass Host on.
func foreign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site == "cross-site" || site == "same-site" || !transport.SameOrigin(r)
}

// isJSON reports whether the request says that it is JSON, which no page of
// another origin can say unasked.
func isJSON(r *http.Request) bool {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && mediaType == "application/json"
}
