package server

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/server/socketio"
)

// findTimeout is how long it may take to find out who somebody is.
const findTimeout = 5 * time.Second

// retryTime is from one try to ask again who somebody is to the next.
const retryTime = 5 * time.Second

// credentialsOf reads CONNECT's auth object, or the query of clients that have
// none, and the cookies. What is not of the expected form counts as absent.
func credentialsOf(c socketio.Conn, known *identity.Finder) identity.Credentials {
	found := identity.Credentials{Cookie: known.Cookies(c.RemoteHeader())}
	if auth := c.Auth(); len(auth) > 0 {
		var fields map[string]json.RawMessage
		if json.Unmarshal(auth, &fields) == nil {
			token, given := fields["token"]
			if given && json.Unmarshal(token, &found.Token) != nil {
				found.Token = "no text" // somebody tried to be someone: no guest
			}
			_ = json.Unmarshal(fields["guest"], &found.Guest)
		}
	}
	u := c.URL()
	query := u.Query()
	if found.Token == "" {
		found.Token = query.Get("token")
	}
	if found.Guest == "" {
		found.Guest = query.Get("guest")
	}
	return found
}

// identify finds out who connects, and refuses a bad token.
func (s *Server) identify(conn socketio.Conn) error {
	now := s.rules.Load()
	credentials := credentialsOf(conn, now.identity)
	addFormer(&credentials, conn, now)
	if now.identity.Waits(credentials) {
		return socketio.Later(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
			defer cancel()
			return s.admit(ctx, conn, now.identity, credentials)
		})
	}
	return s.admit(context.Background(), conn, now.identity, credentials)
}

func (s *Server) admit(ctx context.Context, conn socketio.Conn, known *identity.Finder, credentials identity.Credentials) error {
	who, err := known.Find(ctx, credentials)
	if err := s.paced(conn, asIdentityError(err)); err != nil {
		s.logUnidentified(conn, asWireError(err))
		return asRefusal(err)
	}
	c := newClient(conn.Session(), conn, who)
	if s.config.Named {
		c.ear = new(ear)
	}
	conn.SetContext(c)
	s.logOpened(conn, who.Member)
	conn.ForgetHandshake() // its credentials have been read
	return nil
}

// enter lets the session be one of its member's, if they may have one more.
func (s *Server) enter(conn socketio.Conn) error {
	c := conn.Context().(*client)
	if !s.members.enter(c.identity().Member, c, s.rules.Load().config.MaxPerMember) {
		s.refusals.add(limitPerMember)
		c.leave(s)
		return asRefusal(errPerMember)
	}
	return nil
}

func asRefusal(err error) error {
	e := asWireError(err)
	return &socketio.Refusal{Message: e.Message, Data: e}
}

// asIdentityError is an error of package identity as clients see it.
func asIdentityError(err error) error {
	switch {
	case errors.Is(err, identity.ErrBadToken):
		return &wireError{Code: CodeBadToken, Message: err.Error()}
	case errors.Is(err, identity.ErrExpired):
		return &wireError{Code: CodeExpired, Message: err.Error()}
	case errors.Is(err, identity.ErrUnavailable):
		return &wireError{Code: CodeUnavailable, Message: err.Error()}
	default:
		return err
	}
}

// session is the argument of $session.
type session struct {
	ID      string `json:"id"`
	Member  string `json:"member"`
	Guest   string `json:"guest,omitempty"`   // the token that makes the same guest again
	Expired bool   `json:"expired,omitempty"` // identify again, or lose what is private
}

// tellSession tells the client who it is taken for.
func (s *Server) tellSession(c *client, who identity.Who, expired bool) {
	c.Emit("$session", session{
		ID: c.ID(), Member: who.Member, Guest: s.rules.Load().identity.GuestToken(who.Member), Expired: expired || who.Ended(),
	})
}

// Reasons of $expired.
const (
	reasonExpired  = "expired"  // the token, or the session with the web server
	reasonChanged  = "changed"  // who the client is, or what they may hear
	reasonOperator = "operator" // somebody took the channel away
)

// expired is the argument of $expired: the client hears that channel no more.
type expired struct {
	Channel string `json:"channel"`
	Reason  string `json:"reason"`
}

// reidentify makes a guest a member, or renews a token, in place.
func (s *Server) reidentify(c *client, e *socketio.Event) error {
	var token string
	if len(e.Args) == 0 || json.Unmarshal(e.Args[0], &token) != nil || token == "" {
		return &wireError{Code: CodeBadRequest, Message: "identify takes a token"}
	}
	known := s.rules.Load().identity
	renew := func() {
		ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
		defer cancel()
		who, err := known.Identify(ctx, token, c.identity())
		if err != nil {
			s.answer(c, e, asIdentityError(err))
			return
		}
		s.answer(c, e, s.become(c, nil, who, reasonChanged))
	}
	return c.inLine(func() (waits func()) {
		if known.Waits(identity.Credentials{Token: token}) || known.IsTicket(token) {
			return renew
		}
		renew()
		return nil
	})
}

// become makes the session somebody's, takes from it the channels that they may
// not hear, and tells the client. It does nothing for a session that has ended,
// or whose grant is not the one before, if that is given; and it is an error if
// they have as many sessions as they may.
func (s *Server) become(c *client, before *identity.Grant, who identity.Who, reason string) error {
	c.mu.Lock()
	if c.left || before != nil && c.who.Grant != before {
		c.mu.Unlock()
		return nil
	}
	if !s.members.move(c.who.Member, who.Member, c, s.rules.Load().config.MaxPerMember) {
		c.mu.Unlock()
		s.refusals.add(limitPerMember)
		return errPerMember
	}
	news := before == nil || c.who.Member != who.Member || who.Ended()
	c.who = who
	lost := s.loseLocked(c)
	for tag := range c.present {
		s.presence.Enter(tag, asPresent(who, tag), c)
	}
	s.planLocked(c, time.Time{})
	c.mu.Unlock()
	if news {
		s.noteMember(deedIdentified, c, who.Member)
		s.tellSession(c, who, false)
	}
	s.tellLost(c, lost, reason)
	return nil
}

// identityFault logs what keeps people from being known, once a second.
func (s *Server) identityFault(what string, err error) {
	now := time.Now().Unix()
	if last := s.faulty.Load(); now > last && s.faulty.CompareAndSwap(last, now) {
		s.log.WithError(err).Warn(what)
	}
}
