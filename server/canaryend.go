package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/server/reactor"
)

// errDeaf is that of a message that has not come back.
var errDeaf = errors.New("server: a message of the node's own has not come back")

// socketPair is two ends of a TCP connection within this machine, at a port that
// nobody else can use.
func socketPair(ctx context.Context) (client, server net.Conn, err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	limit := time.Now().Add(canaryTimeout)
	dialer := net.Dialer{Deadline: limit}
	if client, err = dialer.DialContext(ctx, "tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	for {
		_ = l.SetDeadline(limit)
		if server, err = l.Accept(); err != nil {
			_ = client.Close()
			return nil, nil, err
		}
		if server.RemoteAddr().String() == client.LocalAddr().String() {
			return client, server, nil
		}
		_ = server.Close() // somebody else was quicker
	}
}

type canaryKey struct{}

// attach begins a session on the server's end of a connection, in the reactor of
// all clients.
func (c *canary) attach(r *http.Request, conn net.Conn) bool {
	return c.io.Engine().Attach(r, func(h reactor.Handler) reactor.Conn {
		if socket, err := c.server.io.Engine().Socket(conn, h); err == nil {
			return socket
		}
		return reactor.New(conn, h)
	})
}

// A canaryEnd is the client's end of the canary's connection: a WebSocket of
// Engine.IO 4, which speaks to this server alone.
type canaryEnd struct {
	// Constant.
	conn net.Conn
	in   *bufio.Reader
	join chan *client  // holds the session, once it is there
	done chan struct{} // closed when the connection has ended

	client *client // owned by the goroutine of canary.run

	mu      sync.Mutex
	numbers map[string]uint64 // guarded by mu; channel → the newest that came
	come    chan struct{}     // guarded by mu; closed, and replaced, with each
}

func newCanaryEnd(conn net.Conn) *canaryEnd {
	return &canaryEnd{
		conn: conn, in: bufio.NewReader(conn), join: make(chan *client, 1), done: make(chan struct{}),
		numbers: make(map[string]uint64), come: make(chan struct{}),
	}
}

func (e *canaryEnd) joined(c *client) { e.join <- c }

// connected waits until the server has let it in.
func (e *canaryEnd) connected(ctx context.Context) error {
	late := time.After(canaryTimeout)
	select {
	case e.client = <-e.join:
		return nil
	case <-e.done:
	case <-late:
	case <-ctx.Done():
		return ctx.Err()
	}
	return errDeaf
}

// wait waits until a message of the number has come on each channel, and returns
// one on which it has not in time.
func (e *canaryEnd) wait(ctx context.Context, tags []string, number uint64) (missing string) {
	for _, limit := range []time.Duration{canaryTimeout, canaryGrace} {
		late := time.After(limit)
		for waiting := true; waiting; {
			e.mu.Lock()
			come := e.come
			missing = ""
			for _, tag := range tags {
				if e.numbers[tag] != number {
					missing = tag
				}
			}
			e.mu.Unlock()
			if missing == "" {
				return ""
			}
			select {
			case <-come:
			case <-late:
				waiting = false
			case <-e.done:
				return missing
			case <-ctx.Done():
				return missing
			}
		}
	}
	return missing
}

// gone reports whether the connection has ended.
func (e *canaryEnd) gone() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (e *canaryEnd) close() { _ = e.conn.Close() }

// read takes what the server sends until the connection ends.
func (e *canaryEnd) read() {
	defer close(e.done)
	defer e.conn.Close()
	for {
		message, err := e.frame()
		if err == nil {
			err = e.take(message)
		}
		if err != nil {
			return
		}
	}
}

// take acts on one packet.
func (e *canaryEnd) take(message []byte) error {
	switch {
	case len(message) == 0:
	case message[0] == '0': // open: then it joins
		return e.say("40")
	case message[0] == '2': // ping
		return e.say("3")
	case len(message) > 2 && message[0] == '4' && message[1] == '2':
		var event []json.RawMessage
		var tag string
		var number uint64
		if json.Unmarshal(message[2:], &event) != nil || len(event) < 2 ||
			json.Unmarshal(event[0], &tag) != nil || json.Unmarshal(event[1], &number) != nil {
			return nil // $gap
		}
		e.mu.Lock()
		e.numbers[tag] = number
		close(e.come)
		e.come = make(chan struct{})
		e.mu.Unlock()
	}
	return nil
}

// maxCanaryFrame is more bytes than any message to the canary has.
const maxCanaryFrame = 4 << 10

// frame is the next frame of the server, which sends whole ones without a mask
// (RFC 6455 section 5.2).
func (e *canaryEnd) frame() ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(e.in, head[:]); err != nil {
		return nil, err
	}
	size := int(head[1])
	if size == 126 {
		var long [2]byte
		if _, err := io.ReadFull(e.in, long[:]); err != nil {
			return nil, err
		}
		size = int(binary.BigEndian.Uint16(long[:]))
	}
	if head[0] != 0x81 || size > maxCanaryFrame || size == 127 { // no text: the end
		return nil, io.EOF
	}
	message := make([]byte, size)
	_, err := io.ReadFull(e.in, message)
	return message, err
}

// say sends a packet, of a few bytes, under a mask of zeros.
func (e *canaryEnd) say(packet string) error {
	_ = e.conn.SetWriteDeadline(time.Now().Add(canaryTimeout))
	_, err := e.conn.Write(append([]byte{0x81, 0x80 | byte(len(packet)), 0, 0, 0, 0}, packet...))
	return err
}
