package server

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/socketio"
)

// An ack is the answer to subscribe, unsubscribe and identify.
type ack struct {
	OK       bool                  `json:"ok"`
	Channels map[string]subscribed `json:"channels,omitempty"`
	Error    *wireError            `json:"error,omitempty"`
}

// subscribed is what the ack says of one channel.
type subscribed struct {
	Position  channels.Position `json:"position"`
	Recovered bool              `json:"recovered"`
	Replayed  int               `json:"replayed"`
	Live      *bool             `json:"live,omitempty"` // false: the broker has not confirmed yet, $gap follows
}

// handle registers what clients may say (DESIGN.md section 2).
func (s *Server) handle(io *socketio.Server) {
	io.Use("/", s.identify)
	io.OnConnect("/", s.connected)
	io.OnDisconnect("/", s.disconnected)
	io.OnError("/", func(_ socketio.Conn, err error) { s.log.WithError(err).Error("a handler failed") })
	on := func(event string, f func(*client, *socketio.Event) error) {
		io.OnEvent("/", event, func(conn socketio.Conn, e *socketio.Event) {
			if err := f(conn.Context().(*client), e); err != nil {
				e.AckJSON(mustJSON(ack{Error: asWireError(err)}))
			}
		})
	}
	on("subscribe", s.subscribe)
	on("message", s.subscribe) // the original's way: socket.send(channel)
	on("unsubscribe", s.unsubscribe)
	on("identify", s.reidentify)
}

// identify finds out who connects, and refuses a bad token.
func (s *Server) identify(conn socketio.Conn) error {
	member, err := s.identity.find(credentialsOf(conn))
	if err != nil {
		e := asWireError(err)
		return &socketio.Refusal{Message: e.Message, Data: e}
	}
	conn.SetContext(newClient(conn, member))
	conn.ForgetHandshake() // its credentials have been read
	return nil
}

// connected puts the session into the map and tells the client who it is.
func (s *Server) connected(conn socketio.Conn) error {
	c := conn.Context().(*client)
	s.sessions.Add(c.ID(), c)
	s.tellSession(c, c.member)
	return nil
}

// tellSession tells the client who it is taken for.
func (s *Server) tellSession(c *client, member string) {
	c.conn.Send(socketio.NewMessage("/", "$session", mustJSON(session{ID: c.ID(), Member: member, Guest: s.identity.token(member)})))
}

// session is the argument of $session.
type session struct {
	ID     string `json:"id"`
	Member string `json:"member"`
	Guest  string `json:"guest,omitempty"` // the token that makes the same guest again
}

// disconnected takes the session out of both maps.
func (s *Server) disconnected(conn socketio.Conn, _ string) {
	c := conn.Context().(*client)
	s.sessions.Remove(c.ID())
	c.leave(s.channels)
}

// subscribe accepts the comet request.
func (s *Server) subscribe(c *client, e *socketio.Event) error {
	tags, err := s.tags(e)
	if err != nil {
		return err
	}
	subscriptions, err := c.hear(s.channels, tags, s.config.MaxChannels)
	if err != nil {
		return err
	}
	if allLive(subscriptions) {
		e.AckJSON(mustJSON(subscribedTo(tags, subscriptions)))
		return nil
	}
	go s.ackWhenLive(c, e, tags, subscriptions)
	return nil
}

// ackWhenLive answers once the broker has confirmed, and after ackTimeout in
// any case. It ends then, or with the client.
func (*Server) ackWhenLive(c *client, e *socketio.Event, tags []string, subscriptions []channels.Subscription) {
	gone := c.gone()
	defer c.stay()
	timeout := time.NewTimer(ackTimeout)
	defer timeout.Stop()
	for _, sub := range subscriptions {
		select {
		case <-sub.Live:
		case <-gone:
			return
		case <-timeout.C:
			e.AckJSON(mustJSON(subscribedTo(tags, subscriptions)))
			return
		}
	}
	e.AckJSON(mustJSON(subscribedTo(tags, subscriptions)))
}

func allLive(subscriptions []channels.Subscription) bool {
	for _, sub := range subscriptions {
		select {
		case <-sub.Live:
		default:
			return false
		}
	}
	return true
}

// subscribedTo is the ack. Channels that are not live are told so, and that
// they are to get $gap when they are.
func subscribedTo(tags []string, subscriptions []channels.Subscription) ack {
	a := ack{OK: true, Channels: make(map[string]subscribed, len(subscriptions))}
	for i, sub := range subscriptions {
		answer := subscribed{Position: sub.Position}
		if sub.Early() {
			answer.Live = new(bool)
		}
		a.Channels[tags[i]] = answer
	}
	return a
}

func (s *Server) unsubscribe(c *client, e *socketio.Event) error {
	tags, err := s.tags(e)
	if err != nil {
		return err
	}
	c.unhear(s.channels, tags)
	e.AckJSON(mustJSON(ack{OK: true}))
	return nil
}

// reidentify makes a guest a member, or renews a token, in place.
func (s *Server) reidentify(c *client, e *socketio.Event) error {
	var token string
	if len(e.Args) == 0 || json.Unmarshal(e.Args[0], &token) != nil || token == "" {
		return &wireError{Code: CodeBadRequest, Message: "identify takes a token"}
	}
	member, err := s.identity.member(token)
	if err != nil {
		return err
	}
	c.setMember(member)
	s.tellSession(c, member)
	e.AckJSON(mustJSON(ack{OK: true}))
	return nil
}

// tags reads the channel, or the list of them, that an event names first.
func (s *Server) tags(e *socketio.Event) ([]string, error) {
	if len(e.Args) == 0 {
		return nil, &wireError{Code: CodeBadRequest, Message: "name a channel, or a list of them"}
	}
	var list []string
	var tag string
	switch arg := e.Args[0]; {
	case json.Unmarshal(arg, &tag) == nil && arg[0] == '"':
		list = []string{tag}
	case json.Unmarshal(arg, &list) == nil && len(list) > 0:
	default:
		return nil, &wireError{Code: CodeBadRequest, Message: "name a channel, or a list of them"}
	}
	if len(list) > s.config.MaxChannels {
		return nil, &wireError{Code: CodeTooManyChannels, Message: "the list has more channels than a connection may hear"}
	}
	for _, tag := range list {
		if err := tags.Check(tag); err != nil {
			return nil, badChannel(tag, err)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}
