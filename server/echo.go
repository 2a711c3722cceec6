package server

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/sb-stream/stream-server/channels/dialect"
	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/server/presence"
	"github.com/sb-stream/stream-server/server/socketio"
)

// Laravel Echo subscribes with {channel, auth: {headers}}, asks for no ack, and
// hears events with the channel's name before their data.

// maxHeaderValue is how many bytes a header may have that a page sends with a
// subscription.
const maxHeaderValue = 8 << 10

// echo is what Laravel Echo says; none if the event is another client's.
type echo struct {
	Channel string `json:"channel"`
	Auth    struct {
		Headers map[string]json.RawMessage `json:"headers"`
	} `json:"auth"`
}

// echo reads what Laravel Echo sends in the place of a channel's name.
func (s *Server) echo(e *socketio.Event) *echo {
	if !s.config.Echo || len(e.Args) == 0 || e.Args[0][0] != '{' {
		return nil
	}
	said := &echo{}
	if json.Unmarshal(e.Args[0], said) != nil || said.Channel == "" {
		return nil
	}
	return said
}

// tags are the channels that an event names first, as Laravel Echo does or others.
func (s *Server) tags(e *socketio.Event, most int) ([]string, error) {
	said := s.echo(e)
	if said == nil {
		return tagsOf(e, most)
	}
	if err := tags.Check(said.Channel); err != nil {
		return nil, badChannel(said.Channel, err)
	}
	return []string{said.Channel}, nil
}

// header is what the page is known by of the web server; nil if there is nothing.
func (e *echo) header() http.Header {
	if e == nil {
		return nil
	}
	var h http.Header
	for _, name := range identity.Headers {
		for given, raw := range e.Auth.Headers {
			var value string
			if http.CanonicalHeaderKey(given) != http.CanonicalHeaderKey(name) || json.Unmarshal(raw, &value) != nil ||
				value == "" || len(value) > maxHeaderValue || !isHeaderValue(value) {
				continue
			}
			if h == nil {
				h = make(http.Header)
			}
			h.Set(name, value)
		}
	}
	return h
}

// isHeaderValue reports whether a value is of visible ASCII and spaces.
func isHeaderValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// The events by which Laravel Echo knows who is in a channel of presence: each has
// the channel first, and what the application says of somebody, or the list of it.
const (
	echoHere    = "presence:subscribed"
	echoJoining = "presence:joining"
	echoLeaving = "presence:leaving"
)

// presence is in which channels Laravel Echo is to be shown: those in which the
// application has named who it is.
func (e *echo) presence(who identity.Who) map[string]bool {
	if _, guest := who.In(e.Channel); guest || !strings.HasPrefix(e.Channel, identity.PresencePrefix) {
		return nil
	}
	return map[string]bool{e.Channel: true}
}

// echoPresence is the news as Laravel Echo hears it; nil if it is of nobody, or
// of more than are named.
func echoPresence(n presence.News) *socketio.Message {
	channel := mustJSON(n.Channel)
	switch {
	case !n.Named:
		return nil
	case n.Event == presence.EventAll:
		return socketio.NewMessage("/", echoHere, channel, mustJSON(append([]json.RawMessage{}, n.Said...)))
	}
	event := echoJoining
	if n.Event == presence.EventLeave {
		event = echoLeaving
	}
	var list []*socketio.Message
	for _, said := range n.Said {
		list = append(list, socketio.NewMessage("/", event, channel, said))
	}
	if len(list) == 0 {
		return nil
	}
	return socketio.Batch("", list...)
}

// whisper is Echo's "client event": {channel, event: "client-…", data}, for the
// others who hear a private channel that the client hears itself.
func (s *Server) whisper(c *client, e *socketio.Event) error {
	var said struct {
		Channel string          `json:"channel"`
		Event   string          `json:"event"`
		Data    json.RawMessage `json:"data"`
	}
	if len(e.Args) == 0 || json.Unmarshal(e.Args[0], &said) != nil || !strings.HasPrefix(said.Event, "client-") {
		return &wireError{Code: CodeBadRequest, Message: "a client event is {channel, event, data}, and the event begins with client-"}
	}
	if !s.rules.Load().policy.isPrivate(said.Channel) || !slices.Contains(c.hears(), said.Channel) {
		return &wireError{Code: CodeForbidden, Message: "client events are for private channels that one hears"}
	}
	text := dialect.Message{Event: said.Event, Data: said.Data, Socket: c.ID()}.Encode()
	return c.inLine(func() (waits func()) {
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
			defer cancel()
			if _, err := s.broker.Publish(ctx, said.Channel, text); err != nil {
				s.log.WithError(err).Warn("a client event could not be published")
			}
		}
	})
}

// refuseEcho tells Laravel Echo that it does not hear a channel, as the server it
// comes from does.
func (c *client) refuseEcho(fault *wireError) {
	if c.ear.wants() != asEcho || fault.Channel == "" {
		return
	}
	status := http.StatusForbidden
	if fault.Code == CodeUnavailable {
		status = http.StatusServiceUnavailable
	}
	c.Emit("subscription_error", fault.Channel, status)
}
