package channels

import (
	"strconv"
	"sync/atomic"
)

// A Position says where in its channel a message stands. It is opaque to
// clients, who send it back to say what they have seen last.
type Position string

// A Message is one item in the sequence that the clients of a channel see:
// data, or, when Gap is set, the notice that some may be missing there.
type Message struct {
	Data     []byte   // valid JSON; nil for a gap
	Position Position // empty for a gap
	Gap      string   // why messages may be missing; empty for data

	number uint64 // of this node; 0 for a gap
}

// A sequence numbers the messages of this node: one counter for all channels,
// so that the last position seen on any channel says where a whole connection
// stands. The epoch sets one run of the process apart from the next.
type sequence struct {
	epoch string
	last  atomic.Uint64
}

// now is the position of the newest message there is.
func (s *sequence) now() Position { return s.position(s.last.Load()) }

func (s *sequence) position(n uint64) Position {
	var room [32]byte
	b := append(room[:0], s.epoch...)
	b = append(b, '.')
	b = strconv.AppendUint(b, n, 36)
	return Position(b)
}
