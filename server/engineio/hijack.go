package engineio

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"github.com/sb-stream/stream-server/server/reactor"
)

// helloTimeout is how long a client may take to accept the answer to an upgrade
// that fails.
const helloTimeout = 10 * time.Second

// openSocket takes the connection of an upgrade and returns its socket, the
// answer to write first, and what the client sent after the request; or nil if
// the request was no good, which the client has been told. The caller starts the
// socket.
func (s *Server) openSocket(w http.ResponseWriter, r *http.Request, session *Session) (k *socket, hello, early []byte) {
	k = session.newSocket()
	var extension *wsflate.Extension
	if s.opts.Compress {
		extension = negotiation()
	}
	if k.conn, hello, early = s.hijack(w, r, k, extension); k.conn == nil {
		return nil, nil, nil
	}
	if extension != nil {
		_, k.frames.deflates = extension.Accepted()
	}
	return k, hello, early
}

// hijack takes the connection of r from HTTP. The Conn is nil if there is none.
func (s *Server) hijack(
	w http.ResponseWriter, r *http.Request, h reactor.Handler, e *wsflate.Extension,
) (conn reactor.Conn, hello, early []byte) {
	if !r.ProtoAtLeast(1, 1) { // RFC 6455, 4.1
		s.refuse(w, r, errBadRequest)
		return nil, nil, nil
	}
	if !s.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil, nil, nil
	}
	upgrader := ws.HTTPUpgrader{Header: w.Header()}
	if e != nil {
		upgrader.Negotiate = func(o httphead.Option) (httphead.Option, error) { return offer(e, o) }
	}
	answer := upgradeAnswers.Get().(*upgradeAnswer)
	defer upgradeAnswers.Put(answer)
	answer.reset(w)
	c, rw, _, err := upgrader.Upgrade(r, answer)
	if err == nil {
		p, _ := rw.Peek(rw.Reader.Buffered()) // there are as many
		early = bytes.Clone(p)
		conn, err = s.own(c, h) // it fails when descriptors have run out
	}
	if err != nil {
		if c != nil {
			_ = c.SetWriteDeadline(time.Now().Add(helloTimeout))
			_, _ = c.Write(answer.hello.Bytes()) // the client is told, if it can be
			_ = c.Close()
		}
		s.running.Done()
		return nil, nil, nil
	}
	hello = make([]byte, 0, answer.hello.Len()+openRoom)
	return conn, append(hello, answer.hello.Bytes()...), early
}

// openRoom is for the first packet, which goes out with the answer.
const openRoom = 192

// An upgradeAnswer is a ResponseWriter that keeps what is written after Hijack, so that
// it can go out with what follows it.
type upgradeAnswer struct {
	http.ResponseWriter

	hello bytes.Buffer
	out   *bufio.Writer // to hello
}

var upgradeAnswers = sync.Pool{New: func() any {
	a := &upgradeAnswer{}
	a.out = bufio.NewWriterSize(&a.hello, 512)
	return a
}}

func (a *upgradeAnswer) reset(w http.ResponseWriter) {
	a.ResponseWriter = w
	a.hello.Reset()
	a.out.Reset(&a.hello)
}

// Hijack is that of the ResponseWriter, but for the writer.
func (a *upgradeAnswer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return c, bufio.NewReadWriter(rw.Reader, a.out), nil
}

// dismiss accepts an upgrade of a request that is not for a WebSocket, and
// closes it (PROTOCOL.md 2.4).
func (s *Server) dismiss(w http.ResponseWriter, r *http.Request) {
	if conn, hello, _ := s.hijack(w, r, dismissed{s}, nil); conn != nil {
		conn.Close(append(hello, statusless...))
		conn.Start(nil)
	}
}

type dismissed struct{ server *Server }

func (dismissed) Read([]byte)    {}
func (dismissed) Writable()      {}
func (d dismissed) Closed(error) { d.server.running.Done() }
