package server

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/sb-stream/stream-server/internal/tags"
)

// An audienceQuestion asks which members hear a channel, and audience answers.
type audienceQuestion struct {
	Channel string `json:"channel"`
	pageQuestion
}

type audience struct {
	Sessions int    `json:"sessions"`
	Guests   sketch `json:"guests"`
	pageOf[listener]
}

// A listener is a member who hears a channel.
type listener struct {
	Member   string `json:"member"`
	Sessions int    `json:"sessions"` // that hear it
	Present  bool   `json:"present"`  // and are shown to be there: they subscribed with presence
}

// listMembers walks the sessions of a channel. Nobody waits for that but the
// operator.
func (s *Server) listMembers(q audienceQuestion) audience {
	found := make(map[string]listener)
	var guests []uint64
	sessions := 0
	for one := range s.channels.Hearing(q.Channel) {
		c, ok := one.(*client)
		if !ok {
			continue
		}
		sessions++
		who := c.identity()
		switch {
		case who.Guest():
			guests = append(guests, hashMember(who.Member))
		case who.Member > q.After && strings.HasPrefix(who.Member, q.Prefix):
			l := found[who.Member]
			found[who.Member] = listener{who.Member, l.Sessions + 1, l.Present || c.attending(q.Channel)}
		}
	}
	items := make([]listener, 0, len(found))
	for _, l := range found {
		items = append(items, l)
	}
	slices.SortFunc(items, func(a, b listener) int { return cmp.Compare(a.Member, b.Member) })
	room := s.nodes.room() - 128 // for what is around the page
	// 8 bytes are 11 in base64; the members get what the guests leave.
	counted := newSketch(guests, min(maxHashes, room/2/11))
	return audience{sessions, counted, newPage(items, min(max(q.Limit, 1), pageLimit), room-11*len(counted.Hashes)/8)}
}

// serveMembers is GET /api/channels/{tag}/members?prefix=&after=&limit=:
// {"channel": tag, "members": [{"member", "sessions", "present"}, …], "guests": n,
// "next": id, …} by the ids. It is of everybody who hears the channel. The guests
// are exact unless "estimated" is there.
func (s *Server) serveMembers(w http.ResponseWriter, r *http.Request) {
	tag := r.PathValue("tag")
	q, fault := parsePage(r.URL.RawQuery)
	if err := tags.Check(tag); err != nil {
		fault = badChannel(tag, err)
	}
	if fault != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": fault})
		return
	}
	answers, about := askNodes[audience](s, r, "members", audienceQuestion{tag, q})
	sessions := 0
	pages := make([]pageOf[listener], len(answers))
	sketches := make([]sketch, len(answers))
	for i, a := range answers {
		sessions += a.Sessions
		pages[i], sketches[i] = a.pageOf, a.Guests
	}
	items, next := mergePages(pages, q.Limit, func(l listener) string { return l.Member }, func(a, b listener) listener {
		return listener{a.Member, a.Sessions + b.Sessions, a.Present || b.Present}
	})
	guests, exact := countMembers(sketches)
	status := http.StatusOK
	if sessions == 0 {
		status, about.Error = about.nobody("nobody hears this channel")
	}
	writeJSON(w, status, struct {
		Channel   string     `json:"channel"`
		Members   []listener `json:"members"`
		Guests    int        `json:"guests"`
		Estimated bool       `json:"estimated,omitempty"`
		Next      string     `json:"next,omitempty"`
		reach
	}{tag, items, guests, !exact, next, about})
}
