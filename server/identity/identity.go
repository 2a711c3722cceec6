// Package identity finds out who somebody is, which is the second step of a
// subscription, and what they may hear beyond what everybody may.
//
// It asks in this order, each if it is configured (DESIGN.md section 8): the
// token that the client sent, the token in a cookie, the session cookie, by
// what Redis has under it, and the web server. Whom nobody knows is a guest.
package identity

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/internal/tags"
)

// The errors of [Finder.Find]. Their texts say nothing of the cause: whoever
// tries tokens learns nothing from them.
var (
	ErrBadToken    = errors.New("the token is not valid")
	ErrExpired     = errors.New("the token has expired")
	ErrUnavailable = errors.New("it cannot be found out now who you are")
)

// Who is somebody, by an id. That of a guest begins with [GuestPrefix].
type Who struct {
	Member string
	Grant  *Grant // nil: nothing but what everybody may, for ever
}

// A Grant is what somebody may. It is constant.
type Grant struct {
	Channels tags.Patterns // private channels that they may hear
	Names    Names         // who they are in some of those; nil for most
	Until    time.Time     // when it ends, or has to be asked for again; zero: never
	Again    *Credentials  // to ask again with; nil: it ends, as a token does
	Ended    bool          // it was one, and it has ended
}

// Guest reports whether nobody knows who this is.
func (w Who) Guest() bool { return IsGuest(w.Member) }

// May reports whether a private channel was granted.
func (w Who) May(tag string) bool {
	return w.Grant != nil && !w.Grant.Ended && w.Grant.Channels.Match(tag)
}

// Ended reports whether the grant has ended.
func (w Who) Ended() bool { return w.Grant != nil && w.Grant.Ended }

// Over reports whether the grant has ended, or is a token's that would not be
// taken any more.
func (w Who) Over(now time.Time) bool {
	g := w.Grant
	return g != nil && (g.Ended || g.Again == nil && !g.Until.IsZero() && now.After(g.Until.Add(tokenLeeway)))
}

// End is who this is when the grant has ended.
func (w Who) End() Who { return Who{w.Member, &Grant{Ended: true}} }

// Credentials are what somebody brings to be known by.
type Credentials struct {
	Token    string   // a JWT, or what the web server is asked with as a bearer token
	Guest    string   // the token of a guest
	Cookie   string   // the Cookie header, or of it what is read here
	Channels []string // private ones, for which the web server is asked

	// Header is what a page sends to be known by of the web server, beside cookies:
	// Authorization, and tokens against forgery.
	Header http.Header
}

// A Store has the sessions of a web server. Get is false for a key that it
// does not have.
type Store interface {
	Get(ctx context.Context, key string) (value []byte, found bool, err error)
}

// Config is how people are known. The zero value knows guests only.
type Config struct {
	Keys      [][]byte // secrets, or public keys as PEM, that tokens are signed with
	Algs      []string // of tokens; those that fit the keys if there are none
	JWKSURL   string   // where more keys are
	Issuer    string   // of tokens; any if empty
	Audience  string   // of tokens; any if empty
	JWTCookie string   // the name of the cookie that a token may stand in

	SessionCookie string // its name
	SessionKey    string // in the store, with {} for the cookie's value
	SessionMember string // where in the JSON there the member's id stands, such as "user.id"; empty: it is all of the value
	Store         Store

	// SessionChannels is where in that JSON a list of channels is that the member
	// may hear, such as "channels"; empty: nowhere.
	SessionChannels string

	AuthURL string        // of the web server
	Laravel string        // in place of AuthURL: of a Laravel application's /broadcasting/auth
	Recheck time.Duration // for which the answer of the store or the web server holds

	GuestKeys [][]byte // sign the ids of guests, the first of them; random if none

	// Fault, if set, is told of what keeps people from being known. The texts
	// hold no secret. It may be called from any goroutine.
	Fault func(what string, err error)
}

func (c *Config) fault(what string, err error) {
	if c.Fault != nil {
		c.Fault(what, err)
	}
}

// A Finder finds out who somebody is. Its methods may be called from any
// goroutine.
type Finder struct {
	// Constant.
	tokens  *tokens  // nil: no tokens
	cookie  string   // of a token
	session *session // nil: no session cookies
	web     *web     // nil: the web server is not asked
	guests  *guests
	recheck time.Duration
}

// New makes a Finder, or says what is wrong with the configuration. What it
// does in the background ends with ctx.
func New(ctx context.Context, c Config) (*Finder, error) {
	tokens, tokensErr := newTokens(ctx, c)
	session, sessionErr := newSession(c)
	web, webErr := newWeb(c)
	guests, guestsErr := newGuests(c.GuestKeys)
	if err := errors.Join(tokensErr, sessionErr, webErr, guestsErr); err != nil {
		return nil, err
	}
	if c.JWTCookie != "" && tokens == nil {
		return nil, errors.New("identity: a cookie for tokens, and no key for them")
	}
	return &Finder{
		tokens: tokens, cookie: c.JWTCookie, session: session, web: web, guests: guests,
		recheck: c.Recheck,
	}, nil
}

