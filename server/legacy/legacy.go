// Package legacy encodes and decodes the packets of Socket.IO 0.9, "protocol
// 1", which clients of 2011 to 2014 speak.
//
// They are made of and into the packets of today's Socket.IO, so that nothing
// above knows of them: messages and JSON messages become the event "message",
// as they are in all later versions, and binary values become base64. What
// carries them, payloads and heartbeats, is in
// [github.com/sb-stream/stream-server/server/engineio/packet].
//
// Bytes become values and values become bytes: the package opens no
// connection, starts no goroutine and keeps no state. The specification is
// PROTOCOL.md chapter 7.
package legacy

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// The types of PROTOCOL.md 7.2, with what their data is. Heartbeats and no-ops
// are not for this package.
const (
	typeDisconnect = '0' // none
	typeConnect    = '1' // none
	typeMessage    = '3' // text
	typeJSON       = '4' // JSON
	typeEvent      = '5' // {"name":…,"args":[…]}
	typeAck        = '6' // id, or id+[…]
	typeError      = '7' // reason, or reason+advice
)

// notAllowed is the reason of an error packet to who may not be in a namespace.
// Without advice the client does not try again.
const notAllowed = "2"

// Errors of Decode, beside those of [packet.Decode]. Each ends the session.
var (
	ErrForm = errors.New("legacy: not of the form type:id:endpoint:data")
	ErrType = errors.New("legacy: a packet that clients do not send")
)

// Decode decodes one packet of a client into one of today's, which keeps the
// rules of [packet.Decode]. ack is the packet to answer with at once, for a
// client that asks no more than whether it has arrived; nil for none.
func Decode(p []byte) (decoded packet.Packet, ack []byte, err error) {
	f, err := split(p)
	if err != nil {
		return packet.Packet{}, nil, err
	}
	// The packet as a client of today would send it, to be judged as such.
	var text []byte
	id := f.id
	if len(id) > 0 && !f.data {
		id = nil
		ack = append(append([]byte{typeAck}, ":::"...), f.id...)
	}
	switch f.kind {
	case typeDisconnect:
		text = prefix('1', f.endpoint, nil)
	case typeConnect:
		text = prefix('0', f.endpoint, nil)
	case typeMessage:
		text = packet.AppendArray(prefix('2', f.endpoint, id), "message", quote(f.payload))
	case typeJSON:
		text = packet.AppendArray(prefix('2', f.endpoint, id), "message", f.payload)
	case typeEvent:
		var e struct {
			Name string            `json:"name"`
			Args []json.RawMessage `json:"args"`
		}
		if err := json.Unmarshal(f.payload, &e); err != nil {
			return packet.Packet{}, nil, packet.ErrJSON
		}
		args := make([][]byte, len(e.Args))
		for i, arg := range e.Args {
			args[i] = arg
		}
		text = packet.AppendArray(prefix('2', f.endpoint, id), e.Name, args...)
	case typeAck:
		number, args, ok := bytes.Cut(f.payload, []byte{'+'})
		if !ok {
			args = []byte("[]")
		}
		text = append(prefix('3', f.endpoint, number), args...)
	default:
		return packet.Packet{}, nil, ErrType
	}
	if decoded, err = packet.Decode(text); err != nil {
		return packet.Packet{}, nil, err
	}
	return decoded, ack, nil
}

// fields are the parts of a packet.
type fields struct {
	kind     byte
	id       []byte // digits, or empty
	data     bool   // the ack is to have data
	endpoint []byte // empty: the default namespace
	payload  []byte
}

// split takes a packet apart. The endpoint holds no colon; the last colon may
// be missing with what follows it.
func split(p []byte) (f fields, err error) {
	kind, rest, ok := bytes.Cut(p, []byte{':'})
	if !ok || len(kind) != 1 {
		return fields{}, ErrForm
	}
	id, rest, ok := bytes.Cut(rest, []byte{':'})
	if !ok {
		return fields{}, ErrForm
	}
	f.kind = kind[0]
	f.id, f.data = bytes.CutSuffix(id, []byte{'+'})
	f.endpoint, f.payload, _ = bytes.Cut(rest, []byte{':'})
	_, err = strconv.ParseUint(string(f.id), 10, 53) // as JavaScript counts
	if (len(f.id) > 0 || f.data) && err != nil || len(f.endpoint) > 0 && f.endpoint[0] != '/' || bytes.IndexByte(f.endpoint, ',') >= 0 {
		return fields{}, ErrForm
	}
	return f, nil
}

// prefix is what stands before the payload of a packet of today.
func prefix(kind byte, endpoint, id []byte) []byte {
	text := append([]byte{kind}, endpoint...)
	if len(endpoint) > 0 {
		text = append(text, ',')
	}
	return append(text, id...)
}

func quote(text []byte) []byte {
	quoted, _ := json.Marshal(string(text)) // a string has no error
	return quoted
}

// Append appends a packet of today as a 0.9 client wants it, binary values in
// base64. The data of an event or ack is an array, as those of the server are.
// A refused CONNECT becomes reason 2: the client knows no other words.
func Append(dst []byte, p packet.Packet, attachments [][]byte) ([]byte, error) {
	data := p.Data
	if len(attachments) > 0 {
		var err error
		if data, err = packet.Reconstruct(data, attachments); err != nil {
			return nil, err
		}
	}
	switch p.Type {
	case packet.Connect:
		return appendHead(dst, typeConnect, p), nil
	case packet.Disconnect:
		return appendHead(dst, typeDisconnect, p), nil
	case packet.ConnectError:
		return append(append(appendHead(dst, typeError, p), ':'), notAllowed...), nil
	case packet.Ack, packet.BinaryAck:
		id := p.ID
		p.ID = packet.NoID // it stands in the data
		dst = append(appendHead(dst, typeAck, p), ':')
		return append(append(strconv.AppendInt(dst, id, 10), '+'), data...), nil
	default:
		return appendEvent(append(appendHead(dst, typeEvent, p), ':'), data)
	}
}

// appendHead appends type, id and endpoint.
func appendHead(dst []byte, kind byte, p packet.Packet) []byte {
	dst = append(dst, kind, ':')
	if p.ID >= 0 && (p.Type == packet.Event || p.Type == packet.BinaryEvent) {
		dst = append(strconv.AppendInt(dst, p.ID, 10), '+')
	}
	dst = append(dst, ':')
	if p.Namespace != "/" {
		dst = append(dst, p.Namespace...)
	}
	return dst
}

// appendEvent appends the array of an event as an object.
func appendEvent(dst, data []byte) ([]byte, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(data, &list); err != nil || len(list) == 0 {
		return nil, packet.ErrPayload
	}
	dst = append(append(dst, `{"name":`...), list[0]...)
	dst = append(dst, `,"args":[`...)
	for i, arg := range list[1:] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, arg...)
	}
	return append(dst, "]}"...), nil
}
