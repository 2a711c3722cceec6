package engineio

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"sync"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A Frame is one message, encoded once and shared by every session that sends
// it: the whole WebSocket frame, in which polling finds the packet. It is
// constant, and the zero Frame must not be sent.
type Frame struct {
	buf    []byte
	head   uint8 // where the packet begins in buf
	typed  uint8 // bytes of the packet before the data of a binary message
	binary bool
	joined bool   // the next one goes on with its message
	latest string // that of its bundle
}

// A Bundle is messages that are sent as one unit, encoded once and shared by
// every session that sends them. It is constant, but for its compressed form,
// which is made when the first session needs it.
type Bundle struct {
	frames []Frame
	wire   []byte // all of them, as one buffer: what a WebSocket sends
	latest string

	once       sync.Once // sets compressed
	compressed *Bundle

	one [1]Frame // room for the first
}

// NewBundle makes a Bundle of at least one message. If latest is not empty, a
// client that is behind gets no more than the newest of the messages in the
// bundles of that name: those still waiting for it are dropped.
func NewBundle(latest string, list ...Frame) *Bundle {
	b := &Bundle{latest: latest}
	b.frames = append(b.one[:0], list...)
	list = b.frames
	for i := range list {
		list[i].latest = latest
	}
	if len(list) == 1 {
		b.wire = list[0].buf
		return b
	}
	size := 0
	for _, f := range list {
		size += len(f.buf)
	}
	b.wire = make([]byte, 0, size)
	for i, f := range list {
		from := len(b.wire)
		b.wire = append(b.wire, f.buf...)
		list[i].buf = b.wire[from:len(b.wire):len(b.wire)]
	}
	return b
}

// base64 is b for sessions that take no binary.
func (b *Bundle) base64() *Bundle {
	if !slices.ContainsFunc(b.frames, func(f Frame) bool { return f.binary }) {
		return b
	}
	list := make([]Frame, len(b.frames))
	for i, f := range b.frames {
		list[i] = f.Base64()
	}
	return NewBundle(b.latest, list...)
}

// TextFrame is the message of these parts, which are UTF-8 and have no packet
// type yet.
func TextFrame(v packet.Version, parts ...[]byte) Frame {
	size := 1
	for _, part := range parts {
		size += len(part)
	}
	buf := v.AppendText(open(size), packet.Packet{Type: packet.Message})
	for _, part := range parts {
		buf = append(buf, part...)
	}
	return closed(ws.OpText, buf)
}

// TextRoom is how many bytes TextIn needs before the text.
const TextRoom = maxHead + 1

// TextIn is TextFrame, for sessions of versions 3 and 4, of what stands in buf
// after the first TextRoom bytes. It is not copied: buf is the frame's.
func TextIn(buf []byte) Frame {
	packet.V4.AppendText(buf[:maxHead], packet.Packet{Type: packet.Message}) // one byte
	return closed(ws.OpText, buf)
}

// BinaryFrame is the binary message data for sessions of version v.
func BinaryFrame(v packet.Version, data []byte) Frame {
	f := closed(ws.OpBinary, v.AppendBinary(open(len(data)+1), packet.Packet{Type: packet.Message, Binary: true, Data: data}))
	f.binary = true
	f.typed = uint8(len(f.buf) - int(f.head) - len(data)) // version 3 has a type byte (PROTOCOL.md 3.1)
	return f
}

// Len is the bytes that the frame has on a WebSocket.
func (f Frame) Len() int { return len(f.buf) }

// textFrame is the frame of a packet that is text already.
func textFrame(p []byte) Frame { return closed(ws.OpText, append(open(len(p)), p...)) }

// maxHead is the longest header of a frame that is not masked.
const maxHead = 10

// open is a buffer for a packet, with room for the header before it.
func open(size int) []byte { return make([]byte, maxHead, maxHead+size) }

// closed is the frame of the packet in a buffer that open made: its header
// stands right before the packet (RFC 6455, 5.2).
func closed(op ws.OpCode, buf []byte) Frame {
	n := len(buf) - maxHead
	head := 2
	switch {
	case n > math.MaxUint16:
		head = 10
		buf[maxHead-9] = 127
		binary.BigEndian.PutUint64(buf[maxHead-8:], uint64(n))
	case n > 125:
		head = 4
		buf[maxHead-3] = 126
		binary.BigEndian.PutUint16(buf[maxHead-2:], uint16(n))
	default:
		buf[maxHead-1] = byte(n)
	}
	buf[maxHead-head] = 0x80 | byte(op)
	return Frame{buf: buf[maxHead-head:], head: uint8(head)}
}

// Base64 is f for sessions that take no binary: the packet "b4" with base64
// (PROTOCOL.md 3.1). Sessions make it of what they are sent; who sends to many
// makes it once.
func (f Frame) Base64() Frame {
	if !f.binary {
		return f
	}
	return closed(ws.OpText, base64.StdEncoding.AppendEncode(append(open(base64.StdEncoding.EncodedLen(len(f.data()))+2), "b4"...), f.data()))
}

func (f Frame) data() []byte { return f.buf[int(f.head)+int(f.typed):] }

// encoded is f as a polling payload takes it.
func (f Frame) encoded() packet.Encoded {
	return packet.Encoded{Binary: f.binary, Data: f.data()}
}

// The packets without data, the same in versions 3 and 4.
var (
	closeFrame = textFrame([]byte("1"))
	pingFrame  = textFrame([]byte("2"))
	pongFrame  = textFrame([]byte("3"))
	noopFrame  = textFrame([]byte("6"))
	probeFrame = textFrame([]byte("3probe"))

	legacyPingFrame = textFrame(packet.V1.AppendText(nil, packet.Packet{Type: packet.Ping}))
	legacyNoopFrame = textFrame(packet.V1.AppendText(nil, packet.Packet{Type: packet.Noop}))
)
