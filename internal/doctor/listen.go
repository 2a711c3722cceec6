package doctor

import (
	"bytes"
	"context"
	"fmt"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A subscriber hears the channel by WebSocket.
type subscriber struct {
	*client.Conn

	channel string
}

// subscribe is a client by WebSocket that hears the channel.
func (v *visit) subscribe(ctx context.Context) (*subscriber, error) {
	conn, err := v.connect(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := conn.Call(ctx, "subscribe", v.Channel)
	if err == nil && (len(answer) == 0 || !bytes.Contains(answer[0], []byte(`"ok":true`))) {
		err = fmt.Errorf("the server refused: %s", quote(bytes.Join(rawList(answer), nil)))
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &subscriber{conn, v.Channel}, nil
}

// hear waits for the message.
func (s *subscriber) hear(ctx context.Context, data []byte) error {
	for {
		e, err := s.Next(ctx)
		if err != nil {
			return plain(ctx, err)
		}
		if e.Name == s.channel && len(e.Args) > 0 && bytes.Equal(e.Args[0], data) {
			return nil
		}
	}
}

func rawList[T ~[]byte](list []T) [][]byte {
	out := make([][]byte, len(list))
	for i, one := range list {
		out[i] = one
	}
	return out
}

// subscribe hears the channel.
func (p *poll) subscribe(ctx context.Context) error {
	if err := p.connect(ctx); err != nil {
		return err
	}
	id, err := p.emit(ctx, "subscribe", p.v.Channel)
	if err != nil {
		return err
	}
	return p.acked(ctx, id)
}

// hear waits for the message.
func (p *poll) hear(ctx context.Context, data []byte) error {
	_, err := p.next(ctx, func(s packet.Packet) bool {
		name, args, err := s.Event()
		return s.Type == packet.Event && err == nil && name == p.v.Channel && len(args) > 0 && bytes.Equal(args[0], data)
	})
	return err
}
