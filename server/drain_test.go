package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/server"
)

// A lastListener has one more connection for who accepts when it is closed, a
// while later.
type lastListener struct {
	net.Listener
	close  sync.Once
	closed chan struct{}
	last   chan net.Conn // holds it; closed when there is none any more
}

func (l *lastListener) Accept() (net.Conn, error) {
	if c, err := l.Listener.Accept(); err == nil {
		return c, nil
	}
	<-l.closed
	<-time.After(50 * time.Millisecond)
	if c := <-l.last; c != nil {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *lastListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// A connection that is just being accepted when the server ends is served: when
// another process has taken over, nobody else has it.
func TestLastConnection(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	theirs, err := tcp.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l := &lastListener{Listener: tcp, closed: make(chan struct{}), last: make(chan net.Conn, 1)}
	l.last <- theirs
	close(l.last)
	n := startOn(t, server.Config{}, l)
	ended := make(chan struct{})
	go func() { // ends with the server
		defer close(ended)
		n.stop()
	}()
	<-l.closed
	select {
	case <-ended:
		t.Error("the server has ended, and the connection was not served")
	case <-time.After(100 * time.Millisecond):
	}
	if _, err := io.WriteString(client, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("it was answered %d, want 200", answer.StatusCode)
	}
	<-ended
}
