package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gobwas/ws"
)

// A Protocol is how a client becomes a listener of one channel.
//
// Its functions may be called from several goroutines.
type Protocol struct {
	// Path and query of the WebSocket; "" means that the connection is plain
	// TCP until Join returns, and that frames follow without an upgrade.
	Path string

	// Join makes the link hear a channel. It reads no frame that comes after
	// the answer.
	Join func(l *Link, channel string) error

	// Answer is what a frame that carries no message is answered with, such
	// as a heartbeat; nil is nothing.
	Answer func(frame []byte) []byte

	// Beat is what clients send each BeatEvery, if that is not 0.
	Beat      []byte
	BeatEvery time.Duration
}

// A Link is a connection while it joins.
type Link struct {
	net.Conn
	Reader *bufio.Reader // what the server sends
}

// Send writes a text frame.
func (l *Link) Send(text string) error {
	_, err := l.Write(clientFrame(ws.OpText, []byte(text)))
	return err
}

// Receive reads a frame.
func (l *Link) Receive() ([]byte, error) {
	h, err := ws.ReadHeader(l.Reader)
	if err != nil {
		return nil, err
	}
	if h.Length > maxFrame || !h.Fin || h.Masked {
		return nil, errFrame
	}
	text := make([]byte, h.Length)
	_, err = io.ReadFull(l.Reader, text)
	if err == nil && h.OpCode == ws.OpClose {
		err = fmt.Errorf("load: the server closed the connection: %q", text)
	}
	return text, err
}

// ErrRefused is what Connect returns, wrapped, when the server says no.
var ErrRefused = errors.New("load: the server refused")

// beatEvery is how often clients of Engine.IO 3 send a heartbeat: less than
// any server's interval.
const beatEvery = 10 * time.Second

// EngineIO is the protocol of the stream server, version 3 or 4. query follows
// in the address, such as "&token=JWT".
func EngineIO(version int, path, query string) (*Protocol, error) {
	if version != 3 && version != 4 {
		return nil, fmt.Errorf("load: Engine.IO %d: want 3 or 4", version)
	}
	p := &Protocol{Path: fmt.Sprintf("%s?EIO=%d&transport=websocket%s", path, version, query)}
	if version == 3 {
		p.Beat, p.BeatEvery = []byte("2"), beatEvery
	}
	p.Join = func(l *Link, channel string) error {
		if version == 4 {
			if err := l.Send("40"); err != nil {
				return err
			}
		}
		if err := await(l, "40"); err != nil {
			return err
		}
		name, _ := json.Marshal(channel)
		if err := l.Send(`420["subscribe",` + string(name) + `]`); err != nil {
			return err
		}
		return await(l, "430")
	}
	p.Answer = func(frame []byte) []byte {
		if version == 4 && len(frame) == 1 && frame[0] == '2' {
			return []byte("3")
		}
		return nil
	}
	return p, nil
}

// await reads frames up to one that starts with prefix, which must be no
// refusal: the answer to CONNECT, or the ack of the subscription.
func await(l *Link, prefix string) error {
	for {
		text, err := l.Receive()
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(text, []byte("44")), bytes.HasPrefix(text, []byte(`430[{"ok":false`)):
			return fmt.Errorf("%w: %s", ErrRefused, text)
		case bytes.HasPrefix(text, []byte(prefix)):
			return nil
		}
	}
}

// dial opens a connection and the WebSocket on it.
func (c Config) dial(ctx context.Context, from net.Addr) (*Link, error) {
	dialer := net.Dialer{LocalAddr: from, Control: c.control}
	if c.Protocol.Path == "" {
		conn, err := dialer.DialContext(ctx, "tcp", c.host())
		if err != nil {
			return nil, err
		}
		return &Link{conn, bufio.NewReaderSize(conn, readBuffer)}, nil
	}
	upgrade := ws.Dialer{NetDial: dialer.DialContext, ReadBufferSize: readBuffer, TLSConfig: c.TLS}
	conn, reader, _, err := upgrade.Dial(ctx, c.address()+c.Protocol.Path)
	if err != nil {
		return nil, err
	}
	if reader == nil {
		reader = bufio.NewReaderSize(conn, readBuffer)
	}
	return &Link{conn, reader}, nil
}

// readBuffer is the buffer of a connection while it joins.
const readBuffer = 1024
