package channels

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxTag is the longest tag, in bytes.
const MaxTag = 255

// ErrTag is what every fault of a tag is, by errors.Is.
var ErrTag = errors.New("channels: bad tag")

// A tagError says what is wrong with a tag, for the person who chose it.
type tagError string

func (e tagError) Error() string        { return string(e) }
func (e tagError) Is(target error) bool { return target == ErrTag }

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

// CheckTag reports what keeps tag from being the name of a channel, as an
// error that is ErrTag and whose text can be shown; nil if nothing does. The
// rules are those of DESIGN.md section 2.
func CheckTag(tag string) error {
	switch {
	case tag == "":
		return tagError("a channel needs a name")
	case len(tag) > MaxTag:
		return tagError("a channel's name has at most 255 bytes")
	case !utf8.ValidString(tag):
		return tagError("a channel's name must be valid UTF-8")
	case tag[0] == ' ' || tag[len(tag)-1] == ' ':
		return tagError("a channel's name has no space at either end")
	case strings.HasPrefix(tag, "$") || strings.HasPrefix(tag, "__"):
		return tagError("a channel's name starts with neither $ nor __")
	case slices.Contains(taken, tag):
		return tagError("this name belongs to Socket.IO or to the server itself")
	}
	for _, r := range tag {
		if r == ',' || !unicode.IsPrint(r) {
			return tagError("a channel's name has printable characters only, and no comma")
		}
	}
	return nil
}
