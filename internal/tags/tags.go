// Package tags says which names a channel may have (DESIGN.md section 2): for
// the server, and for web servers, which learn of a bad one at once.
package tags

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Max is the longest tag, in bytes.
const Max = 255

// Err is what every fault of a tag is, by errors.Is.
var Err = errors.New("tags: not the name of a channel")

// A fault says what is wrong with a tag, for the person who chose it.
type fault string

func (e fault) Error() string        { return string(e) }
func (e fault) Is(target error) bool { return target == Err }

// taken are the names that no channel may have, since the tag of a channel is
// the event name of its messages: the reserved events of every generation of
// Socket.IO clients (PROTOCOL.md 5.5), and the events of our own contract
// (DESIGN.md section 2).
var taken = []string{
	"connect", "connect_error", "connect_failed", "connect_timeout", "connecting",
	"disconnect", "disconnecting", "error", "newListener", "removeListener",
	"ping", "pong",
	"reconnect", "reconnect_attempt", "reconnect_error", "reconnect_failed", "reconnecting",
	"subscribe", "unsubscribe", "identify", "message",
}

// Check reports what keeps tag from being the name of a channel, as an
// error that is Err and whose text can be shown; nil if nothing does. The
// rules are those of DESIGN.md section 2.
func Check(tag string) error {
	switch {
	case tag == "":
		return fault("a channel needs a name")
	case len(tag) > Max:
		return fault("a channel's name has at most 255 bytes")
	case !utf8.ValidString(tag):
		return fault("a channel's name must be valid UTF-8")
	case tag[0] == ' ' || tag[len(tag)-1] == ' ':
		return fault("a channel's name has no space at either end")
	case strings.HasPrefix(tag, "$") || strings.HasPrefix(tag, "__"):
		return fault("a channel's name starts with neither $ nor __")
	case slices.Contains(taken, tag):
		return fault("this name belongs to Socket.IO or to the server itself")
	}
	for _, r := range tag {
		if r == ',' || !unicode.IsPrint(r) {
			return fault("a channel's name has printable characters only, and no comma")
		}
	}
	return nil
}

// Loggable is what of tag may stand in a log. The channel of one member has the
// member's id in its name, which does not.
func Loggable(tag string) string {
	const member = "member:"
	if strings.HasPrefix(tag, member) {
		return member + "…"
	}
	return tag
}

// Patterns are exact tags, and beginnings of tags followed by a star, such as
// "score:*". A star alone is every tag.
type Patterns []string

// Match reports whether a tag is one of them.
func (p Patterns) Match(tag string) bool {
	for _, pattern := range p {
		if prefix, star := strings.CutSuffix(pattern, "*"); pattern == tag || star && strings.HasPrefix(tag, prefix) {
			return true
		}
	}
	return false
}

// CheckPattern reports what keeps pattern from being one that a tag can match,
// as Check does.
func CheckPattern(pattern string) error {
	prefix, star := strings.CutSuffix(pattern, "*")
	switch {
	case !star:
		return Check(pattern)
	case strings.Contains(prefix, "*"):
		return fault("a pattern has one star, at its end")
	case prefix == "":
		return nil
	default:
		return Check(prefix + "x")
	}
}
