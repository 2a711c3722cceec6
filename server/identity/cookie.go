package identity

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sb-stream/stream-server/internal/tags"
)

// Limits of cookies.
const (
	maxCookies   = 8 << 10 // bytes, of all that are kept
	maxSessionID = 256     // bytes
	maxMember    = 255     // bytes, of an id
)

// cookiesOf is the Cookie header of a request, or of it the cookies of these
// names.
func cookiesOf(h http.Header, all bool, names []string) string {
	header := strings.Join(h["Cookie"], "; ")
	if len(header) > maxCookies || header == "" {
		return ""
	}
	if all {
		return header
	}
	var kept []string
	for part := range strings.SplitSeq(header, ";") {
		part = strings.TrimSpace(part)
		if name, _, ok := strings.Cut(part, "="); ok && slices.Contains(names, name) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "; ")
}

// cookieOf is the value of a cookie, empty for none. Of several the first
// counts, which browsers take from the most exact path.
func cookieOf(header, name string) string {
	for part := range strings.SplitSeq(header, ";") {
		if found, value, ok := strings.Cut(strings.TrimSpace(part), "="); ok && found == name {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// hash is a short text that stands for a secret.
func hash(secret string) string {
	if strings.TrimSpace(secret) == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// session knows members by what the web server keeps in Redis for the cookie
// of their session.
type session struct {
	// Constant.
	store  Store
	cookie string
	key    string   // with {} in it
	path   []string // to the member's id in the JSON; empty: the value is the id
	grants []string // to the list of channels in the JSON; empty: there is none
	fault  func(string, error)
}

func newSession(c Config) (*session, error) {
	switch {
	case c.SessionCookie == "" && c.SessionKey == "":
		return nil, nil //nolint:nilnil // there is none, and nothing wrong with that
	case c.SessionCookie == "" || c.SessionKey == "":
		return nil, errors.New("identity: the name of the session cookie and the key in Redis go together")
	case strings.Count(c.SessionKey, "{}") != 1 || c.SessionKey == "{}":
		return nil, errors.New("identity: the key of a session has {} for the cookie's value, and something beside it")
	case c.Store == nil:
		return nil, errors.New("identity: sessions are looked up in Redis, and there is none")
	}
	s := &session{store: c.Store, cookie: c.SessionCookie, key: c.SessionKey, fault: c.fault}
	if c.SessionMember != "" {
		s.path = strings.Split(c.SessionMember, ".")
	}
	if c.SessionChannels != "" {
		if s.path == nil {
			return nil, errors.New("identity: channels can stand in a session only where the member's id has a place of its own")
		}
		s.grants = strings.Split(c.SessionChannels, ".")
	}
	return s, nil
}

// member is whose session the cookie is of, and what it grants; empty if it is
// nobody's.
func (s *session) member(ctx context.Context, cookies string) (string, tags.Patterns, error) {
	id := sessionID(cookieOf(cookies, s.cookie))
	if id == "" {
		return "", nil, nil
	}
	value, found, err := s.store.Get(ctx, strings.Replace(s.key, "{}", id, 1))
	switch {
	case err != nil:
		s.fault("a session cannot be looked up", err)
		return "", nil, ErrUnavailable
	case !found:
		return "", nil, nil
	case s.path == nil:
		return memberID(string(value)), nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(value))
	decoder.UseNumber() // large ids would lose digits
	var whole any
	if decoder.Decode(&whole) != nil {
		return "", nil, nil
	}
	member := memberOf(at(whole, s.path))
	if member == "" || s.grants == nil {
		return member, nil, nil
	}
	var granted tags.Patterns
	list, _ := at(whole, s.grants).([]any)
	for _, v := range list {
		pattern, ok := v.(string)
		if !ok || tags.CheckPattern(pattern) != nil || len(granted) == maxGrants {
			s.fault("a session grants what is no channel", tags.Err)
			return member, nil, nil
		}
		granted = append(granted, pattern)
	}
	return member, granted, nil
}

// sessionID is the id in a cookie's value. Those that Express signs are
// s:<id>.<signature>; the id alone is secret enough.
func sessionID(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		value = plain
	}
	if signed, ok := strings.CutPrefix(value, "s:"); ok {
		value = signed
		if dot := strings.LastIndexByte(signed, '.'); dot >= 0 {
			value = signed[:dot]
		}
	}
	printable := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(value) > maxSessionID || strings.ContainsFunc(value, printable) {
		return ""
	}
	return value
}

// at is what stands at a path of names in JSON; nil if there is nothing.
func at(value any, path []string) any {
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[name]
	}
	return value
}

// memberOf is the id that a value of JSON is.
func memberOf(v any) string {
	switch v := v.(type) {
	case string:
		return memberID(v)
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return ""
		}
		return v.String()
	default:
		return ""
	}
}

// memberID is the id itself, if a member may have it.
func memberID(id string) string {
	control := func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }
	if len(id) > maxMember || IsGuest(id) || strings.ContainsFunc(id, control) {
		return ""
	}
	return id
}
