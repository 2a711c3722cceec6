package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Parked is long-polling clients of Engine.IO 4, each with one connection on
// which a GET waits.
type Parked struct {
	mu    sync.Mutex
	polls []*poll // guarded by mu
	ended int     // guarded by mu; connections that the server closed
}

// A poll is one of them.
type poll struct {
	conn   net.Conn
	reader *bufio.Reader
	host   string
	path   string // with the sid, after the handshake
}

var sidPattern = regexp.MustCompile(`"sid":"([^"]+)"`)

// Park opens c.Clients clients; each has subscribed to its channel, and has a
// GET under way when Park returns. path is that of Socket.IO. c.Protocol is not
// asked.
func Park(ctx context.Context, c Config, path string) (*Parked, error) {
	c.Protocol = &Protocol{}
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parked := new(Parked)
	swarm := Swarm{config: c} // for its addresses
	var all sync.WaitGroup
	limit := make(chan struct{}, c.Under)
	for i := range c.Clients {
		limit <- struct{}{}
		if ctx.Err() != nil {
			<-limit
			break
		}
		all.Go(func() {
			defer func() { <-limit }()
			if err := parked.open(ctx, c, swarm.source(i), path, ChannelName(i%c.Channels)); err != nil {
				cancel(fmt.Errorf("load: poll %d: %w", i, err))
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		parked.Close()
		return nil, err
	}
	return parked, nil
}

// Ended is how many clients the server has closed.
func (p *Parked) Ended() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// Close ends all connections.
func (p *Parked) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, poll := range p.polls {
		_ = poll.conn.Close()
	}
}

// open connects one client up to its parked GET.
func (p *Parked) open(ctx context.Context, c Config, from net.Addr, path, channel string) error {
	dialer := net.Dialer{LocalAddr: from, Timeout: c.Patience}
	conn, err := dialer.DialContext(ctx, "tcp", c.host())
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	one := &poll{conn, bufio.NewReaderSize(conn, 512), c.host(), path + "?EIO=4&transport=polling"}
	if err := one.join(channel); err != nil {
		_ = conn.Close()
		return err
	}
	if err := one.send(http.MethodGet, ""); err != nil {
		_ = conn.Close()
		return err
	}
	stop()
	p.mu.Lock()
	p.polls = append(p.polls, one)
	p.mu.Unlock()
	go func() { // ends with the connection
		_ = one.renew()
		p.mu.Lock()
		p.ended++
		p.mu.Unlock()
	}()
	return nil
}

func (p *poll) join(channel string) error {
	open, err := p.ask(http.MethodGet, "")
	if err != nil {
		return err
	}
	sid := sidPattern.FindSubmatch(open)
	if sid == nil {
		return fmt.Errorf("the handshake is answered with %q", open)
	}
	p.path += "&sid=" + string(sid[1])
	for _, packet := range []string{"40", fmt.Sprintf(`420["subscribe",%q]`, channel)} {
		if _, err := p.ask(http.MethodPost, packet); err != nil {
			return err
		}
	}
	for {
		body, err := p.ask(http.MethodGet, "")
		if err != nil {
			return err
		}
		if _, ack, found := bytes.Cut(body, []byte("430[")); found {
			if !bytes.Contains(ack, []byte(`"ok":true`)) {
				return fmt.Errorf("%w: %s", ErrRefused, body)
			}
			return nil
		}
	}
}

// renew sends the next GET when one was answered.
func (p *poll) renew() error {
	for {
		body, err := p.receive()
		if err != nil {
			return err
		}
		for packet := range bytes.SplitSeq(body, []byte{0x1e}) {
			switch string(packet) {
			case "1":
				return io.EOF
			case "2":
				if _, err := p.ask(http.MethodPost, "3"); err != nil {
					return err
				}
			}
		}
		if err := p.send(http.MethodGet, ""); err != nil {
			return err
		}
	}
}

func (p *poll) ask(method, body string) ([]byte, error) {
	if err := p.send(method, body); err != nil {
		return nil, err
	}
	return p.receive()
}

func (p *poll) send(method, body string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, p.path, p.host)
	if method == http.MethodPost {
		fmt.Fprintf(&b, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	_, err := io.WriteString(p.conn, b.String())
	return err
}

func (p *poll) receive() ([]byte, error) {
	response, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxFrame))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.New("load: " + response.Status)
	}
	return body, nil
}
