// Package streams is what those who publish durable messages and those who
// deliver them agree on: the form of an entry's id, its two fields, and which
// stream of Redis has the messages of a channel (DESIGN.md section 2).
//
// It opens no connection. A [Progress] is the one thing that has a state.
package streams

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"
)

// The fields of an entry. Others are ignored.
const (
	FieldChannel = "channel"
	FieldData    = "data"
)

// DefaultMax is how many entries a publisher leaves in a stream, about.
const DefaultMax = 100_000

// MaxPartitions is the largest number of streams that messages are spread over.
const MaxPartitions = 256

// ErrID is that of a text which is no id.
var ErrID = errors.New("streams: not an id such as 1700000000000-5")

// An ID is that of an entry: milliseconds since 1970, and a number that tells
// those of one millisecond apart. The zero ID comes before all others.
type ID struct{ MS, Seq uint64 }

// Max comes after all others.
var Max = ID{math.MaxUint64, math.MaxUint64}

// Parse reads an ID as String writes it, and no other way to write it.
func Parse(s string) (ID, error) {
	ms, seq, _ := strings.Cut(s, "-")
	m, mOK := number(ms)
	n, nOK := number(seq)
	if !mOK || !nOK {
		return ID{}, ErrID
	}
	return ID{m, n}, nil
}

// number reads decimal digits without a zero before them.
func number(s string) (uint64, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && (s[0] != '0' || s == "0") && s[0] != '+'
}

func (id ID) String() string {
	b := strconv.AppendUint(make([]byte, 0, 41), id.MS, 10)
	b = strconv.AppendUint(append(b, '-'), id.Seq, 10)
	return string(b)
}

// Compare is below zero if id comes before other, and above it if it comes after.
func (id ID) Compare(other ID) int {
	return cmp.Or(cmp.Compare(id.MS, other.MS), cmp.Compare(id.Seq, other.Seq))
}

// IsZero reports whether no entry can have this ID.
func (id ID) IsZero() bool { return id == ID{} }

// Next is the first ID after this one. There is none after Max.
func (id ID) Next() ID {
	switch {
	case id.Seq < math.MaxUint64:
		return ID{id.MS, id.Seq + 1}
	case id.MS < math.MaxUint64:
		return ID{id.MS + 1, 0}
	}
	return Max
}

// Key is the name of the stream that has the messages of a channel, where they
// are spread over this many. The braces make Redis Cluster place the streams by
// their number alone.
func Key(prefix, tag string, partitions int) string {
	if partitions <= 1 {
		return prefix + "stream"
	}
	return partition(prefix, Partition(tag, partitions))
}

// Partition is the number of that stream, from 0 on.
func Partition(tag string, partitions int) int {
	if partitions <= 1 {
		return 0
	}
	return int(crc16(tag)) % partitions
}

// Keys are the names of all of them.
func Keys(prefix string, partitions int) []string {
	if partitions <= 1 {
		return []string{prefix + "stream"}
	}
	keys := make([]string, partitions)
	for i := range keys {
		keys[i] = partition(prefix, i)
	}
	return keys
}

func partition(prefix string, n int) string {
	return prefix + "stream:{" + strconv.Itoa(n) + "}"
}

// crc16 is the checksum by which Redis Cluster places keys: CRC-16/XMODEM, with
// the polynomial 0x1021.
func crc16(s string) uint16 {
	var crc uint16
	for i := range len(s) {
		crc ^= uint16(s[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}
