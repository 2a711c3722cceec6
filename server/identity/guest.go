package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/internal/mac"
)

// GuestPrefix begins the id of every guest, and of no member.
const GuestPrefix = "guest:"

// IsGuest reports whether the id is that of a guest.
func IsGuest(member string) bool { return strings.HasPrefix(member, GuestPrefix) }

// Limits of what comes back to us.
const (
	maxGuestToken = 128 // bytes
	ticketPrefix  = "sbt_"
	ticketTime    = time.Minute
	minGuestKey   = 16 // bytes
)

// guests makes guests known again: their ids are signed with a key, so that a
// node needs to remember none, and each node of the same key knows them all.
type guests struct {
	keys    []*mac.Key    // constant; the first signs
	tickets []cipher.AEAD // constant; one for each key
}

func newGuests(keys [][]byte) (*guests, error) {
	if len(keys) == 0 {
		keys = [][]byte{[]byte(rand.Text())}
	}
	g := &guests{}
	for _, key := range keys {
		if len(key) < minGuestKey {
			return nil, errors.New("identity: a guest key must have at least 16 bytes")
		}
		signs := mac.New(key)
		g.keys = append(g.keys, signs)
		secret := signs.Sign("tickets")
		block, err := aes.NewCipher(secret[:])
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		g.tickets = append(g.tickets, aead)
	}
	return g, nil
}

// find is the guest of a token, or a new one: 130 random bits.
func (g *guests) find(token string) (member string) {
	name, signature, ok := strings.Cut(token, ".")
	if ok && len(token) <= maxGuestToken && IsGuest(name) {
		for _, key := range g.keys {
			if hmac.Equal([]byte(signature), []byte(sign(name, key))) {
				return strings.Clone(name)
			}
		}
	}
	return GuestPrefix + rand.Text()
}

// token is what find finds the guest by.
func (g *guests) token(member string) string { return member + "." + sign(member, g.keys[0]) }

func sign(name string, key *mac.Key) string {
	signature := key.Sign(name)
	return base64.RawURLEncoding.EncodeToString(signature[:])
}

// A sealed is what a ticket holds. It is encrypted, because scripts of the page
// see the ticket, and not the cookies.
type sealed struct {
	Cookie string `json:"c"`
	Until  int64  `json:"t"` // Unix seconds
}

func (g *guests) seal(c Credentials) string {
	plain, err := json.Marshal(sealed{c.Cookie, time.Now().Add(ticketTime).Unix()})
	if err != nil {
		panic("identity: " + err.Error()) // a string and a number always encode
	}
	return ticketPrefix + base64.RawURLEncoding.EncodeToString(g.tickets[0].Seal(nil, nil, plain, nil))
}

// open is what seal sealed. It is false for what is no ticket at all.
func (g *guests) open(ticket string) (c Credentials, ok bool, err error) {
	text, ok := strings.CutPrefix(ticket, ticketPrefix)
	if !ok {
		return c, false, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return c, true, ErrBadToken
	}
	for _, aead := range g.tickets {
		plain, err := aead.Open(nil, nil, data, nil)
		if err != nil {
			continue
		}
		var found sealed
		if json.Unmarshal(plain, &found) != nil {
			return c, true, ErrBadToken
		}
		if time.Now().Unix() > found.Until {
			return c, true, ErrExpired
		}
		return Credentials{Cookie: found.Cookie}, true, nil
	}
	return c, true, ErrBadToken
}
