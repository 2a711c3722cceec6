// Package client is a small Socket.IO client over WebSocket, for the command
// line, for tests and for load.
//
// A [Conn] is one connection in the default namespace. [Dial] returns when the
// server has accepted it; [Conn.Next] waits for the next event, and
// [Conn.Call] for the answer to one. It does not reconnect: that is up to the
// caller, who knows what was missed.
//
// # Concurrency
//
// All methods may be called from any goroutine, Next from one at a time.
package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	epacket "github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// Options of a connection. The zero value is a guest on /socket.io/.
type Options struct {
	Path    string          // "/socket.io/"
	Version epacket.Version // of Engine.IO; 4
	Auth    map[string]any  // goes with CONNECT (version 4), or into the query (3)
	Header  http.Header     // further headers of the request
	TLS     *tls.Config     // for https and wss; the roots of the system
	Buffer  int             // events that wait for Next before reading stops; 256
}

// ErrClosed is what the methods of a Conn return after it ended, wrapped with
// what ended it.
var ErrClosed = errors.New("client: connection closed")

// A ConnectError is the server's refusal.
type ConnectError struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (e *ConnectError) Error() string { return "client: refused: " + e.Message }

// An Event is what the server sent; Args are JSON.
type Event struct {
	Name string
	Args []json.RawMessage
}

// A Conn is a connection to a server.
type Conn struct {
	// Constant.
	conn    net.Conn
	reader  *bufio.Reader
	version epacket.Version
	events  chan Event    // closed never; see done
	done    chan struct{} // closed by fail

	writing sync.Mutex // held for one frame

	mu      sync.Mutex
	calls   map[int64]chan []json.RawMessage // guarded by mu; ack id → who waits
	lastID  int64                            // guarded by mu
	err     error                            // guarded by mu; set before done is closed
	timeout time.Duration                    // of the server's pings; set before the reader starts
}

// Dial connects to base, such as "http://127.0.0.1:8080". The error is a
// *ConnectError if the server said no.
func Dial(ctx context.Context, base string, opts Options) (*Conn, error) {
	if opts.Version == 0 {
		opts.Version = epacket.V4
	}
	if opts.Buffer == 0 {
		opts.Buffer = 256
	}
	address, err := opts.address(base)
	if err != nil {
		return nil, err
	}
	dialer := ws.Dialer{Header: ws.HandshakeHeaderHTTP(opts.Header), TLSConfig: opts.TLS}
	conn, reader, _, err := dialer.Dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if reader == nil {
		reader = bufio.NewReader(conn)
	}
	c := &Conn{
		conn: conn, reader: reader, version: opts.Version,
		events: make(chan Event, opts.Buffer),
		done:   make(chan struct{}),
		calls:  make(map[int64]chan []json.RawMessage),
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = c.connect(opts.Auth)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	go c.read() // ends with the connection
	return c, nil
}

func (o Options) address(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("client: %q is no address such as http://127.0.0.1:8080", base)
	}
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	u.Path = o.Path
	if u.Path == "" {
		u.Path = "/socket.io/"
	}
	query := u.Query()
	query.Set("EIO", fmt.Sprint(int(o.Version)))
	query.Set("transport", "websocket")
	if o.Version == epacket.V3 {
		for key, value := range o.Auth {
			query.Set(key, fmt.Sprint(value))
		}
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// connect reads the handshake and waits for the answer to CONNECT.
func (c *Conn) connect(auth map[string]any) error {
	open, err := c.receive()
	if err != nil {
		return err
	}
	var handshake struct{ PingInterval, PingTimeout int }
	if open.Type != epacket.Open || json.Unmarshal(open.Data, &handshake) != nil {
		return errors.New("client: this is no Socket.IO server")
	}
	c.timeout = time.Duration(handshake.PingInterval+handshake.PingTimeout) * time.Millisecond
	if c.version == epacket.V4 {
		connect := packet.Packet{Type: packet.Connect, Namespace: "/", ID: -1}
		if auth != nil {
			if connect.Data, err = json.Marshal(auth); err != nil {
				return fmt.Errorf("client: auth: %w", err)
			}
		}
		if err := c.write(connect); err != nil {
			return err
		}
	}
	for {
		p, err := c.receive()
		if err != nil {
			return err
		}
		if p.Type != epacket.Message {
			continue
		}
		switch answer, err := packet.Decode(p.Data); {
		case err != nil:
			return err
		case answer.Type == packet.Connect:
			return nil
		case answer.Type == packet.ConnectError:
			return c.refusal(answer.Data)
		}
	}
}

// refusal reads CONNECT_ERROR: {message, data}, or in version 3 the data alone
// (PROTOCOL.md 5.4).
func (c *Conn) refusal(data []byte) error {
	e := &ConnectError{}
	if json.Unmarshal(data, e) != nil || e.Message == "" {
		e.Message = string(data)
	}
	if c.version == epacket.V3 {
		e.Data = data
	}
	return e
}

// receive reads one packet and answers pings of both layers.
func (c *Conn) receive() (epacket.Packet, error) {
	for {
		if c.timeout > 0 && c.version == epacket.V4 {
			_ = c.conn.SetReadDeadline(time.Now().Add(c.timeout))
		}
		data, op, err := wsutil.ReadServerData(readWriter{c.reader, c.conn})
		if err != nil {
			return epacket.Packet{}, fmt.Errorf("%w: %w", ErrClosed, err)
		}
		if op == ws.OpBinary {
			continue // no binary event is expected
		}
		p, err := c.version.DecodeText(data)
		if err != nil {
			return p, err
		}
		if p.Type != epacket.Ping {
			return p, nil
		}
		if err := c.writeText(epacket.Packet{Type: epacket.Pong, Data: p.Data}); err != nil {
			return p, err
		}
	}
}

type readWriter struct {
	*bufio.Reader
	net.Conn
}

func (rw readWriter) Read(p []byte) (int, error) { return rw.Reader.Read(p) }
