package server

import (
	"io"
	"net/http"
	"time"
)

// serveHealth is GET /healthz: the process answers.
func serveHealth(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "ok\n")
}

// Ready reports whether clients may be sent here.
func (s *Server) Ready() bool {
	return !s.draining.Load() && s.broker.Up() && s.canary.where() == ""
}

// serveReady is GET /readyz: 503 while the broker cannot be reached or a message
// of the node's own does not come back, and once the server lets its clients go.
func (s *Server) serveReady(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		writeJSON(w, http.StatusServiceUnavailable, map[string]any{"ready": false, "reason": "draining"})
		return
	}
	if !s.broker.Up() {
		http.Error(w, "the broker cannot be reached", http.StatusServiceUnavailable)
		return
	}
	if part := s.canary.where(); part != "" {
		http.Error(w, "deaf: a message of this node's own has not come back, and was lost in the "+part, http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// serveStats is GET /api/stats: the figures of the page.
func (s *Server) serveStats(w http.ResponseWriter, _ *http.Request) {
	heard, _ := s.channels.Len()
	writeJSON(w, http.StatusOK, map[string]any{
		"sessions":     s.sessions.Len(),
		"members":      s.members.len(),
		"channels":     heard,
		"messages_in":  s.counters.messagesIn.Load(),
		"messages_out": s.counters.messagesOut.Load(),
		"broker_up":    s.broker.Up(),
	})
}

// serveInfo is GET /api/info: where and how to publish, without any secret, and
// whom the server takes the asker for, which tells whether its proxies are set
// up well.
func (s *Server) serveInfo(w http.ResponseWriter, r *http.Request) {
	broker := "redis"
	if s.config.Redis.Embedded {
		broker = "embedded"
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"version": s.config.Version,
		"node":    s.nodes.id,
		"broker":  broker,
		"redis":   map[string]any{"host": s.config.Redis.Host, "port": s.config.Redis.Port},
		"prefix":  s.config.Redis.Prefix,
		"publish": len(s.rules.Load().publish) > 0,
		"cluster": s.config.NodeAddress != "",
		"time":    time.Now().UTC().Format(time.RFC3339Nano),
		"client": map[string]any{
			"address": s.address(r).String(),
			"secure":  s.secure(r),
			"proxied": forwarded(r),
		},
	})
}
