package engineio

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"reflect"

	"github.com/sb-stream/stream-server/server/reactor"
)

// A GET that waits costs net/http two goroutines and 8 KB of buffers. With
// epoll its connection is taken from HTTP instead and waits in the reactor, as
// does the connection until its next request, which the http.Server reads as
// the first of a new connection. TLS, HTTP/2 and whatever else cannot be taken
// so is held.

// park takes the connection of a poll that waits from HTTP. It is false if that
// cannot be: then nothing has changed.
func (s *Session) park(p *poll, h *held, w http.ResponseWriter, r *http.Request) bool {
	if s.server.opts.Sockets != SocketsEpoll || !parks(w, r) {
		return false
	}
	web, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return false
	}
	pollers, err := s.server.openReactor()
	if err != nil || !s.leave(p, h) {
		return false
	}
	k := &parked{server: s.server, web: web, stage: waiting}
	k.asked = &asked{session: s, poll: p, client: s.clientOf(r)}
	if len(w.Header()) > 0 {
		k.asked.header = w.Header().Clone()
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.stay(h)
		return false
	}
	k.conn, k.early = unwrap(c, rw.Reader)
	if k.conn == nil || !s.place(p, h, k, pollers) {
		_ = c.Close()
		s.polled(p, true)
		s.server.running.Done()
	}
	return true
}

// leave begins to take the connection from HTTP, unless there is an answer.
func (s *Session) leave(p *poll, h *held) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.leaving = s.poll == p
	return h.leaving
}

// stay is the end of a leave that has come to nothing.
func (s *Session) stay(h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.leaving = false
	if h.answeredLocked() {
		h.within(h.limit)
	}
}

// place makes the connection wait in the reactor, or answers what has been
// answered meanwhile.
func (s *Session) place(p *poll, h *held, k *parked, r *reactor.Reactor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.mu.Lock()
	err := r.Watch(&k.watch, k.conn, k)
	k.mu.Unlock()
	if err != nil {
		return false
	}
	p.replier = k
	if !h.answeredLocked() {
		k.await(s.idle())
		return true
	}
	if k.answer(h.frames, h.limit) && s.answering == p {
		s.answering = nil
		s.polledLocked()
	}
	return true
}

// parks reports whether the connection of r can be taken from HTTP and go on
// afterwards. A ResponseWriter that somebody has put around that of net/http is
// there to see the answer, so it does.
func parks(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.Close || r.ContentLength != 0 || r.TLS != nil || !isPlain(w) {
		return false
	}
	for _, name := range [...]string{"Connection", "Trailer", "Transfer-Encoding"} {
		if w.Header()[name] != nil {
			return false
		}
	}
	return true
}

// isPlain reports whether w is net/http's own and writes to a TCP connection
// that nobody has wrapped. That is asked of its fields, for there is no way
// back from a hijack; should they be called otherwise one day, polls are held.
func isPlain(w http.ResponseWriter) bool {
	v := reflect.ValueOf(w)
	for _, name := range [...]string{"conn", "rwc"} {
		if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct || v.Type().Elem().PkgPath() != "net/http" {
			return false
		}
		if v = v.Elem().FieldByName(name); !v.IsValid() {
			return false
		}
	}
	if v.Kind() != reflect.Interface || v.IsNil() {
		return false
	}
	t := v.Elem().Type()
	return t == reflect.TypeFor[*net.TCPConn]() || t == reflect.TypeFor[*pipelined]()
}

// A pipelined connection has bytes in front that were read too early.
type pipelined struct {
	*net.TCPConn
	early []byte // owned by Read
}

func (c *pipelined) Read(p []byte) (n int, err error) {
	if len(c.early) == 0 {
		return c.TCPConn.Read(p)
	}
	n = copy(p, c.early)
	c.early = c.early[n:]
	return n, nil
}

// unwrap is the TCP connection of c, nil if there is none, and what has been
// read of it already.
func unwrap(c net.Conn, r *bufio.Reader) (conn *net.TCPConn, early []byte) {
	p, _ := r.Peek(r.Buffered()) // there are as many
	switch c := c.(type) {
	case *net.TCPConn:
		return c, bytes.Clone(p)
	case *pipelined:
		return c.TCPConn, append(bytes.Clone(p), c.early...)
	default:
		return nil, nil
	}
}
