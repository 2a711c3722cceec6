package socketio

import (
	"encoding/json"
	"sync"

	eio "github.com/sb-stream/stream-server/server/engineio"
	epacket "github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A Message is one event for many clients, encoded once for each dialect when
// the first client that speaks it needs it, and shared by all of them after
// that. It may be used from any goroutine.
type Message struct {
	// Constant after NewMessage.
	namespace string
	event     string
	args      [][]byte

	v4, v3 dialect
}

// A dialect is the message as the clients of one Engine.IO version want it.
type dialect struct {
	once  sync.Once
	frame eio.Frame
}

// NewMessage makes the event of a namespace, with arguments that are JSON
// already. They are kept, and must not change any more.
func NewMessage(namespace, event string, args ...[]byte) *Message {
	return &Message{namespace: namespace, event: event, args: args}
}

// frame is the message in the dialect of v. Clients of Engine.IO 3 get JSON in
// ASCII, which reads the same in all three of theirs (PROTOCOL.md 3.4).
func (m *Message) frame(v epacket.Version) eio.Frame {
	if v == epacket.V4 {
		m.v4.once.Do(func() { m.v4.frame = eio.TextFrame(v, m.packet()) })
		return m.v4.frame
	}
	m.v3.once.Do(func() { m.v3.frame = eio.TextFrame(v, packet.AppendASCII(nil, m.packet())) })
	return m.v3.frame
}

func (m *Message) packet() []byte {
	size := len(m.namespace) + len(m.event) + 32
	for _, arg := range m.args {
		size += len(arg) + 1
	}
	return packet.AppendEvent(make([]byte, 0, size), m.namespace, noID, m.event, m.args...)
}

// noID is a packet that wants no ack.
const noID = -1

// encodeArgs makes JSON of the arguments of an event or an ack.
func encodeArgs(args []any) ([][]byte, error) {
	list := make([][]byte, len(args))
	for i, arg := range args {
		data, err := json.Marshal(arg)
		if err != nil {
			return nil, err
		}
		list[i] = data
	}
	return list, nil
}
