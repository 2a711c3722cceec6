package server

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	clientjs "github.com/sb-stream/stream-server/client-js"
	"github.com/sb-stream/stream-server/server/pages"
)

// Handler is all of the HTTP side: DESIGN.md section 2.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(s.config.Path, s.withOrigin(s.io))
	mux.Handle(strings.TrimSuffix(s.config.Path, "/"), http.NotFoundHandler()) // and no redirect
	mux.Handle("GET /sb.js", script(clientjs.SB))
	mux.Handle("GET /sb.mjs", script(clientjs.SBModule))

	mux.Handle("GET /{$}", page("text/html; charset=utf-8", pages.Index))
	mux.Handle("GET /page.js", page("text/javascript; charset=utf-8", pages.Script))
	mux.Handle("GET /page.css", page("text/css; charset=utf-8", pages.Style))
	mux.Handle("GET /favicon.svg", page("image/svg+xml", pages.Icon))

	mux.HandleFunc("POST /api/publish", s.servePublish)
	mux.HandleFunc("GET /api/stats", s.operators(s.serveStats))
	mux.HandleFunc("GET /api/info", s.operators(s.serveInfo))

	mux.HandleFunc("GET /healthz", serveHealth)
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	return limitURL(mux)
}

// limitURL refuses what no client of ours asks for.
func limitURL(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.RequestURI) > maxURL {
			w.WriteHeader(http.StatusRequestURITooLong)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// operators lets those in who have an operator key; where none is set, those
// on this machine.
func (s *Server) operators(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.operator.open(r), len(s.operator) == 0 && local(r):
			next(w, r)
		case len(s.operator) == 0:
			writeError(w, http.StatusForbidden, CodeForbidden, "this is for the server's own machine: --operator-key opens it to others")
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeError(w, http.StatusUnauthorized, CodeForbidden, "this takes the operator key: Authorization: Bearer …")
		}
	}
}
