// Package websocket is the transport "websocket" of an Engine.IO server's options:
// the WebSocket, for new sessions and for upgrades.
package websocket

import (
	"net/http"

	"github.com/sb-stream/stream-server/server/engineio/transport"
)

// A Transport is constant once a server has it.
type Transport struct {
	// CheckOrigin decides whether the page that made a request may use the
	// transport. nil means [transport.SameOrigin].
	CheckOrigin func(r *http.Request) bool
}

// Default lets in the pages of the server's own host and port.
var Default = &Transport{}

// Name is "websocket".
func (t *Transport) Name() string { return "websocket" }

// Allows is CheckOrigin, or what stands for it.
func (t *Transport) Allows(r *http.Request) bool {
	if t.CheckOrigin == nil {
		return transport.SameOrigin(r)
	}
	return t.CheckOrigin(r)
}
