package reactor

import (
	"net"
	"time"
)

// write sends what is pending until there is nothing more, and after Close
// ends the stream.
func (c *conn) write() {
	for {
		bufs, closing := c.nextPending()
		if len(bufs) == 0 {
			if closing {
				c.end(c.endStream())
				return
			}
			c.end(nil)
			return
		}
		if _, err := bufs.WriteTo(c.net); err != nil {
			c.stopWriting()
			c.end(err)
			return
		}
		if c.drained() {
			c.handler.Writable()
		}
	}
}

// nextPending takes what is to be sent. With nothing, the writer ends.
func (c *conn) nextPending() (bufs net.Buffers, closing bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	bufs, c.pending = c.pending, nil
	if len(bufs) == 0 {
		c.writing, c.busy = false, false
	}
	return bufs, c.closing && !c.dead
}

// drained notes that all that was taken is sent, and reports whether the
// handler is to be told.
func (c *conn) drained() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = len(c.pending) > 0
	return !c.busy && !c.closing && !c.dead
}

func (c *conn) stopWriting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = false
}

// endStream tells the peer that nothing follows and gives it a moment to end
// its side: closing at once could reset the connection and take from the peer
// what it has not read yet. An error means that there is nobody to wait for.
func (c *conn) endStream() error {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok {
		return net.ErrClosed
	}
	if err := half.CloseWrite(); err != nil {
		return err
	}
	return c.net.SetReadDeadline(time.Now().Add(lingerTimeout))
}
