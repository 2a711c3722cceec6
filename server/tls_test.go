package server_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/engineio"
)

// withTLS is a certificate of 127.0.0.1, which clients of the harness trust.
func withTLS(t *testing.T) *tls.Config {
	t.Helper()
	ts := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer ts.Close()
	certificate := ts.TLS.Certificates[0]
	certificate.Leaf = ts.Certificate()
	return &tls.Config{Certificates: []tls.Certificate{certificate}}
}

// text asks for a path and returns the body.
func (n *node) text(t *testing.T, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, n.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := n.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s = %d %s, %v, want 200", method, path, resp.StatusCode, answer, err)
	}
	return string(answer)
}

// Over TLS no socket can be taken to pieces, as epoll does: WebSockets have
// goroutines, and polls are held. It looks the same to clients.
func TestTLS(t *testing.T) {
	for _, sockets := range []string{engineio.SocketsEpoll, engineio.SocketsGoroutine} {
		t.Run(sockets, func(t *testing.T) {
			n := start(t, server.Config{TLS: withTLS(t), Sockets: sockets})
			b := n.open(t, client.Options{})
			b.hear("x")

			const path = "/socket.io/?EIO=4&transport=polling"
			hello := n.text(t, http.MethodGet, path, "")
			_, sid, _ := strings.Cut(hello, `"sid":"`)
			sid, _, _ = strings.Cut(sid, `"`)
			poll := path + "&sid=" + sid
			n.text(t, http.MethodPost, poll, "40")
			n.text(t, http.MethodPost, poll, `420["subscribe","x"]`)
			heard := n.text(t, http.MethodGet, poll, "")
			for !strings.Contains(heard, `430[{"ok":true`) {
				heard += n.text(t, http.MethodGet, poll, "")
			}
			// Twice, because a connection that has waited is used again.
			for i := range 2 {
				answer := make(chan string, 1)
				go func() { answer <- n.text(t, http.MethodGet, poll, "") }() // ends with the answer
				want := fmt.Sprintf("it arrives %d", i)
				if got := redisPublish(t, n.broker, "sb:x", want); got != 2 {
					t.Errorf("PUBLISH = %d, want 2", got)
				}
				b.want("x", `"`+want+`"`)
				if got := <-answer; !strings.Contains(got, want) {
					t.Errorf("the poll brought %q, want %q in it", got, want)
				}
			}
			long := strings.Repeat("x", 900_000) // takes more than one record, and more than one send
			redisPublish(t, n.broker, "sb:x", long)
			b.want("x", `"`+long+`"`)
		})
	}
}

func TestVersionsOfTLS(t *testing.T) {
	n := start(t, server.Config{TLS: withTLS(t)})
	resp, err := n.http.Get(n.url + "/healthz") // by a client that would like HTTP/2
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.ProtoMajor != 1 || resp.TLS.NegotiatedProtocol != "http/1.1" {
		t.Errorf("GET over TLS = %s, %q, want HTTP/1.1 as both chose", resp.Proto, resp.TLS.NegotiatedProtocol)
	}
	addr := strings.TrimPrefix(n.url, "https://")
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		config := n.tls.Clone()
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, version
		c, err := tls.Dial("tcp", addr, config)
		if (err == nil) != want {
			t.Errorf("a client of at most %s: %v, want it let in: %v", tls.VersionName(version), err, want)
		}
		if err == nil {
			c.Close()
		}
	}
	plain, err := http.Get("http://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Body.Close()
	if body, _ := io.ReadAll(plain.Body); plain.StatusCode != http.StatusBadRequest || !bytes.Contains(body, []byte("HTTPS")) {
		t.Errorf("GET without TLS = %d %s, want 400 and why", plain.StatusCode, body)
	}
}
