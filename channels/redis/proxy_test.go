package redis

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"
)

// A proxy stands before a Redis, and passes everything on with a delay.
type proxy struct {
	listener net.Listener
	target   string
	delay    time.Duration // of each direction

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu; both ends of each connection
	done  bool              // guarded by mu
	shut  bool              // guarded by mu; new connections are ended at once
	wg    sync.WaitGroup
}

// newProxy starts one until the test ends.
func newProxy(t *testing.T, target string, delay time.Duration) *proxy {
	t.Helper()
	return startProxy(t, target, delay, nil)
}

// newProxyTLS starts one that takes TLS, and passes on what is in it.
func newProxyTLS(t *testing.T, target string, config *tls.Config) *proxy {
	t.Helper()
	return startProxy(t, target, 0, config)
}

func startProxy(t *testing.T, target string, delay time.Duration, config *tls.Config) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	p := &proxy{listener: l, target: target, delay: delay, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept) // ends when the listener is closed
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.done = true
		p.mu.Unlock()
		p.cut()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) url() string { return "redis://" + p.listener.Addr().String() }

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// refuse makes new connections end at once, or not any more.
func (p *proxy) refuse(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = yes
}

// keep notes an open connection, unless the proxy has ended or refuses.
func (p *proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done || p.shut {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *proxy) accept() {
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
			if !p.keep(client) || !p.keep(server) {
				_, _ = client.Close(), server.Close()
				return
			}
			p.wg.Go(func() { p.pass(client, server) })
			p.pass(server, client)
		})
	}
}

// pass copies from one end to the other, each part after the delay, until
// either is closed.
func (p *proxy) pass(from, to net.Conn) {
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
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			parts <- part{append([]byte(nil), buf[:n]...), time.Now().Add(p.delay)}
		}
		if err != nil {
			break
		}
	}
	close(parts)
}
