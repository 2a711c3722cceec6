package server

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/identity"
)

// Who only listens needs no Socket.IO: plain HTTP does, as a stream of
// Server-Sent Events (events.go) or by one request for each answer (poll.go). The
// client is one as the others are, in the same two maps, and may do what they may.

// A plainLink is a client of plain HTTP, as its channels and its operators reach it.
type plainLink interface {
	link

	// send takes a round of messages, as Client.Send does.
	send(r *channels.Round) engineio.Outcome
}

// A listening is a request to hear channels.
type listening struct {
	standing standing // whose tags they are
	back     bool     // the client says where it stands
	named    bool     // events are to have names in any case
	who      identity.Who
	session  *engineio.Session // with room for it; it has not begun
}

// An ending is the [engineio.Receiver] of a session that brings nothing.
type ending func(reason string)

func (ending) Message([]byte, bool)   {}
func (e ending) Closed(reason string) { e(reason) }

// listens is the handler of a way to listen. serve is called for a GET of who may
// hear the channels.
func (s *Server) listens(serve func(http.ResponseWriter, *http.Request, *listening)) http.Handler {
	return s.withOrigin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD, OPTIONS")
			writeError(w, http.StatusMethodNotAllowed, CodeBadRequest, "this takes GET")
			return
		case !checkedOrigin(r):
			s.refuseOrigin(w, r, r.Header.Get("Origin"))
			return
		}
		l, err := s.listening(r)
		switch {
		case err != nil:
			s.refuseListener(w, r, err)
		case r.Method == http.MethodHead:
			l.session.Discard()
			setStreamHeader(w.Header(), r)
			w.WriteHeader(http.StatusOK)
		default:
			serve(w, r, l)
		}
	}))
}

// listening finds out what a request is for, makes room for it, and finds out who
// makes it and whether they may.
func (s *Server) listening(r *http.Request) (*listening, error) {
	l, err := s.parseListening(r)
	if err != nil {
		return nil, err
	}
	if l.session, err = s.io.Engine().NewPlain(r); err != nil {
		return nil, err
	}
	if err = s.mayListen(r, l); err != nil {
		l.session.Discard()
		return nil, err
	}
	return l, nil
}

// parseListening reads the channels, which stand in the path, one or more with
// commas between them, and in the query, and where the client stands in them.
// What EventSource sends by itself counts for more than the query, which stays
// the same when it comes back.
func (s *Server) parseListening(r *http.Request) (*listening, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &wireError{Code: CodeBadRequest, Message: "the query cannot be read"}
	}
	var list []string
	for _, several := range append(query["channel"], r.PathValue("channel")) {
		list = append(list, strings.Split(several, ",")...)
	}
	if len(list) > min(s.rules.Load().config.MaxChannels, maxStanding) {
		s.refusals.add(limitChannels)
		return nil, &wireError{Code: CodeTooManyChannels, Message: "these are more channels than one request may hear"}
	}
	for _, tag := range list {
		if err := tags.Check(tag); err != nil {
			return nil, badChannel(tag, err)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	at := r.Header.Get("Last-Event-ID")
	if at == "" {
		at = query.Get("since")
	}
	return &listening{standing: parseStanding(list, at), back: at != "", named: len(list) > 1 || query.Has("named")}, nil
}

// mayListen finds out who the client is, as identify does, and whether they may
// hear the channels.
func (s *Server) mayListen(r *http.Request, l *listening) (err error) {
	now := s.rules.Load()
	query := r.URL.Query()
	credentials := identity.Credentials{
		Token: query.Get("token"), Guest: query.Get("guest"), Cookie: now.identity.Cookies(r.Header),
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		credentials.Token = token
	}
	if now.identity.Asks() {
		credentials.Channels = now.policy.askable(l.standing.tags)
	}
	ctx, cancel := context.WithTimeout(r.Context(), findTimeout)
	defer cancel()
	if l.who, err = now.identity.Find(ctx, credentials); err != nil {
		return asIdentityError(err)
	}
	if err := now.policy.checkAll(l.who, l.standing.tags); err != nil {
		return err
	}
	if limit := now.subscribes.spend(l.session, l.who.Member, len(l.standing.tags)); limit != "" {
		s.refusals.add(limit)
		return tooOften
	}
	return nil
}

// seat makes the client, who is one of its member's sessions until forget.
func (s *Server) seat(l *listening, as plainLink) (*client, error) {
	c := newClient(l.session, as, l.who)
	if !s.members.enter(l.who.Member, c, s.rules.Load().config.MaxPerMember) {
		s.refusals.add(limitPerMember)
		return nil, errPerMember
	}
	return c, nil
}

// reasonNotRecovered is that of a $gap where a client has come back to.
const reasonNotRecovered = "not_recovered"

// listened puts a client whose session has begun into the map, as connected does.
func (s *Server) listened(c *client) engineio.Receiver {
	log := func(what, reason string) {
		if s.debugging() {
			s.log.WithFields(logrus.Fields{
				"session": s.hash.short(c.ID()), "member": s.hash.short(c.identity().Member),
				"transport": c.session.Transport(), "reason": reason,
			}).Debug(what)
		}
	}
	s.sessions.Add(c.ID(), c)
	s.noteConnected(c)
	c.mu.Lock()
	s.planLocked(c, time.Time{})
	c.mu.Unlock()
	log("session opened", "")
	return ending(func(reason string) {
		s.forget(c)
		s.note(deedClosed, c, "", reason)
		log("session closed", reason)
	})
}

// hearPlain makes the client hear its channels, after what it missed. Channels of
// which that is not certain are lost.
func (s *Server) hearPlain(ctx context.Context, c *client, l *listening) (subscriptions []channels.Subscription, lost []string, err error) {
	var at since
	if s.config.History >= 0 {
		at = l.standing.places()
	}
	missed, release := s.catchUp(ctx, at)
	defer release()
	subscriptions, err = c.hear(s, l.standing.tags, missed)
	s.noteSubscribed(c, subscriptions)
	for i, sub := range subscriptions {
		if l.back && !sub.Recovered {
			lost = append(lost, l.standing.tags[i])
		}
	}
	return subscriptions, lost, err
}

// catchUp is what clients at these places have missed. The channels are held
// until release.
func (s *Server) catchUp(ctx context.Context, at since) (missed map[string]*channels.Missed, release func()) {
	if !s.atHand(at) {
		return s.recover(ctx, at)
	}
	s.recoveries[byNumber].Add(uint64(len(at)))
	return s.missed(at, s.replayRoom()), func() {}
}

// refuseListener answers who is not heard of. A stream is told in the stream what
// may be otherwise soon: an EventSource never comes back after any other answer.
func (s *Server) refuseListener(w http.ResponseWriter, r *http.Request, err error) {
	e := asWireError(err)
	if full := engineio.Refused(nil); errors.As(err, &full) {
		e = &wireError{Code: CodeUnavailable, Message: full.Error()}
		if full.Status() == http.StatusTooManyRequests {
			e.Code = CodeRateLimited
		}
	}
	if s.debugging() {
		s.log.WithFields(logrus.Fields{"address": s.hash.address(s.address(r)), "code": e.Code}).Debug("listener refused")
	}
	h := w.Header()
	if s.draining.Load() {
		h.Set("Connection", "close") // the next try is to find another node
	}
	status := statuses[e.Code]
	later := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
	switch {
	case later && wantsEvents(r):
		setStreamHeader(h, r)
		_, _ = w.Write(appendNotice(retryField(errorRetry), "$error", mustJSON(e)))
		return
	case later:
		h.Set("Retry-After", "10")
	case status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, status, map[string]any{"error": e})
}
