package soak

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A polling is a client of Socket.IO over long-polling.
type polling struct {
	web     *http.Client
	url     string
	version packet.Version
	sid     string
	packets []packet.Packet // that came, and were not asked for yet
}

// dialPolling is a polling client that is connected.
func dialPolling(address string, version packet.Version) (*polling, error) {
	c := &polling{
		web:     &http.Client{Transport: &http.Transport{}, Timeout: patience},
		url:     fmt.Sprintf("http://%s/socket.io/?transport=polling&EIO=%d", address, version),
		version: version,
	}
	if err := c.open(); err != nil {
		c.web.CloseIdleConnections()
		return nil, err
	}
	return c, nil
}

func (c *polling) open() error {
	open, err := c.next()
	if err != nil {
		return err
	}
	var handshake struct{ SID string }
	if open.Type != packet.Open || json.Unmarshal(open.Data, &handshake) != nil {
		return fmt.Errorf("%w: %v %s is no handshake", errBroken, open.Type, open.Data)
	}
	c.sid = handshake.SID
	c.url += "&sid=" + c.sid
	if c.version == packet.V4 {
		if err := c.post(packet.Message, "0"); err != nil {
			return err
		}
	}
	for _, prefix := range []string{"0", `2["$session",`} {
		if text, err := c.message(); err != nil || !strings.HasPrefix(text, prefix) {
			return fmt.Errorf("got %.80q, %w, want %s", text, err, prefix)
		}
	}
	return nil
}

// next is the next packet. It polls if there is none.
func (c *polling) next() (packet.Packet, error) {
	for len(c.packets) == 0 {
		resp, err := c.web.Get(c.url)
		if err != nil {
			return packet.Packet{}, err
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("a poll was answered %s %s", resp.Status, body)
		}
		if err == nil {
			c.packets, err = c.version.DecodePayload(body, false, 1000)
		}
		if err != nil {
			return packet.Packet{}, err
		}
	}
	p := c.packets[0]
	c.packets = c.packets[1:]
	return p, nil
}

// message is the next message, of Socket.IO. Heartbeats are answered.
func (c *polling) message() (string, error) {
	for {
		p, err := c.next()
		if err != nil {
			return "", err
		}
		switch p.Type {
		case packet.Message:
			return string(p.Data), nil
		case packet.Ping:
			if err := c.post(packet.Pong, ""); err != nil {
				return "", err
			}
		case packet.Close:
			return "", io.EOF
		default:
		}
	}
}

// post sends a packet.
func (c *polling) post(kind packet.Type, data string) error {
	text := c.version.AppendText(nil, packet.Packet{Type: kind, Data: []byte(data)})
	body, _ := c.version.AppendPayload(nil, []packet.Encoded{{Data: text}}, false)
	resp, err := c.web.Post(c.url, "text/plain;charset=UTF-8", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || string(answer) != "ok" {
		return fmt.Errorf("a POST was answered %s %.80q, %w", resp.Status, answer, err)
	}
	return nil
}

// subscribe returns when the server has said yes, with the events that came
// before.
func (c *polling) subscribe(tags ...string) (early []string, err error) {
	list, _ := json.Marshal(tags)
	if err := c.post(packet.Message, `20["subscribe",`+string(list)+`]`); err != nil {
		return nil, err
	}
	for {
		text, err := c.message()
		switch {
		case err != nil:
			return nil, err
		case strings.HasPrefix(text, "2"):
			early = append(early, text)
		case strings.HasPrefix(text, `30[{"ok":true`):
			return early, nil
		default:
			return nil, fmt.Errorf("subscribe was answered %.200q", text)
		}
	}
}

// event is the next event and its first argument.
func (c *polling) event() (name string, data []byte, err error) {
	text, err := c.message()
	if err != nil {
		return "", nil, err
	}
	return parseEvent("4" + text)
}

// upgrade moves the session to a WebSocket.
func (c *polling) upgrade(address string) (*client, error) {
	w, err := connect(address, int(c.version))
	if err != nil {
		return nil, err
	}
	if err = w.webSocket(c.sid); err == nil {
		w.send("2probe")
		err = w.expect("3probe")
	}
	if err != nil {
		w.reset()
		return nil, err
	}
	w.send("5")
	return w, nil
}
