package packet

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// Decode decodes the text of an Engine.IO message. It is strict: what it
// returns keeps the rules of PROTOCOL.md 5.2 and the limits of this package,
// and its placeholders are in range. Data aliases p.
//
// An event without a payload ("2") is a packet, because the reference ignores
// it and does not close the connection; so must the caller, before
// [Packet.Event].
func Decode(p []byte) (Packet, error) {
	if !utf8.Valid(p) {
		return Packet{}, ErrUTF8
	}
	if len(p) == 0 {
		return Packet{}, ErrEmpty
	}
	d := Packet{Type: Type(p[0] - '0'), Namespace: "/", ID: NoID}
	if d.Type > BinaryAck {
		return Packet{}, ErrType
	}
	rest := p[1:]
	if d.Type.binary() {
		n, after, ok := number(rest, MaxAttachments)
		if !ok || len(after) == 0 || after[0] != '-' {
			return Packet{}, ErrAttachments
		}
		d.Attachments, rest = int(n), after[1:]
	}
	if len(rest) > 0 && rest[0] == '/' {
		name, after, _ := bytes.Cut(rest, []byte{','})
		if bytes.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return Packet{}, ErrNamespace
		}
		d.Namespace, rest = string(name), after
	}
	if (d.Type.event() || d.Type.ack()) && len(rest) > 0 && isDigit(rest[0]) {
		id, after, ok := number(rest, MaxID)
		if !ok {
			return Packet{}, ErrID
		}
		d.ID, rest = id, after
	}
	if len(rest) > 0 {
		d.Data = rest
	}
	if err := d.check(); err != nil {
		return Packet{}, err
	}
	return d, nil
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// number reads the digits that p starts with. It is not ok if there are none
// or the number is above limit.
func number(p []byte, limit int64) (n int64, rest []byte, ok bool) {
	i := 0
	for ; i < len(p) && isDigit(p[i]); i++ {
		if n = n*10 + int64(p[i]-'0'); n > limit {
			return 0, nil, false
		}
	}
	return n, p[i:], i > 0
}

// check holds the data against the type.
func (p Packet) check() error {
	if p.Type.ack() && p.ID == NoID {
		return ErrID
	}
	if len(p.Data) == 0 {
		if p.Type.binary() {
			return ErrPayload
		}
		return nil
	}
	if p.Type == Disconnect {
		return ErrPayload
	}
	if err := checkJSON(p.Data); err != nil {
		return err
	}
	first := p.Data[space(p.Data, 0)]
	switch {
	case p.Type == ConnectError:
		return nil
	case p.Type == Connect && first != '{', p.Type != Connect && first != '[':
		return ErrPayload
	}
	if p.Type.event() {
		name, err := p.name()
		if err != nil {
			return err
		}
		if Reserved(name) {
			return ErrReserved
		}
	}
	if p.Type.binary() {
		_, err := reconstruct(p.Data, make([][]byte, p.Attachments))
		return err
	}
	return nil
}

// checkJSON checks the nesting first: it bounds what the rest may cost.
func checkJSON(p []byte) error {
	depth := 0
	for i := 0; i < len(p); {
		switch p[i] {
		case '"':
			i = stringEnd(p, i)
			continue
		case '[', '{':
			if depth++; depth > MaxNesting {
				return ErrNesting
			}
		case ']', '}':
			depth--
		}
		i++
	}
	if !json.Valid(p) {
		return ErrJSON
	}
	return nil
}
