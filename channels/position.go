package channels

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
)

// A Position says where in its channel a message stands. It is opaque to
// clients, who send it back to say what they have seen last. Its form is
//
//	node.number.time.depth print[@id]
//
// with numbers to the base of 36, and no space: the node that made it, the
// message's number there, when the message came there, in milliseconds on the
// clock that all nodes share, the [fingerprint] of it and the messages before it,
// and the stream's id of a message that the broker keeps.
type Position string

// A Place is what a Position says.
type Place struct {
	Node   string
	Number uint64 // of the node's sequence; one counter for all channels
	ID     string // of the stream; empty for a message of plain PUBLISH

	time  int64 // when the message came, in milliseconds
	print fingerprint
}

// maxPosition is the bytes of the longest one.
const maxPosition = 128

// Place is what p says; false if p is no position.
func (p Position) Place() (at Place, ok bool) {
	if len(p) > maxPosition {
		return Place{}, false
	}
	text, id, kept := strings.Cut(string(p), "@")
	fields := strings.Split(text, ".")
	if len(fields) != 4 || fields[0] == "" || fields[3] == "" || kept && id == "" {
		return Place{}, false
	}
	at = Place{Node: fields[0], ID: id}
	depth := fields[3][0] - '0'
	var err [3]error
	at.Number, err[0] = strconv.ParseUint(fields[1], 36, 64)
	at.time, err[1] = strconv.ParseInt(fields[2], 36, 64)
	at.print.depth = int(depth)
	if depth > 0 {
		at.print.sum, err[2] = strconv.ParseUint(fields[3][1:], 36, 64)
	}
	ok = err == [3]error{} && depth <= maxDepth && at.time >= 0 && at.position() == p
	return at, ok
}

func (at Place) position() Position {
	var room [maxPosition]byte
	b := append(room[:0], at.Node...)
	b = append(b, '.')
	b = strconv.AppendUint(b, at.Number, 36)
	b = append(b, '.')
	b = strconv.AppendInt(b, at.time, 36)
	b = append(b, '.', '0'+byte(at.print.depth))
	if at.print.depth > 0 {
		b = strconv.AppendUint(b, at.print.sum, 36)
	}
	if at.ID != "" {
		b = append(b, '@')
		b = append(b, at.ID...)
	}
	return Position(b)
}

// A sequence numbers the messages of this node: one counter for all channels,
// so that the last position seen on any channel says where a whole connection
// stands.
type sequence struct {
	node string // sets one run of the process apart from the next, and from other nodes
	last atomic.Uint64
}

// maxDepth is how many messages a fingerprint is over.
const maxDepth = 8

// A fingerprint tells, with those of other nodes, which place in a channel is
// which: it is over the message there and those before it, as many as the node
// had heard without a break, and up to maxDepth.
type fingerprint struct {
	depth int // messages; 0: it tells nothing
	sum   uint64
}

// A trail is the sums of the last messages of a channel, oldest first.
type trail struct {
	sums [maxDepth]uint64
	n    int
}

// sumOf is the sum of one message.
func sumOf(data []byte) uint64 { return xxhash.Sum64(data) }

func (t *trail) add(sum uint64) {
	if t.n == maxDepth {
		copy(t.sums[:], t.sums[1:])
		t.n--
	}
	t.sums[t.n] = sum
	t.n++
}

// print is the fingerprint of the last messages, as many as depth says; one of
// depth 0 if there are not so many.
func (t *trail) print(depth int) fingerprint {
	if depth == 0 || depth > t.n {
		return fingerprint{}
	}
	var h xxhash.Digest
	h.Reset()
	var room [8]byte
	for _, sum := range t.sums[t.n-depth : t.n] {
		for i := range room {
			room[i] = byte(sum >> (8 * i))
		}
		_, _ = h.Write(room[:]) // never fails
	}
	const bits = 48 // enough among the messages of a history, and short; all have as many digits
	return fingerprint{depth, 1<<bits | h.Sum64()>>(64-bits)}
}
