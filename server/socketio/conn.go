package socketio

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	eio "github.com/sb-stream/stream-server/server/engineio"
	epacket "github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A Conn is one client in one namespace. Its methods may be called from any
// goroutine and never block.
type Conn interface {
	// ID is public and random: it names the client to others. It is not the
	// id of the Engine.IO session, which is a secret of the client.
	ID() string

	// Namespace is "/" or what the client asked for.
	Namespace() string

	// URL, RemoteHeader and RemoteAddr are those of the handshake.
	URL() url.URL
	RemoteHeader() http.Header
	RemoteAddr() net.Addr

	// Auth is what the client sent with CONNECT, a JSON object; nil for none
	// and for clients of version 4, who have the query of URL instead.
	Auth() json.RawMessage

	// Protocol is the Engine.IO version, 3 or 4. Transport is the one in use.
	Protocol() int
	Transport() string

	// Context is what SetContext left: the application's own.
	Context() any
	SetContext(v any)

	// Emit sends an event with arguments that encoding/json can encode. What
	// cannot be sent goes to OnError.
	Emit(event string, args ...any)

	// Send sends a Message of this namespace.
	Send(m *Message)

	// Close disconnects the client from all namespaces and ends its session.
	// A client that is told so does not come back by itself.
	Close() error
}

// A conn is the only Conn.
type conn struct {
	// Constant.
	client    *client
	namespace *namespace
	id        string
	auth      json.RawMessage

	left atomic.Bool // set once it has been disconnected

	mu      sync.Mutex
	context any // guarded by mu
}

func (c *conn) ID() string                { return c.id }
func (c *conn) Namespace() string         { return c.namespace.name }
func (c *conn) Auth() json.RawMessage     { return c.auth }
func (c *conn) URL() url.URL              { return c.client.session.URL() }
func (c *conn) RemoteHeader() http.Header { return c.client.session.RemoteHeader() }
func (c *conn) RemoteAddr() net.Addr      { return c.client.session.RemoteAddr() }
func (c *conn) Protocol() int             { return int(c.client.session.Version()) }
func (c *conn) Transport() string         { return c.client.session.Transport() }

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

func (c *conn) Emit(event string, args ...any) {
	if packet.Reserved(event) || c.client.v3() && packet.ReservedV4Client(event) {
		c.namespace.fail(c, fmt.Errorf("socketio: event %q is reserved", event))
		return
	}
	list, err := encodeArgs(args)
	if err != nil {
		c.namespace.fail(c, fmt.Errorf("socketio: event %q: %w", event, err))
		return
	}
	c.Send(NewMessage(c.namespace.name, event, list...))
}

func (c *conn) Send(m *Message) {
	if !c.left.Load() {
		s := c.client.session
		s.Send(m.frame(s.Version()))
	}
}

func (c *conn) Close() error {
	c.client.close()
	return nil
}

// An Event is what a client sent. Args are JSON, and alias the buffer that it
// was read into.
type Event struct {
	Name string
	Args []json.RawMessage

	// Attachments are the binary values, in the order of the placeholders in
	// Args.
	Attachments [][]byte

	conn *conn
	id   int64
}

// WantsAck reports whether the client asked for an answer.
func (e *Event) WantsAck() bool { return e.id != noID }

// Ack answers the client, if it asked. Only the first call counts for it. It
// may be called from any goroutine, also after the handler has returned.
func (e *Event) Ack(args ...any) {
	if e.id == noID || e.conn.left.Load() {
		return
	}
	list, err := encodeArgs(args)
	if err != nil {
		e.conn.namespace.fail(e.conn, fmt.Errorf("socketio: ack of %q: %w", e.Name, err))
		return
	}
	e.conn.client.send(packet.Packet{
		Type:      packet.Ack,
		Namespace: e.conn.namespace.name,
		ID:        e.id,
		Data:      joinArray(list),
	})
}

func joinArray(list [][]byte) []byte {
	data := []byte{'['}
	for i, arg := range list {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, arg...)
	}
	return append(data, ']')
}

func (n *namespace) fail(c Conn, err error) {
	if n.failure != nil {
		n.failure(c, err)
	}
}

// send sends one packet to this client alone.
func (c *client) send(p packet.Packet) { c.session.Send(c.frame(p)) }

func (c *client) frame(p packet.Packet) eio.Frame {
	data := p.Append(nil)
	if c.v3() {
		data = packet.AppendASCII(nil, data)
	}
	return eio.TextFrame(c.session.Version(), data)
}

func (c *client) v3() bool { return c.session.Version() == epacket.V3 }
