//go:build !linux

package reactor

import (
	"errors"
	"net"
)

// A Reactor is for systems with epoll: here there is none.
type Reactor struct{}

// NewReactor returns [errors.ErrUnsupported].
func NewReactor() (*Reactor, error) { return nil, errors.ErrUnsupported }

// New is as the function New.
func (*Reactor) New(c net.Conn, h Handler) Conn { return New(c, h) }

// Close does nothing.
func (*Reactor) Close() {}
