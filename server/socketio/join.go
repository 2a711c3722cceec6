package socketio

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"

	epacket "github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// join answers CONNECT. It is wrong to be in a namespace twice; but old clients
// are in "/" unasked, and some ask all the same, go-socket.io's own among them.
func (c *client) join(p packet.Packet) error {
	name, auth := p.Namespace, json.RawMessage(bytes.Clone(p.Data))
	if c.old() {
		var query string
		name, query = packet.SplitNamespace(name)
		auth = queryAuth(query)
	}
	if conn := c.conn(name); conn != nil && conn.left.Load() {
		c.leave(conn, reasonServerLeft) // the client knows, and comes back
	}
	twice := c.conn(name) != nil || c.arrivals[name] != nil
	c.mu.Lock()
	full := len(c.conns)+len(c.removed)+len(c.arrivals)+int(c.unknown) >= maxNamespaces
	c.mu.Unlock()
	if twice && c.old() && name == "/" {
		return nil
	}
	switch {
	case twice:
		return errProtocol
	case full:
		return errNamespaces
	}
	c.connect(name, auth)
	return nil
}

func (c *client) connect(name string, auth json.RawMessage) {
	n := c.server.find(name)
	if n == nil {
		c.unknown++
		c.refuse(name, errInvalidNamespace)
		return
	}
	h := n.handlers()
	self := &c.first
	if self.client != nil { // it is, or was, in another
		self = &conn{}
	}
	self.client, self.session, self.namespace = c, c.session, n
	self.id, self.context = rand.Text(), c.session.Context()
	if len(auth) > 0 {
		self.hello = &hello{auth: auth}
		if !c.old() {
			self.hello.former = h.absent.former(n, auth)
		}
	}
	c.check(self, h, h.middleware)
}

// check asks the checks that are left, and lets the client in or refuses it.
func (c *client) check(self *conn, h *handlers, checks []func(Conn) error) {
	for i, check := range checks {
		err := check(self)
		if err == nil {
			continue
		}
		var later *later
		if errors.As(err, &later) {
			c.wait(self, later.check, func() { c.check(self, h, checks[i+1:]) })
			return
		}
		c.refuse(self.namespace.name, err)
		return
	}
	c.enter(self, h)
}

// enter lets the client into the namespace.
func (c *client) enter(self *conn, h *handlers) {
	n, name := self.namespace, self.namespace.name
	delete(c.removed, name)
	c.mu.Lock()
	c.conns = append(c.conns, self)
	c.mu.Unlock()
	n.enter(self)
	if f := self.greeted(); f != nil {
		for _, room := range f.rooms {
			self.Join(room)
		}
	}
	c.joined()

	answer := packet.Packet{Type: packet.Connect, Namespace: name, ID: noID}
	switch {
	case c.old():
	case h.absent != nil:
		answer.Data = []byte(`{"sid":"` + self.id + `","pid":"` + h.absent.pid(self.id) + `"}`)
	default:
		answer.Data = []byte(`{"sid":"` + self.id + `"}`)
	}
	c.send(answer)
	if h.connect == nil {
		return
	}
	if err := h.connect(self); err != nil {
		n.fail(self, err)
		self.Disconnect()
	}
}

var errInvalidNamespace = errors.New("Invalid namespace") //nolint:staticcheck // the words are the protocol's

// refuse answers CONNECT with an error, in the form of PROTOCOL.md 5.4.
func (c *client) refuse(name string, err error) {
	type body struct {
		Message string `json:"message"`
		Data    any    `json:"data,omitempty"`
	}
	if c.session.Version() == epacket.V1 && name == "/" {
		c.session.Close(err.Error()) // the handshake is answered with it
		return
	}
	var answer any = body{Message: err.Error()}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		answer = body{refusal.Message, refusal.Data}
	}
	if c.old() && !errors.Is(err, errInvalidNamespace) {
		answer = err.Error()
		if refusal != nil && refusal.Data != nil {
			answer = refusal.Data
		}
	}
	data, err := json.Marshal(answer)
	if err != nil {
		data = []byte(`{"message":"refused"}`)
	}
	c.send(packet.Packet{Type: packet.ConnectError, Namespace: name, ID: noID, Data: data})
}
