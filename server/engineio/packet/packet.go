// Package packet encodes and decodes Engine.IO packets, versions 3 and 4.
//
// A [Packet] is one typed message; a payload is several, as long-polling
// carries them; JSONP is a payload wrapped for a script tag. What a server
// sends to many is encoded once, and put into payloads as [Encoded]. Bytes
// become values and values become bytes: the package opens no connection,
// starts no goroutine and keeps no state, so all of it may be called from any
// goroutine. It judges form alone: which packet may come when, and from whom,
// is for its callers.
//
// The specification is PROTOCOL.md, chapters 2 to 4.
package packet

import (
	"encoding/base64"
	"errors"
	"unicode/utf8"
)

// A Version of Engine.IO, as in the query EIO=4.
type Version int

// The two versions of Engine.IO. Version 3 is that of the 1.x and 2.x clients.
const (
	V3 Version = 3
	V4 Version = 4
)

// A Type says what a packet is for. On the wire it is one digit.
type Type byte

// The types of PROTOCOL.md 2.2, with what their data is.
const (
	Open    Type = iota // the handshake, JSON
	Close               // none
	Ping                // none, or "probe"
	Pong                // none, or "probe"
	Message             // the user's text or bytes
	Upgrade             // none
	Noop                // none
)

var typeNames = [...]string{"open", "close", "ping", "pong", "message", "upgrade", "noop"}

// String is the name of the type in the specification.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

// A Packet is one typed message. It is a value; Data may alias what it was
// decoded from.
type Packet struct {
	Type   Type
	Binary bool // a Message of bytes and not of text
	Data   []byte
}

// What is wrong with bytes that are not packets. Each ends the session.
var (
	ErrEmpty   = errors.New("packet: empty")
	ErrType    = errors.New("packet: unknown type")
	ErrBase64  = errors.New("packet: bad base64")
	ErrUTF8    = errors.New("packet: text is not UTF-8")
	ErrLength  = errors.New("packet: bad length in payload")
	ErrTooMany = errors.New("packet: too many packets in payload")
	ErrContent = errors.New("packet: binary where there is none")
)

// DecodeText decodes the text form of a packet: a WebSocket text frame, or one
// packet of a text payload. A binary message has a text form too, in base64
// (PROTOCOL.md 3.1, 4). Data of any other packet aliases p.
func (v Version) DecodeText(p []byte) (Packet, error) {
	if !utf8.Valid(p) {
		return Packet{}, ErrUTF8
	}
	return v.decodeText(p)
}

// decodeText is DecodeText of what is known to be UTF-8.
func (v Version) decodeText(p []byte) (Packet, error) {
	if v == V1 {
		return decodeV1(p)
	}
	if len(p) == 0 {
		return Packet{}, ErrEmpty
	}
	if p[0] == 'b' {
		return v.decodeBase64(p[1:])
	}
	t := Type(p[0] - '0')
	if t > Noop {
		return Packet{}, ErrType
	}
	return Packet{Type: t, Data: p[1:]}, nil
}

func (v Version) decodeBase64(p []byte) (Packet, error) {
	if v == V3 {
		if len(p) == 0 || p[0] != '4' {
			return Packet{}, ErrType
		}
		p = p[1:]
	}
	enc := base64.StdEncoding.Strict()
	data := make([]byte, enc.DecodedLen(len(p)))
	n, err := enc.Decode(data, p)
	if err != nil || enc.EncodedLen(n) != len(p) { // Decode skips newlines
		return Packet{}, ErrBase64
	}
	return Packet{Type: Message, Binary: true, Data: data[:n]}, nil
}

// DecodeBinary decodes a WebSocket binary frame: a message, in version 3 with
// its type before it as a number (PROTOCOL.md 3.1, 4). Data aliases p.
func (v Version) DecodeBinary(p []byte) (Packet, error) {
	if v == V1 {
		return Packet{}, ErrContent
	}
	if v == V3 {
		if len(p) == 0 {
			return Packet{}, ErrEmpty
		}
		if Type(p[0]) != Message {
			return Packet{}, ErrType
		}
		p = p[1:]
	}
	return Packet{Type: Message, Binary: true, Data: p}, nil
}

// AppendText appends the text form of p, which DecodeText reads.
func (v Version) AppendText(dst []byte, p Packet) []byte {
	if v == V1 {
		return appendV1(dst, p)
	}
	if p.Binary {
		return v.appendBase64(dst, p.Data)
	}
	return append(append(dst, '0'+byte(p.Type)), p.Data...)
}

func (v Version) appendBase64(dst, data []byte) []byte {
	dst = append(dst, 'b')
	if v == V3 {
		dst = append(dst, '4')
	}
	return base64.StdEncoding.AppendEncode(dst, data)
}

// AppendBinary appends the binary frame of p, a binary message, which
// DecodeBinary reads.
func (v Version) AppendBinary(dst []byte, p Packet) []byte {
	if v == V3 {
		dst = append(dst, byte(Message))
	}
	return append(dst, p.Data...)
}
