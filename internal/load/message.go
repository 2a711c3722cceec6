package load

import (
	"bytes"
	"strconv"
	"time"
)

// A message is what a payload says: `{"c":0,"n":1,"t":1500,"pad":"xxx"}`.
type message struct {
	channel int
	number  int64
	due     time.Duration // since the swarm was made
}

var (
	payloadStart  = []byte(`{"c":`)
	payloadNumber = []byte(`,"n":`)
	payloadDue    = []byte(`,"t":`)
	payloadPad    = []byte(`,"pad":"`)
)

// appendPayload appends the JSON of m, filled up to size bytes if it is
// shorter.
func appendPayload(b []byte, m message, size int) []byte {
	start := len(b)
	b = append(b, payloadStart...)
	b = strconv.AppendInt(b, int64(m.channel), 10)
	b = append(b, payloadNumber...)
	b = strconv.AppendInt(b, m.number, 10)
	b = append(b, payloadDue...)
	b = strconv.AppendInt(b, int64(m.due), 10)
	b = append(b, payloadPad...)
	for len(b)-start < size-len(`"}`) {
		b = append(b, 'x')
	}
	return append(b, `"}`...)
}

// nextPayload finds the first payload of text, and returns what follows its
// numbers. It looks for nothing else, because every protocol wraps the same
// JSON in its own way, and some put several messages into a frame.
func nextPayload(text []byte) (m message, rest []byte, ok bool) {
	_, after, found := bytes.Cut(text, payloadStart)
	if !found {
		return m, nil, false
	}
	channel, rest, ok := number(after, payloadNumber)
	if !ok {
		return m, nil, false
	}
	n, rest, ok := number(rest, payloadDue)
	if !ok {
		return m, nil, false
	}
	due, rest, ok := number(rest, payloadPad)
	return message{int(channel), n, time.Duration(due)}, rest, ok
}

// number reads digits up to a separator.
func number(b, separator []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		n = n*10 + int64(b[i]-'0')
	}
	if i == 0 || !bytes.HasPrefix(b[i:], separator) {
		return 0, nil, false
	}
	return n, b[i+len(separator):], true
}
