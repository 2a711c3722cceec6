package engineio

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A pipeListener is a network in memory, for tests in which time is not real.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return addr("memory") }

func (l *pipeListener) dial() (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// A timed is an app in a bubble of synctest.
type timed struct {
	*app
	t      *testing.T
	l      *pipeListener
	client *http.Client
	start  time.Time
}

// inTime runs f in a bubble, with an app that is closed after it. The HTTP
// server's own limit for answers is shorter than polls may take, which must not
// end them.
func inTime(t *testing.T, opts Options, f func(x *timed)) {
	t.Helper()
	inTimeWith(t, opts, 100*time.Millisecond, f)
}

// inTimeWith has another limit; 0 is none.
func inTimeWith(t *testing.T, opts Options, limit time.Duration, f func(x *timed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		x := &timed{
			app:   &app{reasons: make(map[string]string)},
			t:     t,
			l:     &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})},
			start: time.Now(),
		}
		x.Server = NewServer(&opts, x.accept(t))
		transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return x.l.dial()
		}}
		x.client = &http.Client{Transport: transport}
		x.url = "http://memory/?"
		web := &http.Server{Handler: x.Server, WriteTimeout: limit}
		go func() { _ = web.Serve(x.l) }() // ends with web.Close
		f(x)
		x.Close()
		transport.CloseIdleConnections()
		web.Close()
		x.checkEmpty(t)
	})
}

func (x *timed) do(method, url, body string) answer {
	return doWith(x.client, method, url, "text/plain", body)
}

func (x *timed) dial(url string) *wsClient {
	x.t.Helper()
	conn, err := x.l.dial()
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { conn.Close() })
	return handshake(x.t, conn, url[len("http://memory"):], "")
}

// at checks how long it is since the start.
func (x *timed) at(want time.Duration) {
	x.t.Helper()
	if got := time.Since(x.start); got != want {
		x.t.Errorf("it is %v after the start, want %v", got, want)
	}
}

// until passes time.
func (x *timed) until(d time.Duration) { <-time.After(d - time.Since(x.start)) }

// raw sends a request and is what comes back until the server closes.
func (x *timed) raw(request string) string {
	x.t.Helper()
	conn, err := x.l.dial()
	if err != nil {
		x.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		x.t.Fatal(err)
	}
	p, err := io.ReadAll(conn)
	if err != nil {
		x.t.Fatal(err)
	}
	return string(p)
}
