package engineio

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"reflect"

	"github.com/sb-stream/stream-server/server/reactor"
)

// A GET that waits costs net/http two goroutines and 8 KB of buffers, and a
// connection between two requests one goroutine and as much. With epoll the
// connections of handshakes, polls and POSTs are taken from HTTP and wait in the
// reactor, until the next request, which their http.Server reads as the first of a
// new connection. TLS, HTTP/2 and whatever else cannot be taken so is held.

// park takes the connection of a poll from HTTP. It is false if that cannot be:
// then nothing has changed.
func (s *Session) park(p *poll, h *held, w http.ResponseWriter, r *http.Request) bool {
	web, pollers := s.server.placeFor(w, r)
	if web == nil || r.ContentLength != 0 {
		return false
	}
	k := &parked{server: s.server, web: web, stage: waiting}
	k.asked = &asked{session: s, poll: p, client: s.clientOf(r)}
	if len(w.Header()) > 0 {
		k.asked.header = w.Header().Clone()
	}
	s.leaving(h, true)
	c, err := k.take(w)
	if err != nil {
		s.leaving(h, false)
		return false
	}
	if !s.wait(p, h, k, pollers) {
		_ = c.Close()
		s.polled(p, true)
		s.server.running.Done()
	}
	return true
}

// leaving begins to take the connection from HTTP, or has failed to.
func (s *Session) leaving(h *held, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h.leaving = is
	if !is && h.answeredLocked() {
		h.within(h.limit)
	}
}

// wait makes the poll wait in the reactor, or answers what has been answered
// before. It is false if that cannot be.
func (s *Session) wait(p *poll, h *held, k *parked, pollers *reactor.Reactor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !k.enter(pollers) {
		return false
	}
	p.replier = k
	if !h.answeredLocked() {
		k.await(s.idle())
		return true
	}
	if k.answer(h.frames, h.limit) {
		if s.answering == p {
			s.answering = nil
		}
		s.polledLocked()
	}
	return true
}

// parkAnswered answers a request, of whose body nothing is unread, and takes
// its connection from HTTP. After the first answer of a session the next request
// has to come soon. It is false if that cannot be: then nothing has changed.
func (s *Server) parkAnswered(
	w http.ResponseWriter, r *http.Request, status int, contentType string, body []byte, first bool,
) bool {
	web, pollers := s.placeFor(w, r)
	if web == nil || !s.enter() {
		return false
	}
	k := &parked{server: s, web: web, stage: answering, first: first}
	c, err := k.take(w)
	if err != nil {
		s.running.Done()
		return false
	}
	if !k.enter(pollers) {
		_ = c.Close()
		s.running.Done()
		return true
	}
	h := w.Header()
	setBodyHeader(h, contentType, body)
	buf := getBody()
	defer putBody(buf)
	s.writeHead(buf, status, h)
	buf.Write(body)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stage == answering && !k.sendLocked(buf.Bytes()) {
		k.waitLocked(s.opts.BodyTimeout)
	}
	return true
}

// placeFor is what the connection of r belongs to and where it may wait; nil if
// it has to stay.
func (s *Server) placeFor(w http.ResponseWriter, r *http.Request) (*http.Server, *reactor.Reactor) {
	if s.opts.Sockets != SocketsEpoll || !parks(w, r) {
		return nil, nil
	}
	web, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil, nil
	}
	pollers, err := s.openReactor()
	if err != nil {
		return nil, nil
	}
	return web, pollers
}

// take takes the connection of w.
func (k *parked) take(w http.ResponseWriter) (net.Conn, error) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, err
	}
	k.conn, k.early = unwrap(c, rw.Reader)
	return c, nil
}

// enter makes the connection wait in the reactor.
func (k *parked) enter(pollers *reactor.Reactor) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.conn != nil && pollers.Watch(&k.watch, k.conn, k) == nil
}

// parks reports whether the connection of r can be taken from HTTP and go on
// afterwards. A ResponseWriter that somebody has put around that of net/http is
// there to see the answer, so it does.
func parks(w http.ResponseWriter, r *http.Request) bool {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.Close || r.TLS != nil || !isPlain(w) {
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
