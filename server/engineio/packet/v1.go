package packet

import (
	"bytes"
	"strconv"
)

// V1 is Socket.IO 0.9, which knows no Engine.IO: its packets are Socket.IO
// packets at once, "type:id:endpoint:data", and a Message here is one of them
// as a whole. Only those that concern the connection have a type of their own:
// heartbeats, which go both ways as pings do in version 4, and the end
// (PROTOCOL.md chapter 7).
const V1 Version = 1

// The packets of version 1 that are no messages.
const (
	v1Disconnect = "0::"
	v1Heartbeat  = "2::"
	v1Noop       = "8::"
)

// v1Mark stands before and after each length of a payload of version 1: U+FFFD.
const v1Mark = "\uFFFD"

// decodeV1 decodes what is known to be UTF-8.
func decodeV1(p []byte) (Packet, error) {
	if len(p) == 0 {
		return Packet{}, ErrEmpty
	}
	if len(p) < 2 || p[0] < '0' || p[0] > '8' || p[1] != ':' {
		return Packet{}, ErrType
	}
	switch string(p) {
	case v1Disconnect:
		return Packet{Type: Close}, nil
	case v1Heartbeat:
		return Packet{Type: Pong}, nil
	case v1Noop:
		return Packet{Type: Noop}, nil
	}
	return Packet{Type: Message, Data: p}, nil
}

// appendV1 appends a packet of version 1. Those that it does not have are
// nothing.
func appendV1(dst []byte, p Packet) []byte {
	switch p.Type {
	case Message:
		return append(dst, p.Data...)
	case Close:
		return append(dst, v1Disconnect...)
	case Ping, Pong:
		return append(dst, v1Heartbeat...)
	case Noop:
		return append(dst, v1Noop...)
	}
	return dst
}

// splitV1 takes the first packet off a payload of version 1, which is one
// packet as it is, or several with their lengths in UTF-16 code units.
func splitV1(body []byte) (one part, rest []byte, err error) {
	rest, ok := bytes.CutPrefix(body, []byte(v1Mark))
	if !ok {
		return part{data: body, checked: true}, nil, nil
	}
	digits, rest, ok := bytes.Cut(rest, []byte(v1Mark))
	if !ok || len(digits) == 0 {
		return part{}, nil, ErrLength
	}
	units := 0
	for i, digit := range digits {
		if units, err = addDigit(units, i, digit-'0', len(body)); err != nil {
			return part{}, nil, err
		}
	}
	n, ok := utf16Prefix(rest, units)
	// After one with a length, all have one.
	if !ok || n < len(rest) && !bytes.HasPrefix(rest[n:], []byte(v1Mark)) {
		return part{}, nil, ErrLength
	}
	return part{data: rest[:n], checked: true}, rest[n:], nil
}

func appendPayloadV1(dst []byte, list []Encoded) []byte {
	if len(list) == 1 {
		return append(dst, list[0].Data...)
	}
	for _, e := range list {
		dst = append(dst, v1Mark...)
		dst = strconv.AppendInt(dst, int64(UTF16Len(e.Data)), 10)
		dst = append(append(dst, v1Mark...), e.Data...)
	}
	return dst
}
