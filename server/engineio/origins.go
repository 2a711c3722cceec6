package engineio

import (
	"net/http"

	"github.com/sb-stream/stream-server/server/engineio/transport"
	pollingtransport "github.com/sb-stream/stream-server/server/engineio/transport/polling"
	websockettransport "github.com/sb-stream/stream-server/server/engineio/transport/websocket"
)

var defaultTransports = []transport.Transport{pollingtransport.Default, websockettransport.Default}

// transportNamed is the one that clients may use by that name, or nil. As in
// go-socket.io, the last of several counts.
func (o *Options) transportNamed(name string) (found transport.Transport) {
	for _, t := range o.Transports {
		if t.Name() == name {
			found = t
		}
	}
	return found
}

// admit reports whether the page that made r may use its transport; if not,
// it has been told. It sets the CORS headers of the answer, whatever that will
// be (PROTOCOL.md 2.10), and answers the question before a request.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, t transport.Transport, upgrade bool) bool {
	origin := r.Header.Get("Origin")
	if !isHeaderText(origin) || len(r.Header["Origin"]) > 1 {
		s.refuse(w, r, errBadRequest)
		return false
	}
	if !t.Allows(r) {
		s.refuse(w, r, errForbidden)
		return false
	}
	if origin == "" || upgrade || !decidesItself(t) {
		return true
	}
	h := w.Header()
	if h.Get("Access-Control-Allow-Origin") != "" { // somebody around this handler answers for it
		return true
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Add("Vary", "Origin")
	if r.Method != http.MethodOptions {
		return true
	}
	h.Set("Access-Control-Allow-Methods", "GET,POST")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
	}
	h.Add("Vary", "Access-Control-Request-Headers")
	w.WriteHeader(http.StatusNoContent)
	return false
}

// decidesItself reports whether t may let in pages of other origins.
func decidesItself(t transport.Transport) bool {
	switch t := t.(type) {
	case *pollingtransport.Transport:
		return t.CheckOrigin != nil
	case *websockettransport.Transport:
		return t.CheckOrigin != nil
	default:
		return true
	}
}
