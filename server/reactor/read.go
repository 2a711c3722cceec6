package reactor

import (
	"io"
	"sync"
)

const (
	readSize   = 16 << 10 // of the shared buffers
	parkedSize = 512      // of the buffer of a socket that cannot wait without one
)

// buffers are shared by the sockets that have something to read.
var buffers = sync.Pool{New: func() any { return new([readSize]byte) }}

// read passes on what arrives until the socket ends.
func (c *conn) read(early []byte) {
	if len(early) > 0 {
		c.pass(early)
	}
	if c.raw != nil {
		c.end(c.readShared())
		return
	}
	c.end(c.readParked())
}

// readShared waits without a buffer and takes one when there is something to
// put into it.
func (c *conn) readShared() error {
	r := &reader{passed: make(chan struct{})}
	receive := r.receive
	for {
		err := c.raw.Read(receive)
		if err == nil {
			err = r.err
		}
		if err == nil && r.n == 0 {
			err = io.EOF
		}
		if err == nil {
			c.passAside(r.buf[:r.n], r.passed)
		}
		if r.buf != nil {
			buffers.Put(r.buf)
			r.buf = nil
		}
		if err != nil {
			return err
		}
	}
}

// A reader is one goroutine's place for what it received.
type reader struct {
	buf *[readSize]byte // nil while there is nothing
	n   int
	err error

	passed chan struct{} // says that the handler has had it
}

// receive reads once, without waiting. False means that nothing was there.
func (r *reader) receive(fd uintptr) bool {
	r.buf = buffers.Get().(*[readSize]byte)
	var wait bool
	r.n, wait, r.err = receiveOnce(int(fd), r.buf[:])
	if wait {
		buffers.Put(r.buf)
		r.buf = nil
	}
	return !wait
}

func (c *conn) readParked() error {
	buf, passed := make([]byte, parkedSize), make(chan struct{})
	for {
		n, err := c.net.Read(buf)
		if n > 0 {
			c.passAside(buf[:n], passed)
		}
		if err != nil {
			return err
		}
	}
}

// passAside is pass in a goroutine of its own, because handlers want a large
// stack, which that of the reader would be for as long as the socket is open.
func (c *conn) passAside(p []byte, passed chan struct{}) {
	go func() { // ends with the handler's call
		c.pass(p)
		passed <- struct{}{}
	}()
	<-passed
}

// pass gives p to the handler, unless Close was called: what a peer sends
// after that is read only so that its kernel gets no reset for it.
func (c *conn) pass(p []byte) {
	c.mu.Lock()
	done := c.closing || c.dead
	c.mu.Unlock()
	if !done {
		c.handler.Read(p)
	}
}
