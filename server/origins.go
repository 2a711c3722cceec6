package server

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// withOrigin lets browsers in from the server's own host name, on any port,
// and from the listed origins (DESIGN.md section 8), and answers their CORS
// questions. A request without Origin does not come from a foreign page.
func (s *Server) withOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" {
			next.ServeHTTP(w, r)
			return
		}
		h, origins := w.Header(), s.rules.Load().config.Origins
		h.Add("Vary", "Origin")
		switch {
		case len(r.Header["Origin"]) > 1: // no browser does that
			s.refuseOrigin(w, r, origin)
			return
		case trusts(origins, origin, r.Host):
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
		case slices.Contains(origins, "*"):
			h.Set("Access-Control-Allow-Origin", "*") // and so without credentials
			r.Header.Del("Cookie")                    // which WebSockets bring, whatever CORS says
		default:
			s.refuseOrigin(w, r, origin)
			return
		}
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET,POST")
			if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
				h.Set("Access-Control-Allow-Headers", asked)
				h.Add("Vary", "Access-Control-Request-Headers")
			}
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// trusts reports whether an origin is the host's own or listed by name.
func trusts(listed []string, origin, host string) bool {
	if slices.Contains(listed, origin) && origin != "*" {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.User != nil {
		return false
	}
	own := (&url.URL{Host: host}).Hostname()
	return own != "" && strings.EqualFold(u.Hostname(), own)
}

func (s *Server) refuseOrigin(w http.ResponseWriter, r *http.Request, origin string) {
	s.refusals.add(limitOrigin)
	now := time.Now().Unix()
	if last := s.refused.Load(); now-last >= 1 && s.refused.CompareAndSwap(last, now) {
		s.log.WithField("origin", loggableOrigin(origin)).WithField("address", s.hash.address(s.address(r))).
			Warn("refused a page of another origin: --origins would allow it")
	}
	writeJSON(w, http.StatusForbidden, map[string]any{
		"code": 4, "message": "this origin is not allowed: --origins would allow it",
	})
}
