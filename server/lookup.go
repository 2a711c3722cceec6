package server

import (
	"cmp"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/sb-stream/stream-server/internal/tags"
)

// A hearingQuestion asks for the sessions of a channel.
type hearingQuestion struct {
	Channel string `json:"channel"`
	pageQuestion
}

// hearingSessions answers it.
type hearingSessions struct {
	Sessions int `json:"sessions"` // on all pages
	pageOf[hearingSession]
}

// A hearingSession is one session of a channel as operators see it.
type hearingSession struct {
	ID        string `json:"id"` // the public one
	Member    string `json:"member"`
	Transport string `json:"transport"`
	Protocol  int    `json:"protocol"` // version of Engine.IO; 1 is Socket.IO 0.9
	Node      string `json:"node"`
}

// listHearing looks at every session of the channel, and keeps those of the page.
func (s *Server) listHearing(q hearingQuestion) hearingSessions {
	limit := min(max(q.Limit, 1), pageLimit)
	var list []*client
	last := "" // of the list, once it is full
	tidy := func() {
		slices.SortFunc(list, func(a, b *client) int { return cmp.Compare(a.ID(), b.ID()) })
		if len(list) > limit { // one more says whether there are more
			list = list[:limit+1]
			last = list[limit].ID()
		}
	}
	for c := range s.channels.Hearing(q.Channel) {
		c, ok := c.(*client)
		if !ok || c.ID() <= q.After || last != "" && c.ID() >= last {
			continue
		}
		if list = append(list, c); len(list) > 2*(limit+1) {
			tidy()
		}
	}
	tidy()
	items := make([]hearingSession, len(list))
	for i, c := range list {
		items[i] = hearingSession{c.ID(), c.identity().Member, c.session.Transport(), int(c.session.Version()), s.nodes.id}
	}
	return hearingSessions{s.channels.Clients(q.Channel), newPage(items, limit, s.nodes.room()-64)}
}

// serveHearing is GET /api/channels/{tag}/sessions?after=&limit=: {"channel": tag,
// "total": n, "sessions": [{"id", "member", "transport", "protocol", "node"}, …],
// "next": id, …} by the ids.
func (s *Server) serveHearing(w http.ResponseWriter, r *http.Request) {
	tag := r.PathValue("tag")
	q, fault := parsePage(r.URL.RawQuery)
	if err := tags.Check(tag); err != nil {
		fault = badChannel(tag, err)
	} else if fault == nil && q.Prefix != "" {
		fault = &wireError{Code: CodeBadRequest, Message: "sessions have no prefix"}
	}
	if fault != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": fault})
		return
	}
	answers, about := askNodes[hearingSessions](s, r, "hearing", hearingQuestion{tag, q})
	total := 0
	pages := make([]pageOf[hearingSession], len(answers))
	for i, a := range answers {
		total += a.Sessions
		pages[i] = a.pageOf
	}
	items, next := mergePages(pages, q.Limit, func(a hearingSession) string { return a.ID },
		func(a, _ hearingSession) hearingSession { return a })
	status := http.StatusOK
	if total == 0 {
		status, about.Error = about.nobody("nobody hears this channel")
	}
	writeJSON(w, status, struct {
		Channel  string           `json:"channel"`
		Total    int              `json:"total"`
		Sessions []hearingSession `json:"sessions"`
		Next     string           `json:"next,omitempty"`
		reach
	}{tag, total, items, next, about})
}

// A sessionQuestion asks for one session, and foundSession answers.
type sessionQuestion struct {
	Session string `json:"session"`
}

type foundSession struct {
	Found   bool          `json:"found"`
	Member  string        `json:"member"`
	Session memberSession `json:"session"`
}

func (s *Server) findSession(q sessionQuestion) foundSession {
	list := s.find(q.Session, "")
	if q.Session == "" || len(list) == 0 {
		return foundSession{}
	}
	member := list[0].identity().Member
	return foundSession{true, member, s.describe(list[0], s.nodes.room()-sizeOf(member)-64)}
}

// serveSession is GET /api/sessions/{id}: {"member": id, "session": {"id",
// "transport", "protocol", "channels", "node"}, …}.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !utf8.ValidString(id) {
		writeError(w, http.StatusBadRequest, CodeBadRequest, "name a session")
		return
	}
	answers, about := askNodes[foundSession](s, r, "session", sessionQuestion{id})
	status := http.StatusOK
	i := slices.IndexFunc(answers, func(a foundSession) bool { return a.Found })
	answer := struct {
		Member  string         `json:"member,omitempty"`
		Session *memberSession `json:"session,omitempty"`
		reach
	}{reach: about}
	if i < 0 {
		status, answer.Error = about.nobody("there is no such session")
	} else {
		answer.Member, answer.Session = answers[i].Member, &answers[i].Session
	}
	writeJSON(w, status, answer)
}
