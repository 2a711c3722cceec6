package socketio

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// An Event is what a client sent. Its Args alias the buffer that it was read
// into: they are valid during the call of the handler only. Attachments may be
// kept.
type Event struct {
	Name string
	Arguments

	conn *conn
	id   int64
}

// WantsAck reports whether the client asked for an answer.
func (e *Event) WantsAck() bool { return e.id != noID }

// Ack answers the client, if it asked, with arguments as those of Conn.Emit.
// Only the first call counts for the client. It may be called from any
// goroutine, also after the handler has returned.
func (e *Event) Ack(args ...any) {
	if e.id == noID || e.conn.left.Load() {
		return
	}
	data, attachments, err := packet.Deconstruct(args...)
	if err != nil {
		e.conn.namespace.fail(e.conn, fmt.Errorf("socketio: ack of %q: %w", e.Name, err))
		return
	}
	p := packet.Packet{Type: packet.Ack, Namespace: e.conn.namespace.name, ID: e.id, Data: data}
	if len(attachments) > 0 {
		p.Type, p.Attachments = packet.BinaryAck, len(attachments)
	}
	e.conn.client.send(p, attachments...)
}

// AckJSON is Ack with arguments that are JSON already. They are not checked.
func (e *Event) AckJSON(args ...[]byte) {
	if e.id == noID || e.conn.left.Load() {
		return
	}
	e.conn.client.send(packet.Packet{Type: packet.Ack, Namespace: e.conn.namespace.name, ID: e.id, Data: packet.AppendList(nil, args...)})
}

// event passes an event on to its handler. Without a payload it means nothing
// (PROTOCOL.md 5.2).
func (c *conn) event(p packet.Packet, attachments [][]byte) error {
	h := c.namespace.handlers()
	e := &Event{conn: c, id: p.ID}
	if len(p.Data) > 0 {
		name, args, err := p.Event()
		if err != nil {
			return err
		}
		e.Name, e.Arguments = name, Arguments{args, attachments}
	}
	if h.filter != nil && !h.filter(c, e) || len(p.Data) == 0 {
		return nil
	}
	if f := h.events[e.Name]; f != nil {
		f(c, e)
	}
	return nil
}

// ack passes an answer of the client on to who waits for it. One that nobody
// waits for, or not any more, is ignored.
func (c *conn) ack(p packet.Packet, attachments [][]byte) error {
	args, err := p.Args()
	if err != nil {
		return err
	}
	c.mu.Lock()
	var answered func(*Arguments)
	if c.waiting != nil {
		answered = c.waiting.acks[p.ID]
		delete(c.waiting.acks, p.ID)
	}
	c.mu.Unlock()
	if answered != nil {
		answered(&Arguments{args, attachments})
	}
	return nil
}

// expect makes answered be called with the client's answer to the packet of
// this id, or with nil when the client leaves before. It is called once, unless
// forget comes before.
func (c *conn) expect(id int64, answered func(*Arguments)) {
	c.mu.Lock()
	left := c.left.Load()
	if !left {
		c.waitingLocked().acks[id] = answered
	}
	c.mu.Unlock()
	if left {
		answered(nil)
	}
}

func (c *conn) forget(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting != nil {
		delete(c.waiting.acks, id)
	}
}

// abandon ends the context of handlers, and tells who waits for answers that
// there will be none.
func (c *conn) abandon() {
	c.mu.Lock()
	w := c.waiting
	c.waiting = nil
	c.mu.Unlock()
	if w == nil {
		return
	}
	if w.cancel != nil {
		w.cancel()
	}
	for _, answered := range w.acks {
		answered(nil)
	}
}

// queryAuth is the query in a namespace's name as the JSON object that newer
// clients send, with the last value of each key (PROTOCOL.md 5.4). A bad query
// is what can be read of it.
func queryAuth(query string) json.RawMessage {
	values, _ := url.ParseQuery(query)
	if len(values) == 0 {
		return nil
	}
	fields := make(map[string]string, len(values))
	for key, list := range values {
		fields[key] = list[len(list)-1]
	}
	auth, err := json.Marshal(fields)
	if err != nil {
		panic("socketio: " + err.Error()) // strings always encode
	}
	return auth
}
