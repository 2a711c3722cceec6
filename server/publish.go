package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"

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
	Durable  bool            `json:"durable"` // the broker keeps it
}

// published says how many sessions of this node a message was for, and the id
// of one that is kept.
type published struct {
	Sessions int    `json:"sessions"`
	ID       string `json:"id,omitempty"`
}

// servePublish is POST /api/publish: all of the request is checked before any
// of it is published. The answer is {"channels": {tag: {"sessions": n, "id": id}}}.
func (s *Server) servePublish(w http.ResponseWriter, r *http.Request) {
	switch publish := s.rules.Load().publish; {
	case len(publish) == 0:
		writeError(w, http.StatusForbidden, CodeForbidden, "publishing by HTTP is off: --publish-key turns it on")
		return
	case !publish.open(r):
		w.Header().Set("WWW-Authenticate", "Bearer")
		writeError(w, http.StatusUnauthorized, CodeForbidden, "this takes the publish key: Authorization: Bearer …")
		return
	}
	if !takesBody(r) {
		writeError(w, http.StatusUnsupportedMediaType, CodeBadRequest, "this takes JSON, uncompressed: Content-Type: application/json")
		return
	}
	list, ok := s.readPublications(w, r)
	if !ok {
		return
	}
	ctx, span := s.config.Tracer.Publish(r)
	var err error
	defer func() { span.End(err) }()
	answer := make(map[string]published)
	for _, p := range list {
		for _, tag := range p.Channels {
			var id string
			id, err = s.publishOne(ctx, tag, p)
			if err != nil {
				s.log.WithError(err).Warn("a message could not be published")
				writeError(w, http.StatusServiceUnavailable, CodeUnavailable, "the broker cannot be reached")
				return
			}
			answer[tag] = published{answer[tag].Sessions + s.channels.Clients(tag), id}
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"channels": answer})
}

// publishOne passes a message to the broker. Its id is empty if it is not kept.
func (s *Server) publishOne(ctx context.Context, tag string, p publication) (id string, err error) {
	ctx, span := s.config.Tracer.Broker(ctx, tag, p.Data)
	defer func() { span.End(err) }()
	if !p.Durable {
		_, err = s.broker.Publish(ctx, tag, p.Data)
		return "", err
	}
	keeper, can := s.broker.(interface {
		Keep(ctx context.Context, tag string, data []byte) (id string, err error)
	})
	if !can {
		return "", errors.New("server: this broker keeps no messages")
	}
	return keeper.Keep(ctx, tag, p.Data)
}

// takesBody reports whether a body may be read: its type is JSON or is not said,
// and it is not compressed.
func takesBody(r *http.Request) bool {
	coding := r.Header.Get("Content-Encoding")
	return (coding == "" || strings.EqualFold(coding, "identity")) && (r.Header.Get("Content-Type") == "" || isJSON(r))
}

func (s *Server) readPublications(w http.ResponseWriter, r *http.Request) ([]publication, bool) {
	body, limit := new(bytes.Buffer), int64(s.config.MaxPublish)+4<<10
	var err error = &http.MaxBytesError{Limit: limit}
	if r.ContentLength <= limit { // else nothing of it is read
		_, err = body.ReadFrom(http.MaxBytesReader(w, r.Body, limit))
	}
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.refusals.add(limitPublish)
		writeError(w, http.StatusRequestEntityTooLarge, CodeBadRequest, "the request is larger than a publish may be")
		return nil, false
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.refusals.add(limitPublishBody)
		writeError(w, http.StatusRequestTimeout, CodeBadRequest, "the request took too long to come")
		return nil, false
	case err != nil:
		writeError(w, http.StatusBadRequest, CodeBadRequest, "the request could not be read")
		return nil, false
	}
	list, fault := parsePublications(body.Bytes())
	if fault != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": fault})
		return nil, false
	}
	for _, p := range list {
		switch {
		case len(p.Data) > s.config.MaxPublish:
			s.refusals.add(limitPublish)
			writeError(w, http.StatusRequestEntityTooLarge, CodeBadRequest, "the data is larger than a publish may be")
			return nil, false
		case tooDeep(p.Data):
			s.counters.tooDeep.Add(1)
			writeError(w, http.StatusBadRequest, CodeBadRequest, "the data is nested too deeply")
			return nil, false
		}
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
	if n, ok := w.(*noted); ok {
		n.code = code
	}
	writeJSON(w, status, map[string]any{"error": &wireError{Code: code, Message: message}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone, if it fails
}
