package server

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sb-stream/stream-server/server/socketio"
)

// A member is who a session belongs to, by an id: that of a guest is guestPrefix
// and 130 random bits.

// guestPrefix begins the id of every guest, and of no member.
const guestPrefix = "guest:"

// Limits of tokens, of RELIABILITY.md section 2.
const (
	maxToken    = 8 << 10 // bytes
	tokenLeeway = 30 * time.Second
)

// identity finds out who somebody is.
type identity struct {
	jwtKey   []byte // constant; empty: nobody is a member
	guestKey []byte // constant; signs the ids of guests
}

func newIdentity(jwtKey, guestKey []byte) *identity {
	if len(guestKey) == 0 {
		guestKey = []byte(rand.Text())
	}
	return &identity{jwtKey: jwtKey, guestKey: guestKey}
}

// credentials are what a handshake brings.
type credentials struct {
	Token string `json:"token"`
	Guest string `json:"guest"`
}

// credentialsOf reads CONNECT's auth object, or the query of clients that have
// none. What is not of the expected form counts as absent.
func credentialsOf(c socketio.Conn) credentials {
	var found credentials
	if auth := c.Auth(); len(auth) > 0 {
		var fields map[string]json.RawMessage
		if json.Unmarshal(auth, &fields) == nil {
			_ = json.Unmarshal(fields["token"], &found.Token)
			_ = json.Unmarshal(fields["guest"], &found.Guest)
		}
	}
	u := c.URL()
	query := u.Query()
	found.Token = cmp.Or(found.Token, query.Get("token"))
	found.Guest = cmp.Or(found.Guest, query.Get("guest"))
	return found
}

// find is the second step of a subscription: the member of a valid token, else
// the guest of a valid guest token, else a new guest. A token that is not
// valid is an error, never a guest.
func (id *identity) find(from credentials) (member string, err error) {
	if from.Token != "" && len(id.jwtKey) > 0 {
		return id.member(from.Token)
	}
	if guest, ok := id.guest(from.Guest); ok {
		return guest, nil
	}
	return guestPrefix + rand.Text(), nil
}

// member is who a token names.
func (id *identity) member(token string) (member string, err error) {
	if len(id.jwtKey) == 0 {
		return "", &wireError{Code: CodeBadToken, Message: "this server takes no tokens"}
	}
	if len(token) > maxToken {
		return "", &wireError{Code: CodeBadToken, Message: "the token is too long"}
	}
	var claims jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(token, &claims,
		func(*jwt.Token) (any, error) { return id.jwtKey, nil },
		jwt.WithValidMethods([]string{"HS256"}),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(tokenLeeway),
	)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "", &wireError{Code: CodeExpired, Message: "the token has expired"}
	case err != nil:
		return "", &wireError{Code: CodeBadToken, Message: "the token is not valid"}
	case claims.Subject == "" || strings.HasPrefix(claims.Subject, guestPrefix):
		return "", &wireError{Code: CodeBadToken, Message: "the token names no member"}
	}
	return claims.Subject, nil
}

// token makes the same guest again when the client sends it; empty for a member.
func (id *identity) token(member string) string {
	if !strings.HasPrefix(member, guestPrefix) {
		return ""
	}
	return member + "." + id.sign(member)
}

// guest is who a guest token names.
func (id *identity) guest(token string) (member string, ok bool) {
	name, signature, ok := strings.Cut(token, ".")
	if !ok || len(token) > 128 || !strings.HasPrefix(name, guestPrefix) ||
		!hmac.Equal([]byte(signature), []byte(id.sign(name))) {
		return "", false
	}
	return strings.Clone(name), true
}

func (id *identity) sign(name string) string {
	mac := hmac.New(sha256.New, id.guestKey)
	mac.Write([]byte(name))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
