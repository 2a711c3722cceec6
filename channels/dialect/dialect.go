package dialect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/internal/tags"
)

// The dialects, as configurations name them.
const (
	SocketIO = "socket.io"
	Laravel  = "laravel"
)

// Shared is the tag under which a [Set] lists the name that all channels have
// in common. No client can hear a tag of this form.
const Shared = "$shared"

// Config says which dialects there are. The zero value is none but our own.
type Config struct {
	Prefix        string             // before every tag, in the names of our own
	Dialects      []string           // SocketIO, Laravel
	Key           string             // of the Socket.IO servers; "socket.io"
	Everybody     string             // the channel of what they send to no room; "everybody"
	LaravelPrefix string             // before every tag, in the names of Laravel; none
	MaxPublish    int                // bytes of a message; required with SocketIO
	Log           logrus.FieldLogger // hears of messages that cannot be read; required with SocketIO
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	var faults []error
	for _, name := range c.Dialects {
		if name != SocketIO && name != Laravel {
			faults = append(faults, fmt.Errorf("dialect: there is %s and %s, not %q", SocketIO, Laravel, name))
		}
	}
	if strings.ContainsAny(c.Key, "#*") {
		faults = append(faults, fmt.Errorf("dialect: the key %q of the Socket.IO servers has # or * in it", c.Key))
	}
	if c.Everybody != "" {
		if err := tags.Check(c.Everybody); err != nil {
			faults = append(faults, fmt.Errorf("dialect: the channel of everybody: %w", err))
		}
	}
	return errors.Join(faults...)
}

// A Set is the dialects that are switched on.
type Set struct {
	// Constant.
	prefix    string
	socketIO  string // before a room, and the name that all share; empty: it is off
	everybody string
	laravel   string
	isLaravel bool
	most      int
	log       logrus.FieldLogger

	refused atomic.Uint64
	logged  atomic.Int64 // when a refusal was last logged, Unix seconds
}

// New makes a Set.
func New(c Config) (*Set, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &Set{prefix: c.Prefix, everybody: "everybody", laravel: c.LaravelPrefix, most: c.MaxPublish, log: c.Log}
	if c.Everybody != "" {
		s.everybody = c.Everybody
	}
	s.isLaravel = slices.Contains(c.Dialects, Laravel)
	if slices.Contains(c.Dialects, SocketIO) {
		s.socketIO = "socket.io#/#"
		if c.Key != "" {
			s.socketIO = c.Key + "#/#"
		}
	}
	return s, nil
}

// A kind is whose a name is.
type kind uint8

const (
	nobodys kind = iota
	laravels
	ours
	socketIOs
)

// Names are the names by which the channel is heard. Of all of them, [Set.Tag]
// is the tag.
func (s *Set) Names(tag string) []string {
	switch {
	case tag == Shared:
		return []string{s.socketIO}
	case own(tag):
		return []string{s.prefix + tag}
	}
	names := make([]string, 0, 3)
	for _, name := range [...]struct {
		kind kind
		text string
	}{
		{laravels, s.laravel + tag}, {ours, s.prefix + tag}, {socketIOs, s.socketIO + tag + "#"},
	} { // where two dialects would use one name, it is one dialect's alone
		if k, _ := s.of(name.text); k == name.kind {
			names = append(names, name.text)
		}
	}
	return names
}

// Tag is the channel of which this is a name, empty for none, and whether it is the last in the
// list of Names.
func (s *Set) Tag(name string) (tag string, last bool) {
	kind, tag := s.of(name)
	return tag, kind == socketIOs || kind == ours && (s.socketIO == "" || own(tag))
}

// Blamed is the channel whose clients are told when what came on the name
// cannot be delivered. For several rooms it is that of everybody: which they are
// is not known.
func (s *Set) Blamed(name string) string {
	if _, tag := s.of(name); tag != Shared {
		return tag
	}
	return s.everybody
}

// own reports whether a tag is one of the nodes' own.
func own(tag string) bool { return strings.HasPrefix(tag, "$") }

// of is whose a name is, and of which channel.
func (s *Set) of(name string) (kind, string) {
	if s.socketIO != "" {
		if room, ok := strings.CutPrefix(name, s.socketIO); ok {
			if room == "" {
				return socketIOs, Shared
			}
			if tag, ok := strings.CutSuffix(room, "#"); ok {
				return socketIOs, tag
			}
		}
	}
	if tag, ok := strings.CutPrefix(name, s.prefix); ok {
		return ours, tag
	}
	if s.isLaravel {
		if tag, ok := strings.CutPrefix(name, s.laravel); ok {
			return laravels, tag
		}
	}
	return nobodys, ""
}

// On reports whether there is a dialect but our own.
func (s *Set) On() bool { return s.socketIO != "" || s.isLaravel }

// HasShared reports whether there is a name that all channels have in common.
func (s *Set) HasShared() bool { return s.socketIO != "" }

// Read makes messages of what came on a name: deliver is called for each
// channel with the same data, and what it returns is added up. What cannot be
// read is an error, for Refuse to be told of once.
func (s *Set) Read(name string, data []byte, deliver func(tag string, data []byte) int) (n int, err error) {
	kind, tag := s.of(name)
	switch kind {
	case ours:
		return deliver(tag, data), nil
	case laravels:
		return s.deliver(tag, data, deliver), nil
	case socketIOs:
	case nobodys:
		if s.foreign(name) {
			s.Refuse(errNamespace)
		}
		return 0, nil
	}
	m, err := s.read(data)
	if err != nil {
		return 0, err
	}
	if tag != Shared {
		m.Rooms = []string{tag}
	} else if len(m.Rooms) == 0 {
		m.Rooms = []string{s.everybody}
	}
	text := m.Encode()
	for _, tag := range m.Rooms {
		n += s.deliver(tag, text, deliver)
	}
	return n, nil
}

// deliver delivers to a channel that clients may hear.
func (*Set) deliver(tag string, data []byte, deliver func(tag string, data []byte) int) int {
	if tags.Check(tag) != nil {
		return 0
	}
	return deliver(tag, data)
}

// foreign reports whether the name is of a namespace that is not ours.
func (s *Set) foreign(name string) bool {
	return s.socketIO != "" && strings.HasPrefix(name, strings.TrimSuffix(s.socketIO, "#"))
}

// refusalEvery is the time between log lines about messages that cannot be
// read, in seconds.
const refusalEvery = 60

// Refuse counts a message that cannot be read, and logs it once in a while.
func (s *Set) Refuse(err error) {
	s.refused.Add(1)
	now := time.Now().Unix()
	if last := s.logged.Load(); now-last >= refusalEvery && s.logged.CompareAndSwap(last, now) {
		s.log.WithError(err).Warn("a message in the dialect of Socket.IO was not delivered")
	}
}

// Refused is how many messages could not be read.
func (s *Set) Refused() uint64 { return s.refused.Load() }
