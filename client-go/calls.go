package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gobwas/ws/wsutil"

	epacket "github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// read hands on what arrives until the connection ends.
func (c *Conn) read() {
	if c.version == epacket.V3 {
		stop := make(chan struct{})
		defer close(stop)
		go c.ping(stop) // ends with read
	}
	for {
		p, err := c.receive()
		if err != nil {
			c.fail(err)
			return
		}
		if p.Type != epacket.Message {
			continue
		}
		if err := c.message(p.Data); err != nil {
			c.fail(err)
			return
		}
	}
}

// ping is the heartbeat of version 3, which is the client's.
func (c *Conn) ping(stop <-chan struct{}) {
	ticker := time.NewTicker(c.timeout / 2)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
			if c.writeText(epacket.Packet{Type: epacket.Ping}) != nil {
				return
			}
		}
	}
}

func (c *Conn) message(data []byte) error {
	p, err := packet.Decode(data)
	if err != nil {
		return err
	}
	switch p.Type {
	case packet.Event:
		name, args, err := p.Event()
		if err != nil {
			return err
		}
		select {
		case c.events <- Event{name, args}:
		case <-c.done:
		}
	case packet.Ack:
		args, err := p.Args()
		if err != nil {
			return err
		}
		c.mu.Lock()
		waiting := c.calls[p.ID]
		delete(c.calls, p.ID)
		c.mu.Unlock()
		if waiting != nil {
			waiting <- args
		}
	case packet.Disconnect:
		return fmt.Errorf("%w: the server disconnected us", ErrClosed)
	default:
	}
	return nil
}

// fail ends the connection for the reason err.
func (c *Conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	close(c.done)
	_ = c.conn.Close()
}

// Next waits for the next event, also for those that came before the end.
func (c *Conn) Next(ctx context.Context) (Event, error) {
	select {
	case e := <-c.events:
		return e, nil
	default:
	}
	select {
	case e := <-c.events:
		return e, nil
	case <-c.done:
		return Event{}, c.reason()
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// Emit sends an event.
func (c *Conn) Emit(event string, args ...any) error {
	return c.emit(-1, event, args)
}

// Call sends an event and waits for the answer.
func (c *Conn) Call(ctx context.Context, event string, args ...any) ([]json.RawMessage, error) {
	answer := make(chan []json.RawMessage, 1)
	c.mu.Lock()
	id := c.lastID
	c.lastID++
	c.calls[id] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.calls, id)
		c.mu.Unlock()
	}()
	if err := c.emit(id, event, args); err != nil {
		return nil, err
	}
	select {
	case args := <-answer:
		return args, nil
	case <-c.done:
		return nil, c.reason()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close ends the connection; the server sees the client leave.
func (c *Conn) Close() error {
	_ = c.write(packet.Packet{Type: packet.Disconnect, Namespace: "/", ID: -1})
	c.fail(ErrClosed)
	return nil
}

func (c *Conn) emit(id int64, event string, args []any) error {
	list := make([][]byte, len(args))
	for i, arg := range args {
		data, err := json.Marshal(arg)
		if err != nil {
			return fmt.Errorf("client: event %q: %w", event, err)
		}
		list[i] = data
	}
	return c.write(packet.Packet{Type: packet.Event, Namespace: "/", ID: id, Data: packet.AppendArray(nil, event, list...)})
}

func (c *Conn) write(p packet.Packet) error {
	return c.writeText(epacket.Packet{Type: epacket.Message, Data: p.Append(nil)})
}

func (c *Conn) writeText(p epacket.Packet) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := wsutil.WriteClientText(c.conn, c.version.AppendText(nil, p)); err != nil {
		return fmt.Errorf("%w: %w", ErrClosed, err)
	}
	return nil
}

func (c *Conn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
