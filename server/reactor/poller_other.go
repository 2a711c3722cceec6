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

// Watch returns [errors.ErrUnsupported].
func (*Reactor) Watch(*Watch, *net.TCPConn, Guest) error { return errors.ErrUnsupported }

// CallAll does nothing.
func (*Reactor) CallAll() {}

// A Watch is for systems with epoll. There is no other that anybody has.
type Watch struct{}

// Send is not called.
func (*Watch) Send([]byte) (int, error) { return 0, errors.ErrUnsupported }

// AwaitRoom is not called.
func (*Watch) AwaitRoom() error { return errors.ErrUnsupported }

// Ended is not called.
func (*Watch) Ended() bool { return true }

// Call is not called.
func (*Watch) Call() {}

// Leave is not called.
func (*Watch) Leave() {}
