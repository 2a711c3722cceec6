package reactor

import (
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	flushTimeout  = 5 * time.Second // for a peer to take what Close leaves to send
	lingerTimeout = time.Second     // for a peer to end the stream after us
)

// A conn is a Conn with goroutines: one that reads, and one that writes while
// there is something to write.
type conn struct {
	// Constant.
	net     net.Conn
	raw     syscall.RawConn // nil: no writes without a goroutine, no waiting without a buffer
	handler Handler
	send    func(fd uintptr) bool // sendInline, made once so that a write allocates nothing

	mu      sync.Mutex
	refs    int         // guarded by mu; goroutines that use net; the last one calls Closed
	writing bool        // guarded by mu; the writer runs
	busy    bool        // guarded by mu; something taken has yet to be sent
	closing bool        // guarded by mu; Close was called
	dead    bool        // guarded by mu; nothing is sent any more
	err     error       // guarded by mu; why it is dead
	pending net.Buffers // guarded by mu; what waits for the writer
	inline  [][]byte    // guarded by mu; what sendInline sends, during a write only
	one     [1][]byte   // guarded by mu; for Write
	sent    int         // guarded by mu; how much of it went out
	sendErr error       // guarded by mu
}

// New makes the Conn that owns c from now on. The caller calls Start.
func New(c net.Conn, h Handler) Conn {
	s := &conn{net: c, handler: h, refs: 1}
	if tcp, ok := c.(*net.TCPConn); ok && nonBlocking {
		if raw, err := tcp.SyscallConn(); err == nil {
			s.raw, s.send = raw, s.sendInline
		}
	}
	return s
}

// Start starts the reader, which ends when the socket does.
func (c *conn) Start(early []byte) { go c.read(early) }

func (c *conn) Busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busy
}

func (c *conn) Write(buf []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.one[0] = buf
	taken := c.writeLocked(c.one[:])
	c.one[0] = nil
	return taken
}

func (c *conn) WriteAll(bufs ...[]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(bufs) == 0 || c.writeLocked(bufs)
}

func (c *conn) writeLocked(bufs [][]byte) bool {
	if c.busy || c.closing || c.dead {
		return false
	}
	if c.raw == nil {
		c.pendLocked(bufs)
		return true
	}
	c.inline, c.sent, c.sendErr = bufs, 0, nil
	err := c.raw.Write(c.send)
	c.inline = nil
	if err == nil {
		err = c.sendErr
	}
	if err != nil {
		c.killLocked(err)
		return true // taken, and lost with the socket: Closed follows
	}
	for i, b := range bufs {
		if c.sent < len(b) {
			c.pendLocked([][]byte{b[c.sent:]})
			c.pending = append(c.pending, bufs[i+1:]...)
			break
		}
		c.sent -= len(b)
	}
	return true
}

// sendInline sends what the kernel takes of c.inline, without waiting. It runs
// inside Write.
func (c *conn) sendInline(fd uintptr) bool {
	c.sent, c.sendErr = sendOnce(int(fd), c.inline)
	return true
}

// pendLocked leaves bufs to the writer and starts it if need be. The writer
// ends when nothing is pending.
func (c *conn) pendLocked(bufs [][]byte) {
	c.pending = append(c.pending, bufs...)
	c.busy = true
	if !c.writing {
		c.writing = true
		c.refs++
		go c.write()
	}
}

func (c *conn) Close(last ...[]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.dead {
		return
	}
	c.closing = true
	_ = c.net.SetDeadline(time.Now().Add(flushTimeout))
	c.pendLocked(last) // the writer ends the stream, even if there is nothing to send
}

func (c *conn) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return
	}
	// A reset: the kernel drops what the peer would not take.
	if tcp, ok := transport(c.net).(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.killLocked(net.ErrClosed)
}

// killLocked makes both goroutines end.
func (c *conn) killLocked(err error) {
	c.dead = true
	c.err = err
	c.pending = nil
	_ = transport(c.net).Close()
}

// transport is what carries a TLS connection, whose own Close says goodbye and
// may wait for that; or c itself.
func transport(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}

// end is the last thing that the reader and the writer do. err is why, nil if
// the other goes on.
func (c *conn) end(err error) {
	c.mu.Lock()
	// When the peer ends its side while we still flush, the writer finishes.
	hangUp := err != nil && !c.dead && (!c.closing || !c.writing)
	if hangUp {
		c.dead = true
		c.err = err
		c.pending = nil
	}
	c.refs--
	last := c.refs == 0
	err = c.err
	if c.closing || err == nil {
		err = net.ErrClosed
	}
	c.mu.Unlock()
	if hangUp || last {
		_ = c.net.Close() // the other goroutine, if any, is woken by it
	}
	if last {
		c.handler.Closed(err)
	}
}
