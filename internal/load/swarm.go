package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config says who connects where.
type Config struct {
	URL      string      // "http://127.0.0.1:8080" or https
	TLS      *tls.Config // of https; nil: as the system has it
	Protocol *Protocol
	Clients  int
	Channels int // that the clients are spread over, at most one for each; 1
	Under    int // connects under way at once; 32
	Size     int // bytes of a payload; 128
	// Deaf is how many clients stop reading after they joined. They are the
	// last of each hundred or so, and their buffers are small.
	Deaf     int
	Patience time.Duration // without any delivery, until what is missing is lost; 20 s

	control func(network, address string, c syscall.RawConn) error
}

// Validate says what keeps Connect from trying.
func (c Config) Validate() error {
	c = c.withDefaults()
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("load: %q is no address such as http://127.0.0.1:8080", c.URL)
	}
	switch {
	case c.Protocol == nil:
		return errors.New("load: no protocol")
	case c.Clients < 1:
		return fmt.Errorf("load: %d clients: want at least 1", c.Clients)
	case c.Channels > c.Clients-c.Deaf:
		return fmt.Errorf("load: %d channels for %d clients that read: want no more channels", c.Channels, c.Clients-c.Deaf)
	}
	return nil
}

func (c Config) withDefaults() Config {
	c.Channels = max(c.Channels, 1)
	if c.Under == 0 {
		c.Under = 32
	}
	if c.Size == 0 {
		c.Size = 128
	}
	if c.Patience == 0 {
		c.Patience = 20 * time.Second
	}
	return c
}

// address is the URL with the scheme of WebSockets.
func (c Config) address() string {
	return strings.Replace(strings.TrimSuffix(c.URL, "/"), "http", "ws", 1)
}

// host is host:port of the URL, which validate has seen.
func (c Config) host() string {
	u, _ := url.Parse(c.URL)
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), u.Scheme)
}

// A Swarm is clients of one server.
type Swarm struct {
	config  Config
	started time.Time
	poller  poller
	clients []*client

	channels []channel
	phase    *phase // that runs; one of no importance between two
	payload  []byte // reused

	beaten  time.Time // until when heartbeats were sent
	beating int       // client that sends the next
}

// A channel is what was published to it and who hears it.
type channel struct {
	name      string
	listeners int   // that read, and are connected
	sent      int64 // number of the last message
	base      int64 // sent when the phase began
	under     []pending
}

// A client is one connection after it joined.
type client struct {
	conn    io.WriteCloser
	channel int
	order   order
	rest    []byte // of a frame that has not come whole
	deaf    bool
	closed  bool
}

// ChannelName is the tag of a channel by its number, from 0.
func ChannelName(i int) string { return "bench:" + strconv.Itoa(i) }

// Connected is what the connects of a swarm took.
type Connected struct {
	Clients int
	Took    time.Duration
}

// PerSecond is connects a second.
func (c Connected) PerSecond() float64 { return float64(c.Clients) / c.Took.Seconds() }

// Connect opens all clients and returns when they have joined. Close the swarm
// in the end.
func Connect(ctx context.Context, c Config) (*Swarm, Connected, error) {
	c = c.withDefaults()
	if err := c.Validate(); err != nil {
		return nil, Connected{}, err
	}
	poller, err := newPoller(strings.HasPrefix(c.URL, "https:"))
	if err != nil {
		return nil, Connected{}, err
	}
	s := &Swarm{config: c, started: time.Now(), poller: poller, channels: make([]channel, c.Channels), phase: &phase{}}
	s.beaten = s.started
	for i := range s.channels {
		s.channels[i].name = ChannelName(i)
	}
	if err := s.connect(ctx); err != nil {
		s.Close()
		return nil, Connected{}, err
	}
	return s, Connected{c.Clients, time.Since(s.started)}, nil
}

// connect starts a bounded number of joins at a time, and serves those who
// have joined meanwhile.
func (s *Swarm) connect(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type joined struct {
		client *client
		link   *Link
		err    error
	}
	done := make(chan joined, s.config.Under)
	next, open := 0, 0
	for next < s.config.Clients || open > 0 {
		for open < s.config.Under && next < s.config.Clients && ctx.Err() == nil {
			c := s.newClient(next)
			from := s.source(next)
			go func() { // ends in time: join has a deadline
				link, err := s.join(ctx, c, from)
				done <- joined{c, link, err}
			}()
			next++
			open++
		}
		j := <-done
		open--
		if j.err != nil {
			cancel()
			for range open { // so that none is left behind
				if late := <-done; late.err == nil {
					_ = late.link.Close()
				}
			}
			return fmt.Errorf("client %d of %d: %w", len(s.clients)+1, s.config.Clients, j.err)
		}
		if err := s.admit(j.client, j.link); err != nil {
			return err
		}
		if len(s.clients)%256 == 0 {
			if err := s.turn(time.Now()); err != nil { // answers heartbeats
				return err
			}
		}
	}
	return ctx.Err()
}

func (s *Swarm) newClient(i int) *client {
	c := &client{channel: i % s.config.Channels}
	if s.config.Deaf > 0 {
		every := s.config.Clients / s.config.Deaf
		c.deaf = (i+1)%every == 0 && (i+1)/every <= s.config.Deaf
	}
	return c
}

// source is the address that a client comes from: on loopback one of several,
// because each has no more than some 28,000 ports.
func (s *Swarm) source(i int) net.Addr {
	host, _, _ := net.SplitHostPort(s.config.host())
	if ip := net.ParseIP(host).To4(); ip == nil || !ip.IsLoopback() {
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))}
}

func (s *Swarm) join(ctx context.Context, c *client, from net.Addr) (*Link, error) {
	config := s.config
	if c.deaf {
		config.control = deafen
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Patience)
	defer cancel()
	link, err := config.dial(ctx, from)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = link.SetDeadline(time.Unix(1, 0)) })
	err = config.Protocol.Join(link, s.channels[c.channel].name)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = link.Close()
		return nil, err
	}
	return link, nil
}

// admit makes a client that has joined one of the swarm.
func (s *Swarm) admit(c *client, l *Link) error {
	c.conn = l
	s.clients = append(s.clients, c)
	if !c.deaf {
		s.channels[c.channel].listeners++
		early, _ := l.Reader.Peek(l.Reader.Buffered())
		c.rest = append(c.rest, early...)
	}
	return s.poller.add(c, l.Conn)
}

// Close ends all connections.
func (s *Swarm) Close() {
	for _, c := range s.clients {
		_ = c.conn.Close()
	}
	s.poller.close()
}

// Idle serves the clients without publishing.
func (s *Swarm) Idle(ctx context.Context, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.turn(end); err != nil {
			return err
		}
	}
	return nil
}
