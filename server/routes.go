package server

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	clientjs "github.com/sb-stream/stream-server/client-js"
)

// A route is a pattern of [http.ServeMux] and what answers it.
type route struct {
	pattern string
	handler http.Handler
}

// Handler is all of the HTTP side: DESIGN.md section 2.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.routes() {
		mux.Handle(r.pattern, r.handler)
	}
	mux.Handle(strings.TrimSuffix(s.config.Path, "/"), http.NotFoundHandler()) // and no redirect
	return oneMessage(s.guarded(s.fromNodes(s.logRefusals(s.limitHTTP(mux)))))
}

// routes are all that is answered. docs/openapi.yaml has each of them.
func (s *Server) routes() []route {
	list := []route{
		{s.config.Path, s.withOrigin(noTraversal(s.io))},
		{"/events/{channel}", s.listens(s.serveEvents)},
		{"/poll/{channel}", s.listens(s.servePoll)},
		{"GET /sb.js", script(clientjs.SB)},
		{"GET /sb.mjs", script(clientjs.SBModule)},
		{"GET /sb.js.map", static("application/json", clientjs.SBMap)},
		{"GET /sb.mjs.map", static("application/json", clientjs.SBModuleMap)},

		{"POST /api/publish", http.HandlerFunc(s.servePublish)},
		{"/api/identify", s.withOrigin(http.HandlerFunc(s.serveIdentify))},
		{"GET /api/stats", s.operators(s.serveStats)},
		{"GET /api/info", s.operators(s.serveInfo)},
		{"GET /api/channels", s.operators(s.serveChannels)},
		{"GET /api/channels/{tag}", s.operators(s.serveChannel)},
		{"GET /api/channels/{tag}/members", s.operators(s.serveMembers)},
		{"GET /api/channels/{tag}/sessions", s.operators(s.serveHearing)},
		{"GET /api/members/{id}", s.operators(s.serveMember)},
		{"GET /api/sessions/{id}", s.operators(s.serveSession)},
		{"GET /api/why/{tag}", s.operators(s.serveWhy)},
		{"POST /api/disconnect", s.operators(s.serveDisconnect)},
		{"POST /api/unsubscribe", s.operators(s.serveUnsubscribe)},

		{"GET /healthz", http.HandlerFunc(serveHealth)},
		{"GET /readyz", http.HandlerFunc(s.serveReady)},
		{"GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})},
	}
	if !s.config.NoConsole {
		list = append(list, s.consoleRoutes()...)
	}
	return list
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
