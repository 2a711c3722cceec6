package server

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	clientjs "github.com/sb-stream/stream-server/client-js"
)

// Handler is all of the HTTP side: DESIGN.md section 2.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(s.config.Path, s.withOrigin(noTraversal(s.io)))
	mux.Handle(strings.TrimSuffix(s.config.Path, "/"), http.NotFoundHandler()) // and no redirect
	mux.Handle("/events/{channel}", s.listens(s.serveEvents))
	mux.Handle("/poll/{channel}", s.listens(s.servePoll))
	mux.Handle("GET /sb.js", script(clientjs.SB))
	mux.Handle("GET /sb.mjs", script(clientjs.SBModule))
	mux.Handle("GET /sb.js.map", static("application/json", clientjs.SBMap))
	mux.Handle("GET /sb.mjs.map", static("application/json", clientjs.SBModuleMap))

	if !s.config.NoConsole {
		s.handleConsole(mux)
	}
	mux.HandleFunc("POST /api/publish", s.servePublish)
	mux.Handle("/api/identify", s.withOrigin(http.HandlerFunc(s.serveIdentify)))
	mux.HandleFunc("GET /api/stats", s.operators(s.serveStats))
	mux.HandleFunc("GET /api/info", s.operators(s.serveInfo))
	mux.HandleFunc("GET /api/channels", s.operators(s.serveChannels))
	mux.HandleFunc("GET /api/channels/{tag}", s.operators(s.serveChannel))
	mux.HandleFunc("GET /api/channels/{tag}/members", s.operators(s.serveMembers))
	mux.HandleFunc("GET /api/channels/{tag}/sessions", s.operators(s.serveHearing))
	mux.HandleFunc("GET /api/members/{id}", s.operators(s.serveMember))
	mux.HandleFunc("GET /api/sessions/{id}", s.operators(s.serveSession))
	mux.HandleFunc("GET /api/why/{tag}", s.operators(s.serveWhy))
	mux.HandleFunc("POST /api/disconnect", s.operators(s.serveDisconnect))
	mux.HandleFunc("POST /api/unsubscribe", s.operators(s.serveUnsubscribe))

	mux.HandleFunc("GET /healthz", serveHealth)
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}))
	return oneMessage(s.guarded(s.fromNodes(s.logRefusals(s.limitHTTP(mux)))))
}

// oneMessage ends the connection after a request whose body is chunked. It may
// have had a Content-Length too, which net/http takes away: who is in front of
// this server may have read another request out of it (RFC 9112, 6.1).
func oneMessage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// noTraversal knows no path that goes up again.
func noTraversal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/../") {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}
