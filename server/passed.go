package server

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A passedSocket is the other node's end of a WebSocket that is passed on, as
// [httputil.ReverseProxy] copies from and to it. It does so by itself, because
// what waits for hours should not have 64 KiB, nor wait for a client that has
// long gone: without an answer a write takes no longer than a client that is
// alive is silent, and when the node has ended the socket the client has a short
// while to end its side.
type passedSocket struct {
	io.ReadWriteCloser

	patience time.Duration
}

// goodbye is how long the client has after the end of the socket.
const goodbye = 2 * time.Second

// socketBuffer is how many bytes are copied at once.
const socketBuffer = 1 << 10

// WriteTo copies what the node sends.
func (s *passedSocket) WriteTo(client io.Writer) (n int64, err error) {
	conn, ok := client.(net.Conn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	n, err = copySocket(s.ReadWriteCloser, func(p []byte) (int, error) {
		if err := conn.SetWriteDeadline(time.Now().Add(s.patience)); err != nil {
			return 0, err
		}
		return conn.Write(p)
	})
	if err == nil {
		err = conn.SetReadDeadline(time.Now().Add(goodbye))
	}
	return n, err
}

// ReadFrom copies what the client sends.
func (s *passedSocket) ReadFrom(client io.Reader) (n int64, err error) {
	return copySocket(client, s.Write)
}

// CloseWrite says that the client has ended its side. The other node does not
// send anything then, so it ends the socket.
func (s *passedSocket) CloseWrite() error { return os.ErrClosed }

func copySocket(from io.Reader, write func([]byte) (int, error)) (n int64, err error) {
	buffer := make([]byte, socketBuffer)
	for {
		read, readErr := from.Read(buffer)
		if read > 0 {
			written, err := write(buffer[:read])
			if n += int64(written); err != nil {
				return n, err
			}
		}
		if errors.Is(readErr, io.EOF) {
			return n, nil
		}
		if readErr != nil {
			return n, readErr
		}
	}
}

// passed are the requests that are with other nodes now. The zero value is none.
type passed struct {
	mu    sync.Mutex
	ends  map[*context.CancelFunc]struct{} // guarded by mu
	ended bool                             // guarded by mu
}

// add notes a request, until the function that it returns is called.
func (p *passed) add(end context.CancelFunc) (remove func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		end()
	}
	if p.ends == nil {
		p.ends = make(map[*context.CancelFunc]struct{})
	}
	p.ends[&end] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.ends, &end)
	}
}

// len is how many there are.
func (p *passed) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ends)
}

// endAll ends all of them, and those that are to come.
func (p *passed) endAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	for end := range p.ends {
		(*end)()
	}
}

// passBuffers are what answers are copied in.
type passBuffers struct{}

var passPool = sync.Pool{New: func() any { return new([4 << 10]byte) }}

func (passBuffers) Get() []byte  { return passPool.Get().(*[4 << 10]byte)[:] }
func (passBuffers) Put(p []byte) { passPool.Put((*[4 << 10]byte)(p)) }