// Waits reports whether Find may have to wait for an answer from elsewhere.
func (f *Finder) Waits(c Credentials) bool {
	return f.web != nil ||
		f.session != nil && cookieOf(c.Cookie, f.session.cookie) != "" ||
		f.tokens != nil && f.tokens.remote() && (c.Token != "" || f.cookie != "" && cookieOf(c.Cookie, f.cookie) != "")
}

// Asks reports whether the web server says who may hear a private channel.
func (f *Finder) Asks() bool { return f.web != nil }

// Find finds out who somebody is. A token that is not valid is an error and
// never a guest; one in a cookie, which browsers send unasked, says nothing.
func (f *Finder) Find(ctx context.Context, c Credentials) (Who, error) {
	if c.Token != "" && f.tokens != nil {
		return f.tokens.member(ctx, c.Token)
	}
	if f.cookie != "" {
		if token := cookieOf(c.Cookie, f.cookie); token != "" {
			who, err := f.tokens.member(ctx, token)
			if err == nil || errors.Is(err, ErrUnavailable) {
				return who, err
			}
		}
	}
	if f.session == nil && f.web == nil {
		return Who{Member: f.guests.find(c.Guest)}, nil
	}
	return f.ask(ctx, c)
}

// ask asks those elsewhere. What they say holds for a while.
func (f *Finder) ask(ctx context.Context, c Credentials) (Who, error) {
	grant := &Grant{Until: time.Now().Add(f.recheck)}
	member := ""
	if f.session != nil {
		var err error
		if member, grant.Channels, err = f.session.member(ctx, c.Cookie); err != nil {
			return Who{}, err
		}
	}
	if f.web != nil && (member == "" || len(c.Channels) > 0) {
		answer, err := f.web.ask(ctx, c)
		if err != nil {
			return Who{}, err
		}
		if member == "" {
			member = answer.Member
		}
		grant.Channels = append(grant.Channels, answer.Channels...)
		grant.Names = answer.Names
	}
	if member == "" {
		member = f.guests.find(c.Guest)
	}
	if IsGuest(member) {
		if len(grant.Channels) == 0 {
			if f.web == nil || c.Cookie == "" && c.Token == "" && len(c.Header) == 0 {
				return Who{Member: member}, nil
			}
			grant.Until = time.Time{} // nothing can end; but the web server may be asked for more
		}
		c.Guest = f.guests.token(member) // the same guest, when asked again
	}
	grant.Again = &c
	return Who{member, grant}, nil
}

// Identify is Find for somebody who is someone already: with a token, or a
// ticket of [Finder.Ticket]. A guest who is known to nobody stays the guest.
func (f *Finder) Identify(ctx context.Context, token string, now Who) (Who, error) {
	c, ticket, err := f.guests.open(token)
	switch {
	case err != nil:
		return Who{}, err
	case !ticket && f.tokens == nil && f.web == nil:
		return Who{}, ErrBadToken
	case !ticket:
		c.Token = token
	}
	if now.Guest() {
		c.Guest = f.guests.token(now.Member)
	}
	who, err := f.Find(ctx, c)
	if err == nil && !ticket && who.Guest() {
		err = ErrBadToken // the web server does not know it
	}
	return who, err
}

// IsTicket reports whether a token is one of Ticket.
func (f *Finder) IsTicket(token string) bool { return strings.HasPrefix(token, ticketPrefix) }

// Ticket is a token that stands for the cookies of a request, for a minute:
// with it, a page tells a connection that was made before of cookies that it
// cannot read. It is false if this server reads no cookies.
func (f *Finder) Ticket(r *http.Request) (string, bool) {
	if f.web == nil && f.session == nil && f.cookie == "" {
		return "", false
	}
	return f.guests.seal(Credentials{Cookie: f.Cookies(r.Header)}), true
}

// GuestToken makes the same guest again when the client sends it; it is empty
// for a member.
func (f *Finder) GuestToken(member string) string {
	if !IsGuest(member) {
		return ""
	}
	return f.guests.token(member)
}

// Cookies is what is read here of the cookies of a request.
func (f *Finder) Cookies(h http.Header) string {
	var names []string
	if f.cookie != "" {
		names = append(names, f.cookie)
	}
	if f.session != nil {
		names = append(names, f.session.cookie)
	}
	return cookiesOf(h, f.web != nil, names)
}

// Binding is what a request has to have in common with the handshake of its
// session: the cookies of a member, by their hash. It is empty for none.
func (f *Finder) Binding(h http.Header) string {
	if f.session == nil && f.cookie == "" {
		return ""
	}
	var bound string
	cookies := strings.Join(h["Cookie"], "; ")
	if f.session != nil {
		bound = cookieOf(cookies, f.session.cookie)
	}
	if f.cookie != "" {
		bound += " " + cookieOf(cookies, f.cookie)
	}
	return hash(bound)
}
