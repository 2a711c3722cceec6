package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	epacket "github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A handshake is what the server says when a session begins.
type handshake struct {
	SID          string // a secret
	PingInterval int    // milliseconds
	PingTimeout  int    // milliseconds
	MaxPayload   int    // bytes
}

// node is the one that the session is on: the server puts it before the secret.
func (h handshake) node() string {
	node, _, found := strings.Cut(h.SID, "-")
	if !found || len(node) != 8 {
		return "of no name"
	}
	return quote([]byte(node))
}

func (h handshake) interval() time.Duration { return time.Duration(h.PingInterval) * time.Millisecond }

// A poll is a session by long-polling, one request at a time in each direction.
type poll struct {
	v      *visit
	client *http.Client
	handshake
	calls int
	later []packet.Packet // came with what was waited for
}

// A statusError is an answer that is not 200.
type statusError struct{ *answer }

func (e statusError) Error() string { return e.says() }

// open makes a session, with further headers.
func (v *visit) open(ctx context.Context, client *http.Client, header http.Header) (*poll, *answer, error) {
	a, err := v.get(ctx, client, v.Path+"?EIO=4&transport=polling", header)
	if err != nil {
		return nil, nil, err
	}
	if a.status != http.StatusOK {
		return nil, a, statusError{a}
	}
	p := &poll{v: v, client: client}
	if len(a.body) == 0 || a.body[0] != '0' || json.Unmarshal(a.body[1:], &p.handshake) != nil || p.SID == "" {
		return nil, a, fmt.Errorf("no handshake of Engine.IO 4: %s", quote(a.body))
	}
	v.nodes[p.node()]++
	return p, a, nil
}

func (p *poll) address() string {
	return p.v.base.String() + p.v.Path + "?EIO=4&transport=polling&sid=" + url.QueryEscape(p.SID)
}

// send posts packets of Engine.IO.
func (p *poll) send(ctx context.Context, payload string) error {
	a, err := p.v.ask(ctx, p.client, http.MethodPost, p.address(), http.Header{"Content-Type": {"text/plain;charset=UTF-8"}}, strings.NewReader(payload))
	if err == nil && a.status != http.StatusOK {
		err = statusError{a}
	}
	return err
}

// receive polls once. Pings are answered.
func (p *poll) receive(ctx context.Context) (list []epacket.Packet, err error) {
	a, err := p.v.ask(ctx, p.client, http.MethodGet, p.address(), nil, nil)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, statusError{a}
	}
	list, err = epacket.V4.DecodePayload(a.body, false, 1000)
	for _, e := range list {
		if err == nil && e.Type == epacket.Ping {
			err = p.send(ctx, "3")
		}
	}
	return list, err
}

// next waits for a packet of Socket.IO that is wanted.
func (p *poll) next(ctx context.Context, wanted func(packet.Packet) bool) (packet.Packet, error) {
	for {
		for i, s := range p.later {
			if wanted(s) {
				p.later = append(p.later[:i], p.later[i+1:]...)
				return s, nil
			}
		}
		list, err := p.receive(ctx)
		if err != nil {
			return packet.Packet{}, err
		}
		for _, e := range list {
			switch e.Type {
			case epacket.Close:
				return packet.Packet{}, errors.New("the server ended the session")
			case epacket.Message:
				s, err := packet.Decode(e.Data)
				if err != nil {
					return packet.Packet{}, err
				}
				p.later = append(p.later, s)
			default:
			}
		}
	}
}

// connect enters the namespace.
func (p *poll) connect(ctx context.Context) error {
	connect := packet.Packet{Type: packet.Connect, Namespace: "/", ID: -1, Data: p.v.auth()}
	if err := p.send(ctx, "4"+string(connect.Append(nil))); err != nil {
		return err
	}
	s, err := p.next(ctx, func(s packet.Packet) bool { return s.Type == packet.Connect || s.Type == packet.ConnectError })
	if err == nil && s.Type == packet.ConnectError {
		err = fmt.Errorf("the server refused: %s", quote(s.Data))
	}
	return err
}

// auth is what goes with CONNECT.
func (v *visit) auth() []byte {
	if v.Token == "" || !v.known {
		return nil
	}
	data, _ := json.Marshal(map[string]string{"token": v.Token}) // a string always encodes
	return data
}

// emit sends an event, and returns the id of the answer to come.
func (p *poll) emit(ctx context.Context, event string, arg any) (int64, error) {
	data, err := json.Marshal(arg)
	if err != nil {
		return 0, err
	}
	id := int64(p.calls)
	p.calls++
	e := packet.Packet{Type: packet.Event, Namespace: "/", ID: id, Data: packet.AppendArray(nil, event, data)}
	return id, p.send(ctx, "4"+string(e.Append(nil)))
}

// acked waits for an answer.
func (p *poll) acked(ctx context.Context, id int64) error {
	s, err := p.next(ctx, func(s packet.Packet) bool { return s.Type == packet.Ack && s.ID == id })
	if err != nil {
		return err
	}
	args, err := s.Args()
	if err == nil && (len(args) == 0 || !bytes.Contains(args[0], []byte(`"ok":true`))) {
		err = fmt.Errorf("the server refused: %s", quote(s.Data))
	}
	return err
}

// end closes the session.
func (p *poll) end(ctx context.Context) { _ = p.send(ctx, "1") } // if not, the server does so in time

// lookAtPolling begins a session by long-polling, with which clients of
// Socket.IO begin.
func lookAtPolling(ctx context.Context, v *visit) Finding {
	p, a, err := v.open(ctx, v.once, nil)
	switch {
	case err == nil:
		v.handshake = p.handshake
		p.end(ctx)
		return ok("handshake in %v, pings every %v, on node %s", a.took.Round(10*time.Microsecond), p.interval(), p.node())
	case a != nil && a.status == http.StatusNotFound:
		return fault(Fail, v.Path+": "+a.says(), "no client connects", "--path of the server, of its clients and of this command are to be the same; nginx: a location for it")
	case a != nil && a.status == http.StatusTooManyRequests:
		return fault(Fail, a.says(), "the server, or a proxy, takes no more sessions of this address", "--max-per-address, --max-sessions, limit_conn")
	}
	return fault(Fail, err.Error(), "no client connects by long-polling, with which Socket.IO begins", "what answers at "+v.Path+", and the log of the server")
}
