package packet

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strconv"
	"unicode/utf8"
)

// separator stands between the packets of a version 4 payload. It is in no
// packet, because JSON escapes control characters (PROTOCOL.md 4).
const separator = 0x1e

// The bytes of a binary payload that are not data (PROTOCOL.md 3.3).
const (
	markText   = 0    // what follows is a packet in its text form
	markBinary = 1    // what follows is a binary frame
	lengthEnd  = 0xff // after the digits of the length
)

// DecodePayload decodes the body of a POST, which holds at most limit packets.
// Binary says that its Content-Type was application/octet-stream, which
// version 3 alone knows. It is all or nothing: there are no packets with an
// error. Lengths are checked before anything is allocated; what is allocated
// is 32 bytes for each packet, and the bytes of base64. Other data aliases
// body.
//
// The version 3 packet "0:" means nothing and is left out, so the list may be
// empty.
func (v Version) DecodePayload(body []byte, binary bool, limit int) ([]Packet, error) {
	if len(body) == 0 {
		return nil, ErrEmpty
	}
	split := splitV4
	switch {
	case binary && v == V3:
		split = splitV3Binary
	case binary:
		return nil, ErrContent
	case !utf8.Valid(body):
		return nil, ErrUTF8
	case v == V3:
		split = splitV3Text
	case v == V1:
		split = splitV1
	}

	count := 0
	for rest := body; len(rest) > 0; count++ {
		if count == limit {
			return nil, ErrTooMany
		}
		var err error
		if _, rest, err = split(rest); err != nil {
			return nil, err
		}
	}
	list := make([]Packet, 0, count)
	for rest := body; len(rest) > 0; {
		var one part
		one, rest, _ = split(rest) // the first walk saw every error
		p, err := v.decodePart(one)
		if err != nil {
			return nil, err
		}
		if !one.nothing {
			list = append(list, p)
		}
	}
	return list, nil
}

// A part is one packet of a payload.
type part struct {
	data    []byte
	checked bool // it is UTF-8
	binary  bool // it is a binary frame
	nothing bool // it is "0:"
}

func (v Version) decodePart(p part) (Packet, error) {
	switch {
	case p.nothing:
		return Packet{}, nil
	case p.binary:
		return v.DecodeBinary(p.data)
	case p.checked:
		return v.decodeText(p.data)
	default:
		return v.DecodeText(p.data)
	}
}

// splitV4 takes the first packet off a payload of PROTOCOL.md chapter 4.
func splitV4(body []byte) (one part, rest []byte, err error) {
	data, rest, more := bytes.Cut(body, []byte{separator})
	if len(data) == 0 || more && len(rest) == 0 {
		return part{}, nil, ErrEmpty
	}
	return part{data: data, checked: true}, rest, nil
}

// splitV3Text takes the first packet off a payload of PROTOCOL.md 3.2, whose
// lengths are in UTF-16 code units, as JavaScript counts.
func splitV3Text(body []byte) (one part, rest []byte, err error) {
	units, digits := 0, 0
	for ; digits < len(body) && body[digits] != ':'; digits++ {
		if units, err = addDigit(units, digits, body[digits]-'0', len(body)); err != nil {
			return part{}, nil, err
		}
	}
	if digits == 0 || digits == len(body) {
		return part{}, nil, ErrLength
	}
	rest = body[digits+1:]
	n, ok := utf16Prefix(rest, units)
	if !ok {
		return part{}, nil, ErrLength
	}
	return part{data: rest[:n], checked: true, nothing: n == 0}, rest[n:], nil
}

// splitV3Binary takes the first packet off a payload of PROTOCOL.md 3.3, whose
// lengths are in bytes.
func splitV3Binary(body []byte) (one part, rest []byte, err error) {
	mark, body := body[0], body[1:]
	if mark != markText && mark != markBinary {
		return part{}, nil, ErrContent
	}
	n, digits := 0, 0
	for ; digits < len(body) && body[digits] != lengthEnd; digits++ {
		if n, err = addDigit(n, digits, body[digits], len(body)); err != nil {
			return part{}, nil, err
		}
	}
	if digits == 0 || digits == len(body) {
		return part{}, nil, ErrLength
	}
	rest = body[digits+1:]
	if n > len(rest) {
		return part{}, nil, ErrLength
	}
	return part{data: rest[:n], binary: mark == markBinary}, rest[n:], nil
}

// addDigit adds the i-th digit to a length. No length is above limit, the
// bytes there are, and none starts with a zero but zero itself.
func addDigit(length, i int, digit byte, limit int) (int, error) {
	if digit > 9 || i > 0 && length == 0 {
		return 0, ErrLength
	}
	if length = length*10 + int(digit); length > limit {
		return 0, ErrLength
	}
	return length, nil
}

// Encoded is a packet as a session queues it: a text packet in its text form,
// type and all, or the bytes of a binary message. The data may be shared.
type Encoded struct {
	Binary bool
	Data   []byte
}

// AppendPayload appends the answer to a poll. The packets are copied as they
// are, not encoded anew. Binary messages are written in base64, but in version
// 3 without b64 (the query's b64=1 or j) they make the whole payload binary:
// then it is true, and the Content-Type is application/octet-stream
// (PROTOCOL.md 3.3).
func (v Version) AppendPayload(dst []byte, list []Encoded, b64 bool) (out []byte, binary bool) {
	size := len("0:")
	for _, e := range list {
		size += base64.StdEncoding.EncodedLen(len(e.Data)) + len("1000000:b4")
		if !e.Binary {
			size -= (len(e.Data) + 2) / 3 // base64 would have added that
		}
	}
	dst = slices.Grow(dst, size)
	switch {
	case v == V1:
		return appendPayloadV1(dst, list), false
	case v == V4:
		return v.appendV4(dst, list), false
	case !b64 && slices.ContainsFunc(list, func(e Encoded) bool { return e.Binary }):
		return appendV3Binary(dst, list), true
	default:
		return v.appendV3Text(dst, list), false
	}
}

func (v Version) appendV4(dst []byte, list []Encoded) []byte {
	for i, e := range list {
		if i > 0 {
			dst = append(dst, separator)
		}
		if e.Binary {
			dst = v.appendBase64(dst, e.Data)
		} else {
			dst = append(dst, e.Data...)
		}
	}
	return dst
}

func (v Version) appendV3Text(dst []byte, list []Encoded) []byte {
	if len(list) == 0 {
		return append(dst, "0:"...)
	}
	for _, e := range list {
		if e.Binary {
			length := len("b4") + base64.StdEncoding.EncodedLen(len(e.Data))
			dst = append(strconv.AppendInt(dst, int64(length), 10), ':')
			dst = v.appendBase64(dst, e.Data)
		} else {
			dst = append(strconv.AppendInt(dst, int64(UTF16Len(e.Data)), 10), ':')
			dst = append(dst, e.Data...)
		}
	}
	return dst
}

func appendV3Binary(dst []byte, list []Encoded) []byte {
	for _, e := range list {
		if e.Binary {
			dst = appendLength(append(dst, markBinary), 1+len(e.Data))
			dst = V3.AppendBinary(dst, Packet{Type: Message, Binary: true, Data: e.Data})
		} else {
			dst = appendLength(append(dst, markText), len(e.Data))
			dst = append(dst, e.Data...)
		}
	}
	return dst
}

// appendLength writes a length one byte for each digit, of the digit's value.
func appendLength(dst []byte, n int) []byte {
	start := len(dst)
	dst = strconv.AppendInt(dst, int64(n), 10)
	for i := start; i < len(dst); i++ {
		dst[i] -= '0'
	}
	return append(dst, lengthEnd)
}
