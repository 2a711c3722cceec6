package server

import (
	"io"
	"net/http"
)

// serveHealth is GET /healthz: the process answers.
func serveHealth(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n")
}

// serveReady is GET /readyz: 503 while the broker cannot be reached.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if !s.broker.Up() {
		http.Error(w, "the broker cannot be reached", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// serveStats is GET /api/stats: the figures of the live page.
func (s *Server) serveStats(w http.ResponseWriter, _ *http.Request) {
	heard, _ := s.channels.Len()
	writeJSON(w, http.StatusOK, map[string]any{
		"sessions":     s.sessions.Len(),
		"channels":     heard,
		"messages_in":  s.counters.messagesIn.Load(),
		"messages_out": s.counters.messagesOut.Load(),
		"broker_up":    s.broker.Up(),
	})
}

// serveInfo is GET /api/info: where and how to publish, without any secret.
func (s *Server) serveInfo(w http.ResponseWriter, _ *http.Request) {
	broker := "redis"
	if s.config.Redis.Embedded {
		broker = "embedded"
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"version": s.config.Version,
		"broker":  broker,
		"redis":   map[string]any{"host": s.config.Redis.Host, "port": s.config.Redis.Port},
		"prefix":  s.config.Redis.Prefix,
		"publish": len(s.publish) > 0,
	})
}
