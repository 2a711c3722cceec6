package server

import (
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/engineio"
)

// A standing is where a client stands in each of the channels that it hears by
// plain HTTP: after the message of that position. Such a client keeps one text
// for all of them, the id of the last event. Of one channel that is the position
// itself; of several it is
//
//	sum!position,position…
//
// in the order of their tags, of which it has the sum: the position of one message
// says nothing certain of other channels, whose messages go out at the same time,
// or came to another node. It is owned, or guarded, by whoever has it.
type standing struct {
	tags []string            // sorted; constant
	sum  string              // of tags; constant
	at   []channels.Position // of each; empty: it is not known
}

// maxStanding is how many channels a client of plain HTTP may hear: each event
// says where it stands in all of them.
const maxStanding = 32

// parseStanding reads what id has made. Of what is none, or of other channels,
// nothing is known.
func parseStanding(tags []string, text string) standing {
	sumOfTags := crc32.ChecksumIEEE([]byte(strings.Join(tags, ",")))
	s := standing{tags, strconv.FormatUint(uint64(sumOfTags), 36), make([]channels.Position, len(tags))}
	sum, list, several := strings.Cut(text, "!")
	switch {
	case len(tags) == 1:
		s.at[0] = channels.Position(text)
	case several && sum == s.sum && strings.Count(list, ",") == len(tags)-1:
		for i, position := range strings.Split(list, ",") {
			s.at[i] = channels.Position(position)
		}
	}
	return s
}

// places are those that are known, by their channels.
func (s standing) places() since {
	at := make(since)
	for i, position := range s.at {
		if place, ok := position.Place(); ok {
			at[s.tags[i]] = place
		}
	}
	return at
}

// note says that the client has got all of the channel up to the last message of
// the round.
func (s standing) note(r *channels.Round) {
	for i := range r.Messages {
		s.noteOne(r.Channel, r.Messages[i].Position)
	}
}

func (s standing) noteOne(tag string, position channels.Position) {
	if i, ok := slices.BinarySearch(s.tags, tag); ok && position != "" { // of a gap there is none
		s.at[i] = position
	}
}

// id is the standing as a client keeps it.
func (s standing) id() string {
	if len(s.at) == 1 {
		return string(s.at[0])
	}
	b := make([]byte, 0, 16+40*len(s.at))
	b = append(append(b, s.sum...), '!')
	for i, position := range s.at {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, position...)
	}
	return string(b)
}

// An intake is what a client of plain HTTP takes from its channels, once it is
// known where it stands in all of them.
type intake struct {
	mu       sync.Mutex        // taken after the locks of channels, before that of a session
	standing standing          // guarded by mu
	begun    bool              // guarded by mu; open was called
	held     []*channels.Round // guarded by mu; what came before that: while it was put into the map
}

// take gives a round to deliver, which has the lock, now or by open.
func (t *intake) take(r *channels.Round, deliver func(*channels.Round) engineio.Outcome) engineio.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun {
		return deliver(r)
	}
	t.held = append(t.held, r)
	return engineio.Sent
}

// open begins. Where the client is to be sent what it missed, it still stands
// where it was.
func (t *intake) open(subscriptions []channels.Subscription, deliver func(*channels.Round) engineio.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, sub := range subscriptions {
		if !sub.Recovered || sub.Replayed == 0 {
			t.standing.at[i] = sub.Position
		}
	}
	for _, r := range t.held {
		deliver(r)
	}
	t.begun, t.held = true, nil
}
