package soak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

const (
	longestStay  = 1500 * time.Millisecond // of a client that churns
	pingInterval = time.Second
	pingTimeout  = 2 * time.Second // longer than a stay: nobody has to begin a heartbeat
	randomTags   = 100
)

// kinds are the clients that come and go. Each is one client, from the
// beginning to the end.
var kinds = []struct {
	name string
	run  func(address string, r *rand.Rand) error
}{
	{"WebSocket", func(address string, r *rand.Rand) error {
		return stay(address, 4, r, leave)
	}},
	{"WebSocket of EIO 3", func(address string, r *rand.Rand) error {
		return stay(address, 3, r, leave)
	}},
	{"closed without a word", func(address string, r *rand.Rand) error {
		return stay(address, 4, r, func(c *client) error { return c.conn.Close() })
	}},
	{"reset", func(address string, r *rand.Rand) error {
		return stay(address, 4, r, func(*client) error { return nil })
	}},
	{"cut in a frame", func(address string, r *rand.Rand) error {
		return stay(address, 3+r.IntN(2), r, func(c *client) error {
			frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(bytes.Repeat([]byte("4"), 1+r.IntN(9000)))))
			_, err := c.conn.Write(frame[:1+r.IntN(len(frame)-1)])
			if err == nil && r.IntN(2) == 0 {
				err = c.conn.Close()
			}
			return err
		})
	}},
	{"idle", func(address string, r *rand.Rand) error {
		return stay(address, 3+r.IntN(2), r, func(c *client) error { return c.untilEnd(c.frame) })
	}},
	{"polling", func(address string, r *rand.Rand) error {
		return stayPolling(address, packet.V4, r)
	}},
	{"polling of EIO 3", func(address string, r *rand.Rand) error {
		return stayPolling(address, packet.V3, r)
	}},
	{"polling, left", func(address string, _ *rand.Rand) error {
		c, err := dialPolling(address, packet.V4)
		if err == nil {
			c.web.CloseIdleConnections()
		}
		return err
	}},
	{"upgraded", upgraded},
	{"without a request", func(address string, r *rand.Rand) error {
		c, err := connect(address, 4)
		if err != nil {
			return err
		}
		defer c.reset()
		_, err = io.WriteString(c.conn, "GET /socket.io/"[:r.IntN(10)])
		return err
	}},
}

// tags are some random channels.
func tags(r *rand.Rand) []string {
	list := make([]string, 1+r.IntN(3))
	for i := range list {
		list[i] = fmt.Sprintf("random:%d", r.IntN(randomTags))
	}
	return list
}

// rest is how long a client stays once it hears its channels.
func rest(r *rand.Rand) time.Duration { return time.Duration(r.Int64N(int64(longestStay))) }

// check is nil if an event is of one of the channels. The data names it.
func check(name string, data []byte, tags []string) error {
	if !slices.Contains(tags, name) || !strings.HasPrefix(string(data), `["`+name+`",`) {
		return fmt.Errorf("a client of %v got %s %.80s", tags, name, data)
	}
	return nil
}

// stay is a WebSocket that hears some channels for a while, and what it does
// then. It is reset at last, if it is still there.
func stay(address string, version int, r *rand.Rand, then func(*client) error) error {
	c, err := dial(address, version)
	if err != nil {
		return err
	}
	defer c.reset()
	tags := tags(r)
	if err := c.subscribe(tags...); err != nil {
		return err
	}
	if err := c.listen(tags, r); err != nil {
		return err
	}
	return then(c)
}

// listen hears for a while.
func (c *client) listen(tags []string, r *rand.Rand) error {
	end := time.Now().Add(rest(r))
	for {
		// Only the wait for the first byte of a frame ends then, and no frame is
		// left in the middle.
		_ = c.conn.SetReadDeadline(end)
		if _, err := c.r.Peek(1); errors.Is(err, os.ErrDeadlineExceeded) && len(c.events) == 0 {
			break
		}
		_ = c.conn.SetReadDeadline(time.Now().Add(patience))
		name, data, err := c.eventNow()
		if err == nil && name != "" {
			err = check(name, data, tags)
		}
		if err != nil {
			return err
		}
	}
	return c.conn.SetDeadline(time.Now().Add(patience))
}

// leave says so and waits for the end.
func leave(c *client) error {
	c.send("1")
	return c.untilEnd(c.next)
}

// untilEnd reads until the server has ended the connection.
func (c *client) untilEnd(read func() (string, error)) error {
	for {
		if _, err := read(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func stayPolling(address string, version packet.Version, r *rand.Rand) error {
	c, err := dialPolling(address, version)
	if err != nil {
		return err
	}
	defer c.web.CloseIdleConnections()
	tags := tags(r)
	if _, err := c.subscribe(tags...); err != nil {
		return err
	}
	over := time.Now().Add(rest(r))
	if version == packet.V3 { // whose heartbeats are the client's: the last poll gets an answer by one
		time.AfterFunc(time.Until(over), func() { _ = c.post(packet.Ping, "") })
	}
	for version == packet.V3 || time.Now().Before(over) {
		p, err := c.next()
		if err == nil && p.Type == packet.Pong {
			break
		}
		if err == nil && p.Type == packet.Ping {
			err = c.post(packet.Pong, "")
		}
		if err == nil && p.Type == packet.Message {
			var name string
			var data []byte
			if name, data, err = parseEvent("4" + string(p.Data)); err == nil {
				err = check(name, data, tags)
			}
		}
		if err != nil {
			return err
		}
	}
	return c.post(packet.Close, "")
}

// upgraded begins with polling and goes on with a WebSocket.
func upgraded(address string, r *rand.Rand) error {
	c, err := dialPolling(address, packet.V4)
	if err != nil {
		return err
	}
	defer c.web.CloseIdleConnections()
	tags := tags(r)
	early, err := c.subscribe(tags...)
	if err != nil {
		return err
	}
	w, err := c.upgrade(address)
	if err != nil {
		return err
	}
	defer w.reset()
	for _, text := range early {
		w.events = append(w.events, "4"+text)
	}
	if err := w.listen(tags, r); err != nil {
		return err
	}
	return leave(w)
}
