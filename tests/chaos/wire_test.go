package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A connection is one Engine.IO session, version 4, on one transport. What it
// sends and receives are Socket.IO packets, receive in the order in which the
// server wrote them: unlike client-go's, answers do not overtake events.
//
// receive belongs to one goroutine; close may be called from any.
type connection struct {
	// Constant after dial.
	transport
	patience time.Duration // without a ping, after which the server is gone

	waiting []packet.Packet // of a payload, not yet received
}

// A transport carries Engine.IO packets.
type transport interface {
	read(deadline time.Time) ([]packet.Packet, error)
	write(p packet.Packet) error
	close()
}

// dial opens a session at a URL such as http://127.0.0.1:8080.
func dial(ctx context.Context, url string, polling bool) (*connection, error) {
	open := dialWebSocket
	if polling {
		open = dialPolling
	}
	t, err := open(ctx, url)
	if err != nil {
		return nil, err
	}
	c := &connection{transport: t, patience: openTimeout}
	first, err := c.next()
	if err != nil {
		t.close()
		return nil, err
	}
	var handshake struct {
		SID                       string
		PingInterval, PingTimeout int
	}
	if first.Type != packet.Open || json.Unmarshal(first.Data, &handshake) != nil {
		t.close()
		return nil, fmt.Errorf("the handshake is %s %.100s", first.Type, first.Data)
	}
	c.patience = time.Duration(handshake.PingInterval+handshake.PingTimeout) * time.Millisecond
	if p, ok := t.(*pollingTransport); ok {
		p.url += "&sid=" + handshake.SID
	}
	return c, nil
}

// send sends a packet that is written out, with the 4 of Engine.IO.
func (c *connection) send(text string) error {
	return c.write(packet.Packet{Type: packet.Message, Data: []byte(text[1:])})
}

// receive is the next Socket.IO packet.
func (c *connection) receive() ([]byte, error) {
	for {
		p, err := c.next()
		if err != nil {
			return nil, err
		}
		switch p.Type {
		case packet.Message:
			return p.Data, nil
		case packet.Ping:
			if err := c.write(packet.Packet{Type: packet.Pong}); err != nil {
				return nil, err
			}
		case packet.Close:
			return nil, errors.New("the server closed the session")
		default:
		}
	}
}

func (c *connection) next() (packet.Packet, error) {
	for len(c.waiting) == 0 {
		list, err := c.read(time.Now().Add(c.patience))
		if err != nil {
			return packet.Packet{}, err
		}
		c.waiting = list
	}
	p := c.waiting[0]
	c.waiting = c.waiting[1:]
	return p, nil
}

// A webSocket is a transport.
type webSocket struct {
	conn   net.Conn
	reader io.ReadWriter

	mu sync.Mutex // held for one frame
}

func dialWebSocket(ctx context.Context, url string) (transport, error) {
	conn, reader, _, err := ws.Dial(ctx, strings.Replace(url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, err
	}
	w := &webSocket{conn: conn, reader: conn}
	if reader != nil { // it has read ahead
		w.reader = struct {
			io.Reader
			io.Writer
		}{reader, conn}
	}
	return w, nil
}

func (w *webSocket) read(deadline time.Time) ([]packet.Packet, error) {
	_ = w.conn.SetReadDeadline(deadline)
	data, err := wsutil.ReadServerText(w.reader)
	if err != nil {
		return nil, err
	}
	p, err := packet.V4.DecodeText(data)
	return []packet.Packet{p}, err
}

func (w *webSocket) write(p packet.Packet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.conn.SetWriteDeadline(time.Now().Add(openTimeout))
	return wsutil.WriteClientText(w.conn, packet.V4.AppendText(nil, p))
}

func (w *webSocket) close() { _ = w.conn.Close() }

// A pollingTransport is a transport. Each of its requests is a connection of
// its own, so that a balancer without stickiness sends them anywhere.
type pollingTransport struct {
	url    string // changed by dial, before there is more than one goroutine
	web    *http.Client
	ctx    context.Context //nolint:containedctx // it lives as long as the transport, for close
	cancel context.CancelFunc
}

func dialPolling(_ context.Context, url string) (transport, error) {
	ctx, cancel := context.WithCancel(context.Background())
	return &pollingTransport{
		url: url + "/socket.io/?EIO=4&transport=polling",
		web: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		ctx: ctx, cancel: cancel,
	}, nil
}

func (p *pollingTransport) read(deadline time.Time) ([]packet.Packet, error) {
	ctx, cancel := context.WithDeadline(p.ctx, deadline)
	defer cancel()
	body, err := p.do(ctx, http.MethodGet, nil)
	if err != nil {
		return nil, err
	}
	return packet.V4.DecodePayload(body, false, 1<<30)
}

func (p *pollingTransport) write(q packet.Packet) error {
	ctx, cancel := context.WithTimeout(p.ctx, openTimeout)
	defer cancel()
	_, err := p.do(ctx, http.MethodPost, packet.V4.AppendText(nil, q))
	return err
}

func (p *pollingTransport) do(ctx context.Context, method string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := p.web.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s was answered %s: %.100s", method, resp.Status, answer)
	}
	return answer, err
}

func (p *pollingTransport) close() { p.cancel() }
