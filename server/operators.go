package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sb-stream/stream-server/internal/tags"
)

// Limits of the operators' API.
const (
	maxOperation = 16 << 10 // bytes of a body
	pageLimit    = 1000     // items of a page
	defaultLimit = 100      // items of a page, if limit does not say
	aloneNoKey   = "other nodes are asked only with --cluster-key"
	aloneBroker  = "the broker cannot be reached"
)

// A reach says how many of the nodes an answer is of.
type reach struct {
	Nodes    int    `json:"nodes"`
	Answered int    `json:"answered"`
	Alone    string `json:"alone,omitempty"` // why other nodes, if there are any, were not asked

	Error *wireError `json:"error,omitempty"`
}

// complete reports whether there can be no other node that has more to say.
func (a reach) complete() bool { return a.Answered == a.Nodes && a.Alone != aloneBroker }

// askNodes asks every node.
func askNodes[A any](s *Server, r *http.Request, kind string, q any) ([]A, reach) {
	answers, nodes, err := s.nodes.ask(r.Context(), kind, q)
	list := decodeAll[A](answers)
	about := reach{Nodes: nodes, Answered: len(list)}
	switch {
	case err != nil:
		s.log.WithError(err).Warn("other nodes could not be asked")
		about.Alone = aloneBroker
	case s.nodes.seal == nil && !s.config.Redis.Embedded:
		about.Alone = aloneNoKey
	}
	return list, about
}

// nobody is the status and the error of a question about somebody whom no node
// knows, unless one that has not answered might.
func (a reach) nobody(message string) (int, *wireError) {
	if !a.complete() {
		return http.StatusServiceUnavailable, &wireError{Code: CodeUnavailable, Message: "not every node has answered: ask again"}
	}
	return http.StatusNotFound, &wireError{Code: CodeNotFound, Message: message}
}

// serveDisconnect is POST /api/disconnect, of {"session": id} or {"member": id}.
// The answer is {"sessions": n, "nodes": n, "answered": n}; 503 unless every
// node has answered, so that nobody takes for done what is not.
func (s *Server) serveDisconnect(w http.ResponseWriter, r *http.Request) {
	s.serveRevoke(w, r, "disconnect")
}

// serveUnsubscribe is POST /api/unsubscribe, of {"session" or "member": id,
// "channel": tag}. The answer is that of serveDisconnect.
func (s *Server) serveUnsubscribe(w http.ResponseWriter, r *http.Request) {
	s.serveRevoke(w, r, "unsubscribe")
}

func (s *Server) serveRevoke(w http.ResponseWriter, r *http.Request, kind string) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOperation))
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		writeError(w, status, CodeBadRequest, "the request could not be read")
		return
	}
	q, fault := parseRevocation(body, kind == "unsubscribe")
	if fault != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": fault})
		return
	}
	answers, about := askNodes[revoked](s, r, kind, q)
	total := revoked{}
	for _, a := range answers {
		total.Found += a.Found
		total.Sessions += a.Sessions
	}
	s.log.WithField("sessions", total.Sessions).Info("an operator asked to " + kind)
	status := http.StatusOK
	switch {
	case !about.complete():
		status = http.StatusServiceUnavailable
		about.Error = &wireError{Code: CodeUnavailable, Message: "not every node has answered: ask again"}
	case total.Found == 0:
		status, about.Error = about.nobody("there is no such session")
	}
	writeJSON(w, status, struct {
		Sessions int `json:"sessions"`
		reach
	}{total.Sessions, about})
}

// parseRevocation reads who is meant, and for unsubscribe the channel.
func parseRevocation(body []byte, channel bool) (q revocation, fault *wireError) {
	form := `{"session": id} or {"member": id}`
	if channel {
		form = `{"session": id, "channel": tag} or {"member": id, "channel": tag}`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&q) != nil || !errors.Is(d.Decode(new(json.RawMessage)), io.EOF) ||
		(q.Session == "") == (q.Member == "") || !channel && q.Channel != "" {
		return revocation{}, &wireError{Code: CodeBadRequest, Message: "the body is no " + form}
	}
	if channel {
		if err := tags.Check(q.Channel); err != nil {
			return revocation{}, badChannel(q.Channel, err)
		}
	}
	return q, nil
}

