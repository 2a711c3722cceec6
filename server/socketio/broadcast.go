package socketio

import (
	"context"
	"fmt"

	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A Broadcast says who is to get an event: everybody in a namespace, or those
// in some rooms, but for those in others. It is a value that does not change:
// To and the like return another.
type Broadcast struct {
	server    *Server
	namespace *namespace // nil: there is none of that name, and nobody gets anything
	rooms     []string   // nil: everybody
	except    []string
	volatile  bool
}

// Of is everybody in a namespace.
func (s *Server) Of(namespace string) Broadcast {
	return Broadcast{server: s, namespace: s.find(namespace)}
}

func (c *conn) Broadcast() Broadcast {
	return Broadcast{server: c.client.server, namespace: c.namespace, except: []string{c.id}}
}

// To is who is in one of these rooms, beside those named before. Nobody gets an
// event twice. The ID of a client is a room. No rooms are nobody.
func (b Broadcast) To(rooms ...string) Broadcast {
	b.rooms = append(append([]string{}, b.rooms...), rooms...)
	return b
}

// Except leaves out who is in one of these rooms.
func (b Broadcast) Except(rooms ...string) Broadcast {
	b.except = append(b.except[:len(b.except):len(b.except)], rooms...)
	return b
}

// Volatile leaves out who cannot be sent to at once.
func (b Broadcast) Volatile() Broadcast {
	b.volatile = true
	return b
}

// Emit sends an event with arguments as those of Conn.Emit, but without a
// function. It is encoded once for each dialect. With an Adapter it goes to the
// clients of all nodes; the number of receivers is that of this node.
func (b Broadcast) Emit(event string, args ...any) (int, error) {
	m, err := b.encode(event, noID, args)
	if err != nil || b.namespace == nil {
		return 0, err
	}
	n := b.send(m, nil)
	b.server.forward(envelope{
		Namespace: b.namespace.name, Rooms: b.rooms, Except: b.except, Volatile: b.volatile,
		Event: event, Data: m.events[0].packet.Data, Attachments: m.events[0].attachments,
	})
	return n, nil
}

// EmitWithAck sends an event to the clients of this node and waits until each
// has answered or left, or for ctx, whose error comes with the answers so far.
func (b Broadcast) EmitWithAck(ctx context.Context, event string, args ...any) ([]*Arguments, error) {
	if b.namespace == nil {
		return nil, nil
	}
	id := b.server.lastID.Add(1)
	m, err := b.encode(event, id, args)
	if err != nil {
		return nil, err
	}
	answers := make(chan *Arguments)
	done := make(chan struct{})
	defer close(done)
	var asked []*conn
	waiting := b.send(m, func(c *conn) {
		asked = append(asked, c)
		c.expect(id, func(a *Arguments) {
			if a != nil {
				kept := a.clone()
				a = &kept
			}
			go func() { // ends with the wait at the latest
				select {
				case answers <- a:
				case <-done:
				}
			}()
		})
	})
	var list []*Arguments
	for ; waiting > 0; waiting-- {
		select {
		case a := <-answers:
			if a != nil {
				list = append(list, a)
			}
		case <-ctx.Done():
			for _, c := range asked {
				c.forget(id)
			}
			return list, ctx.Err()
		}
	}
	return list, nil
}

func (b Broadcast) encode(event string, id int64, args []any) (*Message, error) {
	if packet.Reserved(event) {
		return nil, fmt.Errorf("socketio: event %q is reserved", event)
	}
	name := "/"
	if b.namespace != nil {
		name = b.namespace.name
	}
	m, err := encodeMessage(name, event, id, args)
	if err != nil {
		return nil, fmt.Errorf("socketio: event %q: %w", event, err)
	}
	return m, nil
}

// send walks over the receivers and returns how many there are. before is
// called with each, under the lock; nil for nothing.
func (b Broadcast) send(m *Message, before func(*conn)) int {
	n := b.namespace
	n.mu.Lock()
	defer n.mu.Unlock()
	sent := 0
	one := func(c *conn) {
		if c.inAnyLocked(b.except) || b.volatile && !c.client.session.Writable() {
			return
		}
		if before != nil {
			before(c)
		}
		c.Send(m)
		sent++
	}
	if b.rooms == nil {
		for _, c := range n.conns {
			one(c)
		}
		return sent
	}
	for i, room := range b.rooms {
		for _, c := range n.membersLocked(room) {
			if !c.inAnyLocked(b.rooms[:i]) {
				one(c)
			}
		}
	}
	return sent
}

// inAnyLocked reports whether the client is in one of these rooms.
func (c *conn) inAnyLocked(rooms []string) bool {
	for _, room := range rooms {
		if _, ok := c.rooms[room]; ok || room == c.id {
			return true
		}
	}
	return false
}

// BroadcastToRoom sends an event to everybody in a room. It is false if there
// is no such namespace; what cannot be sent goes to OnError.
func (s *Server) BroadcastToRoom(namespace, room, event string, args ...any) bool {
	return s.broadcast(s.Of(namespace).To(room), event, args)
}

// BroadcastToNamespace sends an event to everybody in a namespace, as
// BroadcastToRoom does.
func (s *Server) BroadcastToNamespace(namespace, event string, args ...any) bool {
	return s.broadcast(s.Of(namespace), event, args)
}

func (*Server) broadcast(b Broadcast, event string, args []any) bool {
	if b.namespace == nil {
		return false
	}
	if _, err := b.Emit(event, args...); err != nil {
		b.namespace.fail(nil, err)
	}
	return true
}
