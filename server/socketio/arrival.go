package socketio

import (
	"bytes"
	"errors"

	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// Limits of what a client may send before its checks are over.
const (
	maxEarly      = 64       // packets
	maxEarlyBytes = 32 << 10 // of them
)

// A later is a check that has to wait.
type later struct{ check func() error }

func (*later) Error() string { return "socketio: the check is not over" }

// Later is for a check of [Server.Use] that has to wait for something, which a
// check must not: returned by it, check is called in a goroutine of its own, and
// its error is that of the check. What the client sends meanwhile is kept for
// its handlers. The checks after it follow then.
func Later(check func() error) error { return &later{check} }

// An arrival is a namespace that a client is about to be in. It is owned by the
// calls of the session.
type arrival struct {
	name  string // of the namespace
	early []early
	bytes int // in early
}

// early is a packet that came before the checks were over.
type early struct {
	packet      packet.Packet
	attachments [][]byte
}

// wait runs check in a goroutine of its own, and then the rest, in the turn of
// the session.
func (c *client) wait(self *conn, check func() error, rest func()) {
	a := &arrival{name: self.namespace.name}
	if c.arrivals == nil {
		c.arrivals = make(map[string]*arrival, 1)
	}
	c.arrivals[a.name] = a
	done := func(err error) {
		if c.arrivals[a.name] != a {
			return // the client has gone
		}
		if delete(c.arrivals, a.name); len(c.arrivals) == 0 {
			c.arrivals = nil // gives the memory back
		}
		if err != nil {
			c.refuse(a.name, err)
			return
		}
		rest()
		for _, p := range a.early {
			if err := c.packet(p.packet, p.attachments); err != nil {
				c.server.broken(err)
				c.end(reasonParse)
				return
			}
		}
	}
	go func() { // ends with check
		err := errors.New("refused") // if check panics
		c.guard(func() { err = check() })
		c.session.Do(func() { c.guard(func() { done(err) }) })
	}()
}

// keep keeps a packet for when the client has arrived. Those of one that is
// refused are dropped.
func (a *arrival) keep(p packet.Packet, attachments [][]byte) error {
	a.bytes += len(p.Data)
	for _, data := range attachments {
		a.bytes += len(data)
	}
	if len(a.early) == maxEarly || a.bytes > maxEarlyBytes {
		return errProtocol
	}
	p.Data = bytes.Clone(p.Data) // outlives the call
	a.early = append(a.early, early{p, attachments})
	return nil
}
