package server

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/tags"
)

// Limits of why.
const (
	whyMessages = 100 // of a channel, at most
	whyDefault  = 10  // of a channel, if limit does not say
	whySessions = 8   // of a member
	whyEvents   = 50  // of those sessions, or of the channel
)

// A whyQuestion asks what became of the newest messages of a channel, and why a
// session, or those of a member, did or did not get them.
type whyQuestion struct {
	Channel string `json:"channel"`
	Who     string `json:"who,omitempty"` // public id of a session, or a member
	Limit   int    `json:"limit"`
}

// A whyAnswer is what one node knows.
type whyAnswer struct {
	Node     string       `json:"node"`
	Heard    bool         `json:"heard"`             // this node listens to the channel
	Live     bool         `json:"live"`              // and what is published arrives
	Sessions int          `json:"sessions"`          // that hear it now
	Kept     int          `json:"kept"`              // messages in its history
	Rate     float64      `json:"rate"`              // messages a second, of late
	Known    int          `json:"known,omitempty"`   // sessions of who that this node knows, ended ones too
	Since    *time.Time   `json:"since,omitempty"`   // events before are forgotten
	Messages []whyMessage `json:"messages"`          // oldest first
	Events   []whyEvent   `json:"events"`            // of who, or of the channel; oldest first
	Omitted  int          `json:"omitted,omitempty"` // older messages for which there was no room
	Earlier  bool         `json:"earlier,omitempty"` // there were older messages
}

// A whyMessage is what became of one message on the node: of the sessions that
// heard the channel, waited had to wait for their connection or their next poll,
// dropped were closed as slow, and ended had gone already.
type whyMessage struct {
	Position channels.Position `json:"position"`
	At       time.Time         `json:"at"`
	Bytes    int               `json:"bytes"`
	By       string            `json:"by"` // publish or stream
	Sending  bool              `json:"sending,omitempty"`
	Sessions int               `json:"sessions"`
	Written  int               `json:"written"` // at once
	Waited   int               `json:"waited"`
	Dropped  int               `json:"dropped"`
	Ended    int               `json:"ended"`
	Who      []verdict         `json:"who,omitempty"`

	number uint64
}

// A verdict is why one session did or did not get one message.
type verdict struct {
	Session string     `json:"session"` // public id, or "ended" of one whose name nobody knows any more
	Got     bool       `json:"got"`
	Why     string     `json:"why"`              // a word: see whyWords
	Reason  string     `json:"reason,omitempty"` // of refused, ended and revoked
	At      *time.Time `json:"at,omitempty"`     // of the event that decided it
}

