package socketio

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/sb-stream/stream-server/internal/deadline"
	eio "github.com/sb-stream/stream-server/server/engineio"
	epacket "github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/legacy"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// Reasons that OnDisconnect gets, beside those of the session.
const (
	reasonClientLeft = "client namespace disconnect"
	reasonServerLeft = "server namespace disconnect"
	reasonForced     = "forced server close"
	reasonParse      = "parse error"
	reasonPanic      = "handler panicked"
)

// A client is one session with the namespaces it is in. It is what the session
// calls: one call at a time.
type client struct {
	// Constant.
	server  *Server
	session *eio.Session

	// Owned by the calls of the session.
	joining *joining            // ends the session of a client that joins no namespace; nil once it has
	partial *partial            // an event or ack that waits for attachments; nil for none
	removed map[string]struct{} // namespaces that the server has taken it out of
	unknown uint8               // how often it asked for a namespace that there is not

	arrivals map[string]*arrival // by namespace; checks are under way

	mu    sync.Mutex
	conns []*conn  // guarded by mu; one for each namespace that it is in, few
	one   [1]*conn // guarded by mu; room for the first of them
	first conn     // the first Conn, and for most clients the only one
}

// A partial is a packet that has not all its attachments yet.
type partial struct {
	packet      packet.Packet
	attachments [][]byte
	size        int // bytes of all of it
}

// A joining is a client that has yet to join a namespace, on Server.joining.
type joining struct {
	client *client // constant
	spot   deadline.Spot[*joining]
}

// Spot is the place on the wheel.
func (j *joining) Spot() *deadline.Spot[*joining] { return &j.spot }

// late ends the session of a client that has not joined in time.
func (j *joining) late() {
	if len(j.client.list()) == 0 {
		j.client.server.limited(LimitConnect)
		j.client.session.Close("connect timeout")
	}
}

// accept is called for each new session.
func (s *Server) accept(session *eio.Session) eio.Receiver {
	c := &client{server: s, session: session}
	c.conns = c.one[:0]
	c.joining = &joining{client: c}
	s.joining.Set(c.joining, s.connectTimeout())
	if c.old() {
		// Older clients are in "/" unasked (PROTOCOL.md 2.3, 5.4, 7.2).
		c.guard(func() { c.connect("/", nil) })
	}
	return c
}

// Message takes one Engine.IO message. What breaks the rules of PROTOCOL.md
// 5.2 ends the session.
func (c *client) Message(data []byte, binary bool) {
	c.guard(func() {
		if err := c.message(data, binary); err != nil {
			c.arrivals = nil
			c.server.broken(err)
			c.end(reasonParse)
		}
	})
}

var (
	errProtocol = errors.New("socketio: packet out of place")
	errTooLarge = errors.New("socketio: packet and attachments are too large")
)

func (c *client) message(data []byte, binary bool) error {
	if binary {
		return c.attachment(data)
	}
	if c.partial != nil {
		return errProtocol
	}
	p, err := c.decode(data)
	if err != nil {
		return err
	}
	if p.Attachments > 0 {
		if _, removed := c.removed[p.Namespace]; !removed && c.conn(p.Namespace) == nil {
			return errProtocol // before anything is kept
		}
		p.Data = bytes.Clone(p.Data) // outlives the call
		c.partial = &partial{packet: p, size: len(p.Data)}
		return nil
	}
	return c.packet(p, nil)
}

// decode decodes the text of a message. A client of 0.9 may ask for no more
// than whether it has arrived: that is answered here.
func (c *client) decode(data []byte) (packet.Packet, error) {
	if c.session.Version() != epacket.V1 {
		return packet.Decode(data)
	}
	p, ack, err := legacy.Decode(data)
	if len(ack) > 0 {
		c.session.Send(eio.TextFrame(epacket.V1, ack))
	}
	return p, err
}

