package server

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A pipeListener has a connection in memory for each client.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (*pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// A request has 10 s for its header, after 10 s for the handshake of TLS, and
// 15 s for all of its body, however steadily it trickles, and whether anybody
// reads it or not (RELIABILITY.md section 2).
func TestDeadlines(t *testing.T) {
	ts := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	ts.Close()
	secure := &tls.Config{Certificates: ts.TLS.Certificates}
	trusting := &tls.Config{InsecureSkipVerify: true}
	const body = "Host: localhost\r\nContent-Length: 5000\r\n\r\n"
	for _, tt := range []struct {
		name   string
		config Config
		client *tls.Config // makes the handshake before anything is sent
		say    string      // at once
		byByte bool        // and then a byte a second
		want   time.Duration
	}{
		{"silence", Config{}, nil, "", false, headerTimeout},
		{"half a header", Config{}, nil, "GET / HTTP/1.1\r\nHost: x\r\n", false, headerTimeout},
		{"a slow header", Config{}, nil, "GET / HTTP/1.1\r\nX: ", true, headerTimeout},
		{"silence for TLS", Config{TLS: secure}, nil, "", false, headerTimeout},
		{"half a handshake", Config{TLS: secure}, nil, "\x16\x03\x01\x02\x00\x01", false, headerTimeout},
		{"a slow handshake", Config{TLS: secure}, nil, "\x16\x03\x01\x02\x00\x01", true, headerTimeout},
		{"silence after the handshake", Config{TLS: secure}, trusting, "", false, headerTimeout},
		{"a slow header over TLS", Config{TLS: secure}, trusting, "GET / HTTP/1.1\r\nX: ", true, headerTimeout},
		{"a slow publish", Config{PublishKeys: []string{"key"}}, nil, "POST /api/publish HTTP/1.1\r\nAuthorization: Bearer key\r\n" + body, true, bodyTimeout},
		{"over TLS", Config{TLS: secure, PublishKeys: []string{"key"}}, trusting, "POST /api/publish HTTP/1.1\r\nAuthorization: Bearer key\r\n" + body, true, bodyTimeout},
		{"a body that stops", Config{PublishKeys: []string{"key"}}, nil, "POST /api/publish HTTP/1.1\r\nAuthorization: Bearer key\r\n" + body, false, bodyTimeout},
		{"of a stranger", Config{}, nil, "POST /api/publish HTTP/1.1\r\n" + body, true, bodyTimeout},
		{"of a GET", Config{}, nil, "GET /healthz HTTP/1.1\r\n" + body, true, bodyTimeout},
		{"in chunks", Config{}, nil, "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n", true, bodyTimeout},
		{"of a handshake", Config{}, nil, "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n" + body, true, bodyTimeout},
		{"of a foreign page", Config{}, nil, "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nOrigin: https://foreign.example\r\n" + body, true, bodyTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, _ := logTo()
				tt.config.Broker, tt.config.Log, tt.config.Canary = &always{}, log, -1
				s, err := New(tt.config)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
				served := make(chan error, 1)
				go func() { served <- s.Serve(ctx, l) }() // ends with ctx
				client, conn := net.Pipe()
				defer client.Close()
				l.conns <- conn
				if tt.client != nil {
					secured := tls.Client(client, tt.client)
					if err := secured.Handshake(); err != nil {
						t.Fatal(err)
					}
					client = secured
				}
				began := time.Now()
				var writer sync.WaitGroup
				writer.Go(func() { // ends with the connection
					_, err := io.WriteString(client, tt.say)
					for tt.byByte && err == nil {
						time.Sleep(time.Second)
						_, err = io.WriteString(client, "x")
					}
				})
				answer, _ := io.ReadAll(client) // until it is closed
				// After an answer to half a request, net/http waits for a moment.
				if took := time.Since(began); took < tt.want || took > tt.want+time.Second {
					t.Errorf("the connection was closed after %v with %.30q, want %v", took, answer, tt.want)
				}
				if strings.Contains(string(answer), " 200 ") && !strings.HasPrefix(tt.say, "GET /healthz") {
					t.Errorf("the answer is %.30q, want none, or an error", answer)
				}
				_ = client.Close()
				writer.Wait()
				cancel()
				if err := <-served; err != nil {
					t.Errorf("Serve = %v, want nil", err)
				}
			})
		})
	}
}
