package dialect

import (
	"encoding/json"
	"slices"
)

// A Message is one that has an event's name of its own.
type Message struct {
	Event       string            `json:"event"`
	Data        json.RawMessage   `json:"data,omitempty"`        // the first argument; nil: there is none
	More        []json.RawMessage `json:"more,omitempty"`        // the others
	Attachments [][]byte          `json:"attachments,omitempty"` // for the placeholders in Data and More, as in Socket.IO's packets
	Socket      string            `json:"socket,omitempty"`      // the session that is not to get it
	Except      []string          `json:"except,omitempty"`      // sessions, and channels, whose clients are not
	Rooms       []string          `json:"rooms,omitempty"`       // the channels that it goes to, if there are several
}

// Encode is the message as the server is given it.
func (m Message) Encode() []byte {
	if len(m.Rooms) < 2 {
		m.Rooms = nil
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic("dialect: " + err.Error()) // what was read is JSON
	}
	return text
}

// Parse reads what Encode has made, or a web server in the same form; nil if
// it is something else. Its JSON begins with the event.
func Parse(data []byte) *Message {
	const begin = `{"event":`
	if len(data) < len(begin) || string(data[:len(begin)]) != begin {
		return nil
	}
	m := &Message{}
	if json.Unmarshal(data, m) != nil || m.Event == "" {
		return nil
	}
	return m
}

// Args are the arguments of the event.
func (m *Message) Args() [][]byte {
	args := make([][]byte, 0, len(m.More)+2)
	if m.Data != nil {
		args = append(args, m.Data)
	}
	for _, arg := range m.More {
		args = append(args, arg)
	}
	return args
}

// Plain is the message as JSON without what is about who gets it.
func (m *Message) Plain() []byte {
	plain := *m
	plain.Socket, plain.Except, plain.Rooms = "", nil, nil
	return plain.Encode()
}

// Choosy reports whether some who hear a channel of the message may not be to
// get it from there.
func (m *Message) Choosy() bool {
	return m.Socket != "" || len(m.Except) > 0 || len(m.Rooms) > 1
}

// Excepts reports whether the session, or those who hear the channel, are not
// to get it.
func (m *Message) Excepts(name string) bool {
	return name == m.Socket || slices.Contains(m.Except, name)
}