func (c *client) attachment(data []byte) error {
	p := c.partial
	if p == nil {
		return errProtocol
	}
	if p.size += len(data); p.size > c.session.MaxPayload() {
		return errTooLarge
	}
	p.attachments = append(p.attachments, bytes.Clone(data))
	if len(p.attachments) < p.packet.Attachments {
		return nil
	}
	c.partial = nil
	if err := packet.Placeholders(p.packet.Data, p.packet.Attachments); err != nil {
		return err
	}
	return c.packet(p.packet, p.attachments)
}

func (c *client) packet(p packet.Packet, attachments [][]byte) error {
	if p.Type == packet.Connect {
		return c.join(p)
	}
	if a := c.arrivals[p.Namespace]; a != nil {
		return a.keep(p, attachments)
	}
	conn := c.conn(p.Namespace)
	_, removed := c.removed[p.Namespace]
	switch {
	case conn != nil && conn.left.Load(), conn == nil && removed:
		return nil // the client does not know yet
	case conn == nil:
		return errProtocol
	}
	switch p.Type {
	case packet.Disconnect:
		c.leave(conn, reasonClientLeft)
		return nil
	case packet.Event, packet.BinaryEvent:
		return conn.event(p, attachments)
	case packet.Ack, packet.BinaryAck:
		return conn.ack(p, attachments)
	default:
		return errProtocol
	}
}

func (c *client) conn(name string) *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		if conn.namespace.name == name {
			return conn
		}
	}
	return nil
}

func (c *client) list() []*conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.conns)
}

// leave takes the client out of one namespace, once.
func (c *client) leave(conn *conn, reason string) {
	c.mu.Lock()
	if i := slices.Index(c.conns, conn); i >= 0 {
		c.conns = slices.Delete(c.conns, i, i+1)
	}
	c.mu.Unlock()
	if conn.gone {
		return
	}
	conn.gone = true
	h := conn.namespace.handlers()
	h.absent.leave(conn, reason)
	conn.left.Store(true)
	if reason == reasonServerLeft {
		if c.removed == nil {
			c.removed = make(map[string]struct{})
		}
		c.removed[conn.namespace.name] = struct{}{}
	}
	conn.abandon()
	defer conn.namespace.exit(conn)
	if h.disconnect != nil {
		h.disconnect(conn, reason)
	}
}

// close is Conn.Close: DISCONNECT for each namespace must be on the wire
// before the session ends, or the client comes straight back (PROTOCOL.md 5.6).
func (c *client) close() {
	for _, conn := range c.list() {
		c.send(packet.Packet{Type: packet.Disconnect, Namespace: conn.namespace.name, ID: noID})
	}
	c.end(reasonServerLeft)
}

// end ends the session for a reason after which nobody comes back as who they
// were, also while it waits for a poll.
func (c *client) end(reason string) {
	for _, conn := range c.list() {
		conn.namespace.handlers().absent.spoil(conn)
	}
	c.session.Close(reason)
}

// joined stops the wait for a namespace.
func (c *client) joined() {
	if c.joining != nil {
		c.server.joining.Stop(c.joining)
		c.joining = nil
	}
}

// Closed is called once, after the last Message.
func (c *client) Closed(reason string) {
	c.arrivals = nil // who checks them finds nobody
	c.joined()
	for _, conn := range c.list() {
		c.guard(func() { c.leave(conn, reason) })
	}
}

// guard keeps a handler that panics from ending the process: it ends this
// client's session alone.
func (c *client) guard(f func()) {
	defer func() {
		if fault := recover(); fault != nil {
			err := fmt.Errorf("socketio: handler panicked: %v\n%s", fault, debug.Stack())
			for _, conn := range c.list() {
				conn.namespace.fail(conn, err)
			}
			c.end(reasonPanic)
		}
	}()
	f()
}

// send sends one packet to this client alone.
func (c *client) send(p packet.Packet, attachments ...[]byte) {
	list := frames(c.session.Version(), p, attachments)
	if len(list) == 1 {
		c.session.Send(list[0])
	} else {
		c.session.SendAll(eio.NewBundle("", list...))
	}
}

// old reports whether the client is of a time before version 5 of the protocol.
func (c *client) old() bool { return c.session.Version() != epacket.V4 }
