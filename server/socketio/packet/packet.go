// Package packet encodes and decodes Socket.IO packets, of the protocol's
// versions 4 and 5, which differ in what they say and not in form.
//
// A [Packet] is what stands in an Engine.IO text message after its type digit.
// Its payload stays JSON: [Packet.Event] and [Packet.Args] take the array
// apart and leave the values as they are. Binary values travel beside the
// packet, with placeholders in the JSON: [Deconstruct] takes them out and
// [Reconstruct] puts them back. [AppendArray] writes that of an event whose arguments
// are JSON already; [AppendASCII] makes any JSON fit for the old clients.
//
// The package keeps no state, so all of it may be called from any goroutine.
// Who is in which namespace, and who waits for an ack, is for its callers.
//
// The specification is PROTOCOL.md, chapter 5.
package packet

import (
	"errors"
	"strconv"
	"strings"
)

// A Type says what a packet is for. On the wire it is one digit.
type Type byte

// The types of PROTOCOL.md 5.1, with what their data is.
const (
	Connect      Type = iota // none, or an object
	Disconnect               // none
	Event                    // array, the first element is the name; or none
	Ack                      // array, or none
	ConnectError             // any JSON, or none
	BinaryEvent              // as Event, with attachments; never none
	BinaryAck                // as Ack, with attachments; never none
)

var typeNames = [...]string{
	"CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK",
}

// String is the name of the type in the specification.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "UNKNOWN"
}

func (t Type) binary() bool { return t == BinaryEvent || t == BinaryAck }
func (t Type) event() bool  { return t == Event || t == BinaryEvent }
func (t Type) ack() bool    { return t == Ack || t == BinaryAck }

// Limits, of RELIABILITY.md section 2 where they are there.
const (
	MaxAttachments = 10
	MaxNesting     = 64        // of arrays and objects, the outermost included
	MaxArgs        = 1000      // of an event or ack, the name included
	MaxID          = 1<<53 - 1 // beyond it JavaScript cannot count
)

// NoID is the ID of a packet without one.
const NoID = -1

// A Packet is one message to or from a namespace. It is a value; Data may
// alias what it was decoded from.
type Packet struct {
	Type        Type
	Namespace   string // starts with "/"; "" is "/"
	ID          int64  // of Event and Ack: which ack; NoID for none
	Attachments int    // of BinaryEvent and BinaryAck: how many follow
	Data        []byte // JSON, or empty
}

// What is wrong with text that is no packet. Each ends the session
// (PROTOCOL.md 5.2).
var (
	ErrEmpty       = errors.New("packet: empty")
	ErrUTF8        = errors.New("packet: not UTF-8")
	ErrType        = errors.New("packet: unknown type")
	ErrAttachments = errors.New("packet: bad number of attachments")
	ErrNamespace   = errors.New("packet: control character in namespace")
	ErrID          = errors.New("packet: bad ack id")
	ErrJSON        = errors.New("packet: bad JSON")
	ErrNesting     = errors.New("packet: JSON nested too deeply")
	ErrPayload     = errors.New("packet: payload does not fit the type")
	ErrReserved    = errors.New("packet: reserved event name")
	ErrArgs        = errors.New("packet: too many arguments")
	ErrPlaceholder = errors.New("packet: bad placeholder")
)

// Append appends the packet, as Decode reads it. It does not check it.
func (p Packet) Append(dst []byte) []byte {
	dst = append(dst, '0'+byte(p.Type))
	if p.Type.binary() {
		dst = append(strconv.AppendInt(dst, int64(p.Attachments), 10), '-')
	}
	dst = appendNamespace(dst, p.Namespace)
	if p.ID >= 0 && (p.Type.event() || p.Type.ack()) {
		dst = strconv.AppendInt(dst, p.ID, 10)
	}
	return append(dst, p.Data...)
}

func appendNamespace(dst []byte, namespace string) []byte {
	if namespace == "" || namespace == "/" {
		return dst
	}
	return append(append(dst, namespace...), ',')
}

// SplitNamespace splits what a client of version 4 asks for, "/dyn?token=a",
// into the namespace and the query (PROTOCOL.md 5.4). To those of version 5
// the query is part of the name.
func SplitNamespace(s string) (name, query string) {
	name, query, _ = strings.Cut(s, "?")
	return name, query
}

// Reserved reports whether nobody may emit an event of that name (PROTOCOL.md
// 5.5).
func Reserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// ReservedV4Client reports whether clients of version 4 keep the name for
// themselves, so that it must not be emitted to them (PROTOCOL.md 5.5).
func ReservedV4Client(name string) bool {
	switch name {
	case "connect", "connect_error", "connect_timeout", "connecting", "disconnect", "error", "ping", "pong":
		return true
	}
	return strings.HasPrefix(name, "reconnect")
}
