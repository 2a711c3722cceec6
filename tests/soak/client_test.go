package soak

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// errBroken is that of bytes that are no frame, or no packet, that a server
// sends.
var errBroken = errors.New("broken frame")

// A client is a WebSocket of Socket.IO that can be cut off in all the ways
// there are. It does what it is told and nothing else, but for the answers to
// heartbeats.
type client struct {
	conn    *net.TCPConn
	r       *bufio.Reader
	version int      // of Engine.IO
	events  []string // that came before an answer
}

// connect is a connection without a request.
func connect(address string, version int) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &client{conn: conn.(*net.TCPConn), r: bufio.NewReader(conn), version: version}, nil
}

// dial is a client that is connected.
func dial(address string, version int) (*client, error) {
	c, err := connect(address, version)
	if err != nil {
		return nil, err
	}
	if err := c.upgrade(); err != nil {
		c.conn.Close()
		return nil, err
	}
	return c, nil
}

// upgrade makes the connection a session on a WebSocket, and reads on to
// $session.
func (c *client) upgrade() error {
	if err := c.webSocket(""); err != nil {
		return err
	}
	if err := c.expect("0{"); err != nil {
		return err
	}
	if c.version == 4 {
		c.send("40")
	}
	if err := c.expect("40"); err != nil {
		return err
	}
	return c.expect(`42["$session",`)
}

// webSocket makes the connection a WebSocket, of the session sid if it is not
// empty.
func (c *client) webSocket(sid string) error {
	path := fmt.Sprintf("/socket.io/?transport=websocket&EIO=%d", c.version)
	if sid != "" {
		path += "&sid=" + sid
	}
	return c.request(path, "Connection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 101)
}

// request sends a GET, and reads the header of the answer.
func (c *client) request(path, header string, status int) error {
	fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\n", path, header)
	var lines []string
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return err
		}
		if line == "\r\n" {
			break
		}
		lines = append(lines, line)
	}
	if !strings.HasPrefix(lines[0], fmt.Sprintf("HTTP/1.1 %d ", status)) {
		return fmt.Errorf("%s was answered %q", path, lines)
	}
	return nil
}

func (c *client) expect(prefix string) error {
	text, err := c.next()
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, prefix) {
		return fmt.Errorf("%w: got %.80q, want %s", errBroken, text, prefix)
	}
	return nil
}

// send sends a packet of Engine.IO. An error shows when the next is read.
func (c *client) send(text string) {
	_ = ws.WriteFrame(c.conn, ws.MaskFrameInPlace(ws.NewTextFrame([]byte(text))))
}

// next is the next packet of Engine.IO that is no heartbeat.
func (c *client) next() (string, error) {
	for {
		if text, err := c.packet(); text != "" || err != nil {
			return text, err
		}
	}
}

// packet is the next packet, empty for a heartbeat, which is answered.
func (c *client) packet() (string, error) {
	text, err := c.frame()
	switch text {
	case "2":
		c.send("3")
		return "", err
	case "3", "6":
		return "", err
	default:
		return text, err
	}
}

// frame is the next text frame; io.EOF is for a close frame too.
func (c *client) frame() (string, error) {
	h, err := ws.ReadHeader(c.r)
	switch {
	case err != nil:
		return "", err
	case h.Masked || !h.Fin || h.Rsv != 0 || h.Length > 4<<20 || h.OpCode != ws.OpText && h.OpCode != ws.OpClose:
		return "", fmt.Errorf("%w: %+v", errBroken, h)
	}
	p := make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, p); err != nil {
		return "", err
	}
	if h.OpCode == ws.OpClose {
		return "", io.EOF
	}
	if len(p) == 0 || !utf8.Valid(p) {
		return "", fmt.Errorf("%w: %q", errBroken, p)
	}
	return string(p), nil
}

// subscribe returns when the server has said yes. Events that come before are
// kept for event.
func (c *client) subscribe(tags ...string) error {
	list, _ := json.Marshal(tags)
	c.send(`420["subscribe",` + string(list) + `]`)
	for {
		text, err := c.next()
		if err != nil {
			return err
		}
		if strings.HasPrefix(text, "42") {
			c.events = append(c.events, text)
			continue
		}
		if !strings.HasPrefix(text, `430[{"ok":true`) {
			return fmt.Errorf("subscribe was answered %.200q", text)
		}
		return nil
	}
}

// event is the next event and its first argument.
func (c *client) event() (name string, data []byte, err error) {
	var text string
	if len(c.events) > 0 {
		text, c.events = c.events[0], c.events[1:]
	} else if text, err = c.next(); err != nil {
		return "", nil, err
	}
	return parseEvent(text)
}

// eventNow is event for when something has come; without a name it was a
// heartbeat.
func (c *client) eventNow() (name string, data []byte, err error) {
	if len(c.events) > 0 {
		return c.event()
	}
	text, err := c.packet()
	if text == "" || err != nil {
		return "", nil, err
	}
	return parseEvent(text)
}

// parseEvent takes a packet apart that must be an event.
func parseEvent(text string) (name string, data []byte, err error) {
	rest, ok := strings.CutPrefix(text, "42")
	var list []json.RawMessage
	if !ok || json.Unmarshal([]byte(rest), &list) != nil || len(list) < 2 || json.Unmarshal(list[0], &name) != nil {
		return "", nil, fmt.Errorf("%w: %.200q is no event", errBroken, text)
	}
	return name, list[1], nil
}

// reset cuts the connection off with a reset.
func (c *client) reset() {
	_ = c.conn.SetLinger(0)
	_ = c.conn.Close()
}
