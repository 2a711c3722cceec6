package main

import (
	"errors"
	"slices"
	"time"

	"github.com/sb-stream/stream-server/channels/dialect"
	"github.com/sb-stream/stream-server/server/identity"
)

// identityFlags say how people are known, and which channels are not everybody's.
type identityFlags struct {
	JWTKey      []string `reload:"" secret:"" name:"jwt-key" env:"SB_JWT_KEY" sep:"none" placeholder:"KEY" help:"Secret, or public key as PEM, of members' tokens; several while one takes the place of another."`
	JWTAlg      []string `reload:"" name:"jwt-alg" env:"SB_JWT_ALG" placeholder:"ALG" help:"Algorithms of tokens, such as RS256; those that fit the keys if not set."`
	JWKSURL     string   `reload:"" name:"jwks-url" env:"SB_JWKS_URL" placeholder:"URL" help:"Where the keys of tokens are, instead."`
	JWTIssuer   string   `reload:"" name:"jwt-issuer" env:"SB_JWT_ISSUER" placeholder:"TEXT" help:"Who must have issued a token."`
	JWTAudience string   `reload:"" name:"jwt-audience" env:"SB_JWT_AUDIENCE" placeholder:"TEXT" help:"Whom a token must be for."`
	JWTCookie   string   `name:"jwt-cookie" env:"SB_JWT_COOKIE" placeholder:"NAME" help:"Cookie that a token may stand in."`

	SessionCookie   string `placeholder:"NAME" help:"Cookie of the web server's sessions, which are looked up in Redis."`
	SessionKey      string `placeholder:"KEY" help:"Where a session is in Redis, with {} for the cookie's value, such as sess:{}."`
	SessionMember   string `placeholder:"PATH" help:"Where in the JSON there the member's id is, such as user.id; not set, it is all of the value."`
	SessionRedis    string `secret:"" placeholder:"URL" help:"Redis in which web servers keep their sessions; that of --redis if not set."`
	SessionChannels string `placeholder:"PATH" help:"Where in the JSON the channels are that the member may hear; not set, nowhere."`

	AuthURL        string        `reload:"" name:"auth-url" env:"SB_AUTH_URL" placeholder:"URL" help:"Of the web server, which is asked who somebody is and what they may hear."`
	LaravelAuthURL string        `reload:"" name:"laravel-auth-url" env:"SB_LARAVEL_AUTH_URL" placeholder:"URL" help:"In place of --auth-url: a Laravel application's /broadcasting/auth, which is asked who may hear private- and presence- channels."`
	Recheck        time.Duration `reload:"" default:"1m" help:"How long the answer of Redis or the web server holds."`

	GuestKey   []string      `reload:"" secret:"" sep:"none" placeholder:"SECRET" help:"Signs the ids of guests, the same on every node; random at start if not set. Several while one takes the place of another."`
	Private    []string      `reload:"" default:"private:*,member:*" placeholder:"PATTERN" help:"Channels that have to be granted."`
	Public     []string      `reload:"" default:"*" placeholder:"PATTERN" help:"Channels that everybody may hear, but for the private ones."`
	TokenGrace time.Duration `reload:"" default:"1m" help:"How long an expired token still opens what it opened."`
}

// identity is what the flags say.
func (f *identityFlags) identity(sessions identity.Store) (identity.Config, error) {
	if f.Recheck <= 0 {
		return identity.Config{}, errors.New("--recheck must be above zero")
	}
	return identity.Config{
		Keys: secrets(f.JWTKey), Algs: f.JWTAlg, JWKSURL: f.JWKSURL,
		Issuer: f.JWTIssuer, Audience: f.JWTAudience, JWTCookie: f.JWTCookie,
		SessionCookie: f.SessionCookie, SessionKey: f.SessionKey, SessionMember: f.SessionMember, SessionChannels: f.SessionChannels,
		Store:   sessions,
		AuthURL: f.AuthURL, Laravel: f.LaravelAuthURL, Recheck: f.Recheck, GuestKeys: secrets(f.GuestKey),
	}, nil
}

// private are the patterns of private channels, those of the dialects included.
func (s *serve) private() []string {
	if slices.Contains(s.Dialects, dialect.Laravel) {
		return append(slices.Clone(s.Private), "private-*", "presence-*")
	}
	return s.Private
}

func secrets(list []string) [][]byte {
	var keys [][]byte
	for _, key := range list {
		keys = append(keys, []byte(key))
	}
	return keys
}
