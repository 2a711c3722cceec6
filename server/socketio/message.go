package socketio

import (
	"encoding/json"
	"sync"

	eio "github.com/sb-stream/stream-server/server/engineio"
	epacket "github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/legacy"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A Message is an event for many clients, or several that follow each other. It
// is encoded once for each dialect when the first client that speaks it needs
// it, and shared by all of them after that. It may be used from any goroutine.
type Message struct {
	events []event  // constant
	latest string   // constant; see Batch
	one    [1]event // room for the first of them

	v4, v3, v3Text, v1 dialect

	apart sync.Once // sets aside
	aside any
}

// Aside is what form has made, once for the message: its form for those whom the
// application reaches otherwise.
func (m *Message) Aside(form func() any) any {
	m.apart.Do(func() { m.aside = form() })
	return m.aside
}

// An event is a packet with its attachments.
type event struct {
	packet      packet.Packet
	attachments [][]byte
	newOnly     bool      // old clients keep the event's name for themselves
	frame       eio.Frame // for clients of version 4; the zero Frame: it is to be made
}

// A dialect is the message as the clients of one Engine.IO version want it. The
// bundle is nil if it is nothing for them.
type dialect struct {
	once   sync.Once
	bundle *eio.Bundle
}

// NewMessage makes the event of a namespace, with arguments that are JSON
// already. They are not checked.
func NewMessage(namespace, name string, args ...[]byte) *Message {
	size := eio.TextRoom + len(namespace) + len(name) + 6
	for _, arg := range args {
		size += len(arg) + 1
	}
	// It is encoded in the place where most clients want it.
	p := packet.Packet{Type: packet.Event, Namespace: namespace, ID: noID}
	buf := p.Append(make([]byte, eio.TextRoom, size))
	head := len(buf)
	buf = packet.AppendArray(buf, name, args...)
	m := message(namespace, name, noID, buf[head:], nil)
	m.one[0].frame = eio.TextIn(buf)
	return m
}

// NewBinaryMessage is NewMessage of arguments with placeholders for these
// attachments.
func NewBinaryMessage(namespace, name string, attachments [][]byte, args ...[]byte) *Message {
	return message(namespace, name, noID, packet.AppendArray(nil, name, args...), attachments)
}

// Batch makes one Message of several, which are sent in one write. If latest is
// not empty, a client that is behind gets only the newest of the messages of
// that name, and those before it are dropped.
func Batch(latest string, list ...*Message) *Message {
	m := &Message{latest: latest, events: make([]event, 0, len(list))}
	for _, one := range list {
		m.events = append(m.events, one.events...)
	}
	return m
}

// encodeMessage is NewMessage of arguments that encoding/json can encode.
// []byte and packet.Binary become attachments.
func encodeMessage(namespace, name string, id int64, args []any) (*Message, error) {
	data, attachments, err := packet.Deconstruct(append([]any{name}, args...)...)
	if err != nil {
		return nil, err
	}
	return message(namespace, name, id, data, attachments), nil
}

func message(namespace, name string, id int64, data []byte, attachments [][]byte) *Message {
	p := packet.Packet{Type: packet.Event, Namespace: namespace, ID: id, Data: data}
	if len(attachments) > 0 {
		p.Type, p.Attachments = packet.BinaryEvent, len(attachments)
	}
	m := &Message{one: [1]event{{packet: p, attachments: attachments, newOnly: packet.ReservedV4Client(name)}}}
	m.events = m.one[:]
	return m
}

// SendTo sends the message to one client, if it may get it. It is Conn.Send, but
// for clients that have left the namespace and not the session.
func (m *Message) SendTo(s *eio.Session) eio.Outcome {
	d := &m.v4
	switch v := s.Version(); {
	case v == epacket.V1:
		d = &m.v1
	case v == epacket.V3 && !s.TakesBinary():
		d = &m.v3Text
	case v == epacket.V3:
		d = &m.v3
	}
	d.once.Do(func() { d.bundle = m.encode(s.Version(), d == &m.v3Text) })
	if d.bundle == nil {
		return eio.Sent // that client's generation gets no such message
	}
	return s.SendAll(d.bundle)
}

// encode makes the bundle of a dialect.
func (m *Message) encode(v epacket.Version, text bool) *eio.Bundle {
	var list []eio.Frame
	for i := range m.events {
		e := &m.events[i]
		switch {
		case v != epacket.V4 && e.newOnly:
		case v == epacket.V4 && e.frame.Len() > 0:
			if len(m.events) == 1 {
				return eio.NewBundle(m.latest, e.frame)
			}
			list = append(list, e.frame)
		case list == nil:
			list = frames(v, e.packet, e.attachments)
		default:
			list = append(list, frames(v, e.packet, e.attachments)...)
		}
	}
	if text {
		for i, f := range list {
			list[i] = f.Base64()
		}
	}
	if len(list) == 0 {
		return nil
	}
	return eio.NewBundle(m.latest, list...)
}

// frames encodes a packet with its attachments. Clients of Engine.IO 3 get JSON
// in ASCII, which reads the same in all three of their dialects (PROTOCOL.md
// 3.4).
func frames(v epacket.Version, p packet.Packet, attachments [][]byte) []eio.Frame {
	switch v {
	case epacket.V3:
		p.Data = packet.AppendASCII(nil, p.Data)
	case epacket.V1:
		text, err := legacy.Append(nil, p, attachments)
		if err != nil { // none of ours has one
			text = []byte("8::") // which means nothing
		}
		return []eio.Frame{eio.TextFrame(v, text)}
	}
	data := p.Data
	p.Data = nil
	list := make([]eio.Frame, 1, 1+len(attachments))
	list[0] = eio.TextFrame(v, p.Append(make([]byte, 0, len(p.Namespace)+32)), data)
	for _, data := range attachments {
		list = append(list, eio.BinaryFrame(v, data))
	}
	return list
}

// noID is a packet that wants no ack.
const noID = packet.NoID

// Arguments are what a client sent with an event or an ack: JSON values, in
// which placeholders stand for the binary ones beside them.
type Arguments struct {
	Args        []json.RawMessage
	Attachments [][]byte
}

// Scan decodes the arguments into pointers, as encoding/json does, and binary
// values into []byte, in a *any too. A nil pointer skips one. What is missing
// leaves the rest as it is; what is left over is ignored.
func (a *Arguments) Scan(pointers ...any) error {
	for i, pointer := range pointers {
		if i == len(a.Args) {
			break
		}
		if pointer == nil {
			continue
		}
		if err := a.decode(i, pointer); err != nil {
			return err
		}
	}
	return nil
}

// decode decodes the i-th argument.
func (a *Arguments) decode(i int, pointer any) error {
	value := []byte(a.Args[i])
	if len(a.Attachments) == 0 {
		return json.Unmarshal(value, pointer)
	}
	if v, ok := pointer.(*any); ok {
		*v = nil // what it points to is not to be filled
		if err := json.Unmarshal(value, v); err != nil {
			return err
		}
		*v = fill(*v, a.Attachments)
		return nil
	}
	// Base64, from which encoding/json makes []byte.
	value, err := packet.Reconstruct(value, a.Attachments)
	if err != nil {
		return err
	}
	return json.Unmarshal(value, pointer)
}

// fill puts binary values in the places of their placeholders, which were
// checked when the packet came.
func fill(v any, attachments [][]byte) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = fill(v[i], attachments)
		}
	case map[string]any:
		if n, ok := v["num"].(float64); ok && v["_placeholder"] == true && n >= 0 && int(n) < len(attachments) {
			return attachments[int(n)]
		}
		for key := range v {
			v[key] = fill(v[key], attachments)
		}
	}
	return v
}

// clone is a copy that outlives the call of a handler.
func (a *Arguments) clone() Arguments {
	c := Arguments{Args: make([]json.RawMessage, len(a.Args)), Attachments: a.Attachments}
	for i, arg := range a.Args {
		c.Args[i] = append(json.RawMessage(nil), arg...)
	}
	return c
}
