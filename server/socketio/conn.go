package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"sync"
	"sync/atomic"

	eio "github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A Conn is one client in one namespace. Its methods may be called from any
// goroutine and, but for EmitWithAck, never block.
type Conn interface {
	// ID is public and random: it names the client to others. It is not the
	// id of the Engine.IO session, which is a secret of the client.
	ID() string

	// Namespace is "/" or what the client asked for.
	Namespace() string

	// URL, RemoteHeader, RemoteAddr and LocalAddr are those of the handshake, and
	// Auth that of CONNECT. ForgetHandshake lets go of them all, for the sake of
	// memory: they are more than all else that an idle client keeps.
	URL() url.URL
	RemoteHeader() http.Header
	RemoteAddr() net.Addr
	LocalAddr() net.Addr
	ForgetHandshake()

	// Auth is what the client sent with CONNECT, a JSON object; nil for none.
	// For clients of version 4 it is the query of the namespace's name.
	Auth() json.RawMessage

	// Former is who the client was before its connection broke, where there is a
	// Recovery; nil for nobody. It is for checks of Use.
	Former() *Former

	// Recover is for a check that does not wait: it calls replay, with which the
	// client is to get what it missed, before the answer to CONNECT. During the
	// call the Conn has the ID of its Former. If replay is true it keeps that, and
	// the rooms; if not, nothing may have been sent.
	Recover(replay func() bool)

	// Protocol is the Engine.IO version, 3 or 4. Transport is the one in use.
	Protocol() int
	Transport() string

	// Context is what SetContext left: the application's own. It begins as that
	// of the session, which engineio.Options.ConnInitor may set.
	Context() any
	SetContext(v any)

	// Emit sends an event with arguments that encoding/json can encode; []byte
	// goes as binary. If the last argument is a function, it is called with the
	// client's ack, decoded into its arguments as for NewHandler; it is not
	// called when the client leaves before. What cannot be sent goes to OnError.
	Emit(event string, args ...any)

	// EmitWithAck is Emit that waits for the client's ack. It must not be called
	// from a handler of the same client, which would wait for itself. The error
	// is that of ctx, or ErrLeft.
	EmitWithAck(ctx context.Context, event string, args ...any) (*Arguments, error)

	// EmitVolatile is Emit if the event can leave at once, and otherwise drops
	// it. It reports whether it was sent.
	EmitVolatile(event string, args ...any) bool

	// Send sends a Message of this namespace.
	Send(m *Message)

	// Session is the Engine.IO session of the client. Who sends to very many may
	// keep it, and use Message.SendTo.
	Session() *eio.Session

	// Join puts the client into a room, Leave takes it out, LeaveAll out of all.
	// Rooms are those that it is in. Everybody is in the room of their own ID,
	// and stays there.
	Join(room string)
	Leave(room string)
	LeaveAll()
	Rooms() []string

	// Broadcast is everybody in the namespace but this client.
	Broadcast() Broadcast

	// Disconnect takes the client out of this namespace. Its session goes on.
	Disconnect()

	// Drop ends the session without a word to the client, which comes back.
	Drop()

	// Close disconnects the client from all namespaces and ends its session.
	// A client that is told so does not come back by itself.
	Close() error
}

// ErrLeft is that of an ack which cannot come any more.
var ErrLeft = errors.New("socketio: the client has left")

// A conn is the only Conn.
type conn struct {
	// Constant.
	client    *client
	session   *eio.Session // that of the client: one hop less for every message
	namespace *namespace
	id        string // but for Recover

	left  atomic.Bool // set once nothing is to be sent any more
	gone  bool        // owned by the calls of the session; OnDisconnect has run
	taken bool        // guarded by absent.mu; nobody comes back as this client, or somebody has

	mu      sync.Mutex
	hello   *hello   // guarded by mu; nil for nothing, or once it is forgotten
	context any      // guarded by mu
	waiting *waiting // guarded by mu; nil if nobody does

	rooms map[string]struct{} // guarded by namespace.mu; nil if none
}

func (c *conn) ID() string                { return c.id }
func (c *conn) Namespace() string         { return c.namespace.name }
func (c *conn) URL() url.URL              { return c.session.URL() }
func (c *conn) RemoteHeader() http.Header { return c.session.RemoteHeader() }
func (c *conn) RemoteAddr() net.Addr      { return c.session.RemoteAddr() }
func (c *conn) LocalAddr() net.Addr       { return c.session.LocalAddr() }
func (c *conn) Protocol() int             { return int(c.session.Version()) }
func (c *conn) Transport() string         { return c.session.Transport() }

func (c *conn) Context() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.context
}

func (c *conn) SetContext(v any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.context = v
}

// done is the context that ends when the client leaves.
func (c *conn) done() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.waitingLocked()
	if w.ctx == nil {
		w.ctx, w.cancel = context.WithCancel(context.Background())
		if c.left.Load() {
			w.cancel()
		}
	}
	return w.ctx
}

func (c *conn) Emit(event string, args ...any) {
	id := int64(noID)
	if len(args) > 0 {
		if last := reflect.ValueOf(args[len(args)-1]); last.Kind() == reflect.Func {
			args = args[:len(args)-1]
			f, err := newAckFunction(last)
			if err != nil {
				c.namespace.fail(c, fmt.Errorf("socketio: event %q: %w", event, err))
				return
			}
			id = c.client.server.lastID.Add(1)
			c.expect(id, func(a *Arguments) {
				if a != nil {
					f.call(c, "ack of "+event, nil, a)
				}
			})
		}
	}
	m, err := c.encode(event, id, args)
	if err != nil {
		c.forget(id)
		c.namespace.fail(c, err)
		return
	}
	c.Send(m)
}

func (c *conn) EmitWithAck(ctx context.Context, event string, args ...any) (*Arguments, error) {
	id := c.client.server.lastID.Add(1)
	m, err := c.encode(event, id, args)
	if err != nil {
		return nil, err
	}
	answer := make(chan *Arguments, 1)
	c.expect(id, func(a *Arguments) {
		if a != nil {
			kept := a.clone()
			a = &kept
		}
		answer <- a
	})
	c.Send(m)
	select {
	case a := <-answer:
		if a == nil {
			return nil, ErrLeft
		}
		return a, nil
	case <-ctx.Done():
		c.forget(id)
		return nil, ctx.Err()
	}
}

func (c *conn) EmitVolatile(event string, args ...any) bool {
	if c.left.Load() || !c.session.Writable() {
		return false
	}
	c.Emit(event, args...)
	return true
}

// encode makes the event for this client alone.
func (c *conn) encode(event string, id int64, args []any) (*Message, error) {
	if packet.Reserved(event) || c.client.old() && packet.ReservedV4Client(event) {
		return nil, fmt.Errorf("socketio: event %q is reserved", event)
	}
	m, err := encodeMessage(c.namespace.name, event, id, args)
	if err != nil {
		return nil, fmt.Errorf("socketio: event %q: %w", event, err)
	}
	return m, nil
}

func (c *conn) Send(m *Message) {
	if !c.left.Load() {
		m.SendTo(c.session)
	}
}

func (c *conn) Session() *eio.Session { return c.session }

func (c *conn) Disconnect() {
	if c.left.Swap(true) {
		return
	}
	c.client.send(packet.Packet{Type: packet.Disconnect, Namespace: c.namespace.name, ID: noID})
	c.session.Do(func() {
		c.client.guard(func() { c.client.leave(c, reasonServerLeft) })
	})
}

func (c *conn) Drop() { c.session.Close(reasonForced) }

func (c *conn) Close() error {
	c.client.close()
	return nil
}