// A whyEvent is a line of the flight recorder.
type whyEvent struct {
	At       time.Time `json:"at"`
	Event    string    `json:"event"`
	Session  string    `json:"session,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Replayed int       `json:"replayed,omitempty"`
}

// What a verdict may say.
const (
	whySent          = "sent"           // it heard the channel, and the message was sent to it
	whyWaited        = "waited"         // the same, after it had waited for the connection
	whyReplayed      = "replayed"       // it was away, came back, and got it then
	whyDropped       = "slow"           // it was closed because too much waited for it
	whyNotConnected  = "not_connected"  // it began later
	whyNotSubscribed = "not_subscribed" // it did not hear the channel
	whyRefused       = "refused"        // it asked to, and may not
	whyRevoked       = "revoked"        // it heard it, until that was taken away
	whyEnded         = "ended"          // it had ended
	whyUnknown       = "unknown"        // that is too long ago
)

// why is this node's answer.
func (s *Server) why(q whyQuestion) whyAnswer {
	known := s.channels.Record(q.Channel, min(max(q.Limit, 1), whyMessages))
	a := whyAnswer{
		Node: s.nodes.id, Heard: known.Heard, Live: known.Live, Sessions: known.Clients,
		Kept: known.Kept, Rate: round(known.Load.Rate),
		Messages: make([]whyMessage, len(known.Fates)), Events: []whyEvent{}, Earlier: known.After > 0,
	}
	for i, f := range known.Fates {
		a.Messages[i] = newWhyMessage(f)
	}
	var events []record
	var since time.Time
	if q.Who == "" {
		events, since = s.channelEvents(q.Channel)
		a.Events = s.whyEvents(events, nil)
	} else {
		var sessions []*suspect
		sessions, since = s.suspects(q.Who)
		a.Known = len(sessions)
		sessions = sessions[max(0, len(sessions)-whySessions):]
		channel := s.blackBox.hash(q.Channel)
		names := make(map[uint64]string, len(sessions))
		for _, one := range sessions {
			names[one.hash] = one.name
			one.only(channel)
			events = append(events, one.events...)
			for i := range a.Messages {
				a.Messages[i].Who = append(a.Messages[i].Who, s.judge(one, q.Channel, a.Messages, i))
			}
		}
		slices.SortStableFunc(events, func(a, b record) int { return cmp.Compare(a.at, b.at) })
		a.Events = s.whyEvents(events, names)
	}
	if !since.IsZero() {
		a.Since = &since
	}
	for len(a.Messages) > 0 && sizeOf(a) > s.nodes.room() {
		half := (len(a.Messages) + 1) / 2
		a.Messages = a.Messages[half:]
		a.Omitted += half
	}
	return a
}

func newWhyMessage(f channels.Fate) whyMessage {
	m := whyMessage{
		Position: f.Position, At: f.At.UTC(), Bytes: f.Bytes, By: "publish", Sending: f.Sending, number: f.Number,
		Sessions: f.Clients, Waited: f.Waited, Dropped: f.Dropped, Ended: f.Ended,
	}
	if f.Kept {
		m.By = "stream"
	}
	if !m.Sending {
		m.Written = max(0, f.Clients-f.Waited-f.Dropped-f.Ended)
	}
	return m
}

// channelEvents is what happened on a channel.
func (s *Server) channelEvents(tag string) ([]record, time.Time) {
	channel := s.blackBox.hash(tag)
	return s.blackBox.read(func(e *record) bool {
		return e.channel == channel || e.deed == deedGap && e.channel == 0
	})
}

// whyEvents is the newest of the events, as they are shown; names are those of
// sessions by their hashes.
func (s *Server) whyEvents(events []record, names map[uint64]string) []whyEvent {
	events = events[max(0, len(events)-whyEvents):]
	list := make([]whyEvent, len(events))
	for i, e := range events {
		list[i] = whyEvent{
			At: time.UnixMilli(e.at).UTC(), Event: deedNames[e.deed], Session: names[e.session],
			Reason: s.blackBox.reason(e), Replayed: int(e.count),
		}
	}
	return list
}

// WhyResult is the answer of GET /api/why/{tag}.
type WhyResult struct {
	Channel string      `json:"channel"`
	Who     string      `json:"who,omitempty"`
	On      []whyAnswer `json:"on"` // by node
	reach
}

// serveWhy is GET /api/why/{tag}?who=&limit=: what every node knows of the
// newest messages of a channel, and of a session or member. It is 404 if no node
// knows of either.
func (s *Server) serveWhy(w http.ResponseWriter, r *http.Request) {
	q, fault := parseWhy(r.PathValue("tag"), r.URL.RawQuery)
	if fault != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": fault})
		return
	}
	answers, about := askNodes[whyAnswer](s, r, "why", q)
	status, known := http.StatusOK, false
	for _, a := range answers {
		known = known || a.Heard && q.Who == "" || a.Known > 0 || len(a.Events) > 0
	}
	if !known {
		status, about.Error = about.nobody("no node knows of it: nobody has heard this channel, or has been this session or member")
	}
	slices.SortFunc(answers, func(a, b whyAnswer) int { return cmp.Compare(a.Node, b.Node) })
	writeJSON(w, status, WhyResult{q.Channel, q.Who, answers, about})
}

func parseWhy(tag, query string) (q whyQuestion, fault *wireError) {
	if err := tags.Check(tag); err != nil {
		return q, badChannel(tag, err)
	}
	values, err := url.ParseQuery(query)
	q = whyQuestion{Channel: tag, Who: values.Get("who"), Limit: whyDefault}
	if text := values.Get("limit"); err == nil && values.Has("limit") {
		q.Limit, err = strconv.Atoi(text)
	}
	switch {
	case err != nil, q.Limit < 1, q.Limit > whyMessages:
		return q, &wireError{Code: CodeBadRequest, Message: "limit is a number from 1 to " + strconv.Itoa(whyMessages)}
	case !utf8.ValidString(q.Who):
		return q, &wireError{Code: CodeBadRequest, Message: "who is the id of a session, or a member"}
	}
	return q, nil
}
