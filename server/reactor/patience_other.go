//go:build !linux

package reactor

import (
	"net"
	"time"
)

// SetPatience does nothing: this system decides by itself when a peer has gone.
func SetPatience(net.Conn, time.Duration) {}
