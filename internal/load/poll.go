package load

import (
	"io"
	"net"
	"sync"
	"time"
)

// A poller waits for what many connections receive.
type poller interface {
	// add takes a client's connection over: it may set another for writing.
	// Nothing is read for a deaf client.
	add(c *client, conn net.Conn) error

	// wait calls feed with what came, until something has or the time is over.
	// The bytes are good until feed returns. An error is the last of a client.
	wait(until time.Time, feed func(c *client, data []byte, err error)) error

	// close releases the poller, and not the connections.
	close()
}

// goroutines is the poller with a goroutine for each connection: for TLS, and
// for systems without epoll.
type goroutines struct {
	events chan event
	done   chan struct{} // closed by close
	once   sync.Once
}

type event struct {
	client *client
	data   []byte
	err    error
	next   chan<- struct{} // tells the reader that data was read
}

func newGoroutines() *goroutines {
	return &goroutines{events: make(chan event), done: make(chan struct{})}
}

func (g *goroutines) add(c *client, conn net.Conn) error {
	if !c.deaf {
		go g.read(c, conn) // ends with the connection or the poller
	}
	return nil
}

func (g *goroutines) read(c *client, conn io.Reader) {
	buffer := make([]byte, 2048)
	next := make(chan struct{}, 1)
	for {
		n, err := conn.Read(buffer)
		select {
		case g.events <- event{c, buffer[:n], err, next}:
		case <-g.done:
			return
		}
		if err != nil {
			return
		}
		select {
		case <-next:
		case <-g.done:
			return
		}
	}
}

func (g *goroutines) wait(until time.Time, feed func(c *client, data []byte, err error)) error {
	var timeout <-chan time.Time
	if d := time.Until(until); d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	} else {
		over := make(chan time.Time)
		close(over)
		timeout = over
	}
	select {
	case e := <-g.events:
		feed(e.client, e.data, e.err)
		e.next <- struct{}{}
	case <-timeout:
	}
	return nil
}

func (g *goroutines) close() { g.once.Do(func() { close(g.done) }) }
