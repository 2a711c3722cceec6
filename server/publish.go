package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/sb-stream/stream-server/internal/tags"
)

// maxPublishes is how many messages one request may publish.
const maxPublishes = 1000

// A publication is what POST /api/publish takes, alone or in an array: data
// for one channel, or for several.
type publication struct {
	Channel  string          `json:"channel"`
	Channels []string        `json:"channels"`
	Data     json.RawMessage `json:"data"`
}

// published says how many sessions of this node a message was for.
type published struct {
	Sessions int `json:"sessions"`
}

// servePublish is POST /api/publish: all of the request is checked before any
// of it is published. The answer is {"channels": {tag: {"sessions": n}}}.
func (s *Server) servePublish(w http.ResponseWriter, r *http.Request) {
	switch {
	case len(s.publish) == 0:
		writeError(w, http.StatusForbidden, CodeForbidden, "publishing by HTTP is off: --publish-key turns it on")
		return
	case !s.publish.open(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeError(w, http.StatusUnauthorized, CodeForbidden, "this takes the publish key: Authorization: Bearer …")
		return
	}
	list, ok := s.readPublications(w, r)
	if !ok {
		return
	}
	answer := make(map[string]published)
	for _, p := range list {
		for _, tag := range p.Channels {
			if _, err := s.broker.Publish(r.Context(), tag, p.Data); err != nil {
				s.log.WithError(err).Warn("a message could not be published")
				writeError(w, http.StatusServiceUnavailable, CodeUnavailable, "the broker cannot be reached")
				return
			}
			answer[tag] = published{answer[tag].Sessions + s.channels.Clients(tag)}
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"channels": answer})
}

func (s *Server) readPublications(w http.ResponseWriter, r *http.Request) ([]publication, bool) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body := new(bytes.Buffer)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, int64(s.config.MaxPublish)+4<<10))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		writeError(w, http.StatusRequestEntityTooLarge, CodeBadRequest, "the request is larger than a publish may be")
		return nil, false
	case err != nil:
		writeError(w, http.StatusBadRequest, CodeBadRequest, "the request could not be read")
		return nil, false
	}
	list, fault := parsePublications(body.Bytes())
	if fault != nil {
		status := http.StatusBadRequest
		writeJSON(w, status, map[string]any{"error": fault})
		return nil, false
	}
	return list, true
}

// parsePublications reads one publication or an array of them, and moves each
// Channel into Channels.
func parsePublications(body []byte) ([]publication, *wireError) {
	bad := func(message string) ([]publication, *wireError) {
		return nil, &wireError{Code: CodeBadRequest, Message: message}
	}
	var list []publication
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		if err := json.Unmarshal(body, &list); err != nil {
			return bad("the body is no array of {channel, data}")
		}
	} else {
		list = make([]publication, 1)
		if err := json.Unmarshal(body, &list[0]); err != nil {
			return bad("the body is no JSON of the form {channel, data}")
		}
	}
	if len(list) == 0 {
		return bad("there is nothing to publish")
	}
	total := 0
	for i := range list {
		p := &list[i]
		if p.Channel != "" {
			p.Channels = append(p.Channels, p.Channel)
		}
		if len(p.Channels) == 0 {
			return bad("name a channel, or channels")
		}
		if len(p.Data) == 0 {
			return bad("there is no data")
		}
		for _, tag := range p.Channels {
			if err := tags.Check(tag); err != nil {
				return nil, badChannel(tag, err)
			}
		}
		total += len(p.Channels)
	}
	if total > maxPublishes {
		return bad("one request publishes at most 1000 messages")
	}
	return list, nil
}

func writeError(w http.ResponseWriter, status int, code Code, message string) {
	writeJSON(w, status, map[string]any{"error": &wireError{Code: code, Message: message}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone, if it fails
}
