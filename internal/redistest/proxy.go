package redistest

import (
	"bytes"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Proxy stands before a Redis, and does to connections what networks do.
//
// Its methods may be called from any goroutine.
type Proxy struct {
	// Constant.
	listener net.Listener
	target   string

	delay atomic.Int64 // nanoseconds, of each direction

	wg    sync.WaitGroup
	mu    sync.Mutex
	pipes map[*pipe]bool // guarded by mu; nil once it has ended
	shut  bool           // guarded by mu; new connections are ended at once
}

// A pipe is one connection through the Proxy.
type pipe struct {
	client, server net.Conn
	silent         atomic.Bool // nothing goes on, in either direction
}

// NewProxy starts one until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	return startProxy(t, target, func(l net.Listener) net.Listener { return l })
}

// NewProxyTLS is NewProxy that takes TLS, and passes on what is in it.
func NewProxyTLS(t testing.TB, target string, config *tls.Config) *Proxy {
	t.Helper()
	return startProxy(t, target, func(l net.Listener) net.Listener { return tls.NewListener(l, config) })
}

func startProxy(t testing.TB, target string, wrap func(net.Listener) net.Listener) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l = wrap(l)
	p := &Proxy{listener: l, target: target, pipes: make(map[*pipe]bool)}
	p.wg.Go(p.accept) // ends with the listener
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		for c := range p.pipes {
			c.close()
		}
		p.pipes = nil
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// Addr is host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// URL is redis://host:port.
func (p *Proxy) URL() string { return "redis://" + p.Addr() }

// Delay makes all that comes from now on take so much longer, in each direction.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Silence makes the connections that there are pass nothing on any more, though
// they stay open. New ones are as ever.
func (p *Proxy) Silence() { p.each(func(c *pipe) { c.silent.Store(true) }) }

// Cut ends the connections that there are. New ones are as ever.
func (p *Proxy) Cut() { p.each((*pipe).close) }

// Refuse makes new connections end at once, or not any more.
func (p *Proxy) Refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = yes
}

func (c *pipe) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}

func (p *Proxy) each(f func(*pipe)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pipes {
		f(c)
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { // ends when either end is closed
			server, err := net.Dial("tcp", p.target)
			if err != nil {
				_ = client.Close()
				return
			}
			p.serve(&pipe{client: client, server: server})
		})
	}
}

func (p *Proxy) serve(c *pipe) {
	p.mu.Lock()
	if p.pipes == nil || p.shut {
		p.mu.Unlock()
		c.close()
		return
	}
	p.pipes[c] = true
	p.mu.Unlock()
	p.wg.Go(func() { p.pass(c, c.client, c.server) }) // ends when either end is closed
	p.pass(c, c.server, c.client)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pipes, c)
}

// pass writes to one end what comes from the other, until either is closed.
func (p *Proxy) pass(c *pipe, from, to net.Conn) {
	type part struct {
		data []byte
		due  time.Time
	}
	parts := make(chan part, 1024)
	p.wg.Go(func() { // ends when parts is closed
		for part := range parts {
			<-time.After(time.Until(part.due))
			_, _ = to.Write(part.data)
		}
		_ = to.Close()
	})
	defer close(parts)
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && !c.silent.Load() {
			parts <- part{bytes.Clone(buf[:n]), time.Now().Add(time.Duration(p.delay.Load()))}
		}
		if err != nil {
			return
		}
	}
}
