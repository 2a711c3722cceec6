package server

import (
	"context"
	"encoding/json"
	"net/http"
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
	Presence  json.RawMessage   `json:"presence,omitempty"`
}

// handle registers what clients may say (DESIGN.md section 2).
func (s *Server) handle(io *socketio.Server) {
	io.Use("/", s.identify)
	io.Use("/", s.comeBack)
	io.Use("/", s.enter) // the last: disconnected undoes these two
	io.Recover("/", socketio.Recovery{Keep: s.keep})
	io.Filter("/", s.filter)
	io.OnConnect("/", s.connected)
	io.OnDisconnect("/", s.disconnected)
	io.OnError("/", func(_ socketio.Conn, err error) { s.log.WithError(err).Error("a handler failed") })
	on := func(event string, f func(*client, *socketio.Event) error) {
		io.OnEvent("/", event, func(conn socketio.Conn, e *socketio.Event) {
			c := conn.Context().(*client)
			if err := f(c, e); err != nil {
				s.answer(c, e, err)
			}
		})
	}
	on("subscribe", s.subscribe)
	on("message", s.subscribe) // the original's way: socket.send(channel)
	on("unsubscribe", s.unsubscribe)
	on("identify", s.reidentify)
	if s.config.Echo {
		on("client event", s.whisper)
	}
}

// connected puts the session into the map and tells the client who it is.
func (s *Server) connected(conn socketio.Conn) error {
	c := conn.Context().(*client)
	s.sessions.Add(c.ID(), c)
	s.noteConnected(c)
	s.counters.begun.Add(1)
	c.mu.Lock()
	s.planLocked(c, time.Time{})
	c.mu.Unlock()
	s.review(c) // it may have come back by rules that Reload changed before it was in the map
	s.tellSession(c, c.identity(), false)
	return nil
}

// disconnected takes the session out of both maps.
func (s *Server) disconnected(conn socketio.Conn, reason string) {
	s.logClosed(conn, reason)
	c := conn.Context().(*client)
	s.forget(c)
	s.note(deedClosed, c, "", reason)
}

