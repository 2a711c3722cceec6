package server

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// guarded is in front of everything: it bounds how long the body of a request
// may take, all of it, and sets the headers that every answer has. Below the
// path of Socket.IO package engineio sets nosniff, and answers are no documents,
// for which the others would mean something: each byte counts there, and a poll
// that waits would keep them in memory.
func (s *Server) guarded(next http.Handler) http.Handler {
	hsts := fmt.Sprintf("max-age=%d", int64(s.config.HSTS/time.Second))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 { // also where the handler reads none of it: net/http does
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
		}
		if !strings.HasPrefix(r.URL.Path, s.config.Path) {
			h := w.Header()
			h.Set("X-Content-Type-Options", "nosniff")
			h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			h.Set("X-Frame-Options", "DENY") // frame-ancestors, for old browsers
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Cross-Origin-Resource-Policy", "same-origin")
			if s.config.HSTS > 0 && s.secure(r) {
				h.Set("Strict-Transport-Security", hsts)
			}
		}
		next.ServeHTTP(w, r)
	})
}