// serveChannels is GET /api/channels?prefix=&after=&limit=: {"channels":
// [{"channel": tag, "sessions": n}, …], "next": tag, …} by the bytes of the tags.
// next, if there is more, is what after has to be.
func (s *Server) serveChannels(w http.ResponseWriter, r *http.Request) {
	q, fault := parsePage(r.URL.RawQuery)
	if fault != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": fault})
		return
	}
	pages, about := askNodes[pageOf[heardChannel]](s, r, "channels", q)
	items, next := mergePages(pages, q.Limit, func(c heardChannel) string { return c.Channel },
		func(a, b heardChannel) heardChannel { return heardChannel{a.Channel, a.Sessions + b.Sessions} })
	writeJSON(w, http.StatusOK, struct {
		Channels []heardChannel `json:"channels"`
		Next     string         `json:"next,omitempty"`
		reach
	}{items, next, about})
}

// serveChannel is GET /api/channels/{tag}: {"channel": tag, "sessions": n,
// "members": n, …}. Guests are sessions and no members. The members are exact
// unless "estimated" is there.
func (s *Server) serveChannel(w http.ResponseWriter, r *http.Request) {
	tag := r.PathValue("tag")
	if err := tags.Check(tag); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": badChannel(tag, err)})
		return
	}
	answers, about := askNodes[channelCount](s, r, "channel", channelQuestion{tag})
	sessions := 0
	sketches := make([]sketch, len(answers))
	for i, a := range answers {
		sessions += a.Sessions
		sketches[i] = a.sketch
	}
	status := http.StatusOK
	if sessions == 0 {
		status, about.Error = about.nobody("nobody hears this channel")
	}
	members, exact := countMembers(sketches)
	writeJSON(w, status, struct {
		Channel   string `json:"channel"`
		Sessions  int    `json:"sessions"`
		Members   int    `json:"members"`
		Estimated bool   `json:"estimated,omitempty"`
		reach
	}{tag, sessions, members, !exact, about})
}

// serveMember is GET /api/members/{id}?after=&limit=: {"member": id, "sessions":
// [{"id", "transport", "protocol", "channels", "node"}, …], "next": id, …} by the
// ids. It takes the id of a guest too.
func (s *Server) serveMember(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	q, fault := parsePage(r.URL.RawQuery)
	if fault == nil && (!utf8.ValidString(id) || q.Prefix != "") {
		fault = &wireError{Code: CodeBadRequest, Message: "name a member, and no prefix"}
	}
	if fault != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": fault})
		return
	}
	answers, about := askNodes[memberSessions](s, r, "member", memberQuestion{id, q})
	found := 0
	pages := make([]pageOf[memberSession], len(answers))
	for i, a := range answers {
		found += a.Found
		pages[i] = a.pageOf
	}
	items, next := mergePages(pages, q.Limit, func(a memberSession) string { return a.ID },
		func(a, _ memberSession) memberSession { return a })
	status := http.StatusOK
	if found == 0 {
		status, about.Error = about.nobody("there is no such member")
	}
	writeJSON(w, status, struct {
		Member   string          `json:"member"`
		Sessions []memberSession `json:"sessions"`
		Next     string          `json:"next,omitempty"`
		reach
	}{id, items, next, about})
}

// parsePage reads prefix, after and limit.
func parsePage(query string) (q pageQuestion, fault *wireError) {
	values, err := url.ParseQuery(query)
	q = pageQuestion{Prefix: values.Get("prefix"), After: values.Get("after"), Limit: defaultLimit}
	if text := values.Get("limit"); err == nil && values.Has("limit") {
		q.Limit, err = strconv.Atoi(text)
	}
	switch {
	case err != nil, q.Limit < 1, q.Limit > pageLimit:
		return q, &wireError{Code: CodeBadRequest, Message: "limit is a number from 1 to 1000"}
	case len(q.Prefix) > tags.Max, len(q.After) > tags.Max, !utf8.ValidString(q.Prefix + q.After):
		return q, &wireError{Code: CodeBadRequest, Message: "prefix and after are text of at most 255 bytes"}
	}
	return q, nil
}