// forget takes a client out of all maps. Nothing that is published reaches it
// after that.
func (s *Server) forget(c *client) {
	s.sessions.Remove(c.ID(), c)
	c.leave(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	s.planLocked(c, time.Time{})
}

// answer is the ack of what has nothing to say but whether it worked.
func (s *Server) answer(c *client, e *socketio.Event, err error) {
	if err != nil {
		fault := asWireError(err)
		if fault.Code == CodeTooManyChannels {
			s.refusals.add(limitChannels)
		}
		s.logRefused(c, e.Name, fault)
		s.note(deedRefused, c, fault.Channel, string(fault.Code))
		c.refuseEcho(fault)
		e.AckJSON(mustJSON(ack{Error: fault}))
		return
	}
	e.AckJSON(mustJSON(ack{OK: true}))
}

// subscribe accepts the comet request.
func (s *Server) subscribe(c *client, e *socketio.Event) error {
	now := s.rules.Load()
	tags, err := s.tags(e, now.config.MaxChannels)
	if !s.afford(&now.subscribes, c, e, max(1, len(tags))) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.choose(e); err != nil {
		return err
	}
	said := s.echo(e)
	if said != nil {
		c.ear.want(asEcho)
	}
	header := said.header()
	at, wishes := s.since(e, tags), present(e, tags)
	return c.inLine(func() (waits func()) {
		now := s.rules.Load() // by now there may be others
		err := now.policy.checkAll(c.identity(), tags)
		asks := now.identity.Asks() && err != nil && asWireError(err).Code == CodeForbidden
		if err == nil && s.atHand(at) {
			s.recoveries[byNumber].Add(uint64(len(at)))
			err = s.hear(c, e, tags, s.missed(at, s.replayRoom()), wishes)
		} else if err == nil || asks {
			return func() { s.hearLater(c, e, tags, at, wishes, asks, header) }
		}
		if err != nil {
			s.answer(c, e, err)
		}
		return nil
	})
}

// hearLater is hear after others have been asked: the web server whether the
// client may, if asks, and whoever may know what it missed.
func (s *Server) hearLater(
	c *client, e *socketio.Event, tags []string, at since, wishes map[string]bool, asks bool, header http.Header,
) {
	if asks {
		if err := s.askToHear(c, tags, header); err != nil {
			s.answer(c, e, err)
			return
		}
	}
	missed, release := s.recover(context.Background(), at)
	defer release()
	if err := s.hear(c, e, tags, missed, wishes); err != nil {
		s.answer(c, e, err)
	}
}

// hear makes the client hear the channels, and be in those of wishes that are
// true, and answers when it does.
func (s *Server) hear(c *client, e *socketio.Event, tags []string, missed map[string]*channels.Missed, wishes map[string]bool) error {
	subscriptions, err := c.hear(s, tags, missed)
	if err != nil {
		return err
	}
	s.noteSubscribed(c, subscriptions)
	wishes, ready := s.attend(c, e, wishes)
	if len(ready) == 0 && allLive(subscriptions) {
		e.AckJSON(mustJSON(subscribedTo(tags, subscriptions)))
		return nil
	}
	go s.ackWhenLive(c, e, tags, subscriptions, wishes, ready)
	return nil
}

// ackWhenLive answers once the broker has confirmed, and after ackTimeout in
// any case; and once it is known who is in the channels. It ends then, or with
// the client.
func (s *Server) ackWhenLive(c *client, e *socketio.Event, tags []string, subscriptions []channels.Subscription, wishes map[string]bool, ready []<-chan struct{}) {
	if !s.awaitLive(c, subscriptions) || !await(c, presenceWait, ready) {
		return
	}
	a := subscribedTo(tags, subscriptions)
	s.welcome(c, wishes, func(lists map[string]json.RawMessage) {
		for tag, list := range lists {
			one := a.Channels[tag]
			one.Presence = list
			a.Channels[tag] = one
		}
		e.AckJSON(mustJSON(a))
	})
}

// awaitLive waits until the broker has confirmed, and for ackTimeout at most. It
// is false if the client has left.
func (*Server) awaitLive(c *client, subscriptions []channels.Subscription) bool {
	if allLive(subscriptions) {
		return true
	}
	live := make([]<-chan struct{}, len(subscriptions))
	for i, sub := range subscriptions {
		live[i] = sub.Live
	}
	return await(c, ackTimeout, live)
}

// await waits until all of these are closed, and no longer than most. It is false
// if the client has left.
func await(c *client, most time.Duration, all []<-chan struct{}) bool {
	if len(all) == 0 {
		return true
	}
	gone := c.gone()
	defer c.stay()
	timeout := time.NewTimer(most)
	defer timeout.Stop()
	for _, one := range all {
		select {
		case <-one:
		case <-gone:
			return false
		case <-timeout.C:
			return true
		}
	}
	return true
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
		answer := subscribed{Position: sub.Position, Recovered: sub.Recovered, Replayed: sub.Replayed}
		if sub.Early() {
			answer.Live = new(bool)
		}
		a.Channels[tags[i]] = answer
	}
	return a
}

func (s *Server) unsubscribe(c *client, e *socketio.Event) error {
	tags, err := s.tags(e, s.rules.Load().config.MaxChannels)
	if err != nil {
		return err
	}
	return c.inLine(func() (waits func()) {
		c.unhear(s, tags)
		for _, tag := range tags {
			s.note(deedUnsubscribed, c, tag, "")
		}
		s.answer(c, e, nil)
		return nil
	})
}

// tagsOf reads the channel, or the list of most of them, that an event names first.
func tagsOf(e *socketio.Event, most int) ([]string, error) {
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
	if len(list) > most {
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
