package socketio

import (
	"errors"

	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// The limits of this package, as engineio.Options.Limited is told them.
const (
	LimitConnect     = "connect_timeout" // ConnectTimeout
	LimitNamespaces  = "namespaces"      // of one client: 16
	LimitAttachments = "attachments"     // of a packet: packet.MaxAttachments
	LimitNesting     = "nesting"         // of JSON: packet.MaxNesting
	LimitArgs        = "arguments"       // of an event or ack: packet.MaxArgs
)

// Limits are all of them.
var Limits = []string{LimitConnect, LimitNamespaces, LimitAttachments, LimitNesting, LimitArgs}

// errNamespaces ends the session of a client that asks for too many.
var errNamespaces = errors.New("socketio: too many namespaces")

// broken tells of the limit that a session is closed for, if it is one.
func (s *Server) broken(err error) {
	switch {
	case errors.Is(err, errNamespaces):
		s.limited(LimitNamespaces)
	case errors.Is(err, packet.ErrAttachments):
		s.limited(LimitAttachments)
	case errors.Is(err, packet.ErrNesting):
		s.limited(LimitNesting)
	case errors.Is(err, packet.ErrArgs):
		s.limited(LimitArgs)
	}
}
