package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Where a client comes from is what a node has signed, and nothing that the
// client has said.
func TestPassedClient(t *testing.T) {
	d := &desk{}
	a, b := newPeer(t, d, clusterKey), newPeer(t, d, clusterKey)
	b.proxies = trustedProxies{}
	var got *http.Request
	next := b.fromNodes(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r }))
	for _, tt := range []struct {
		name, path, client string
		body               string
		status             int
		address            string
		secure             bool
	}{
		{"over TLS", "/socket.io/?EIO=4", "203.0.113.5:0 https", "", 200, "203.0.113.5", true},
		{"over IPv6", "/socket.io/?EIO=4", "[2001:db8::1]:0 http", "x", 200, "2001:db8::1", false},
		{"from nowhere", "/socket.io/?EIO=4", "- http", "x", 200, "invalid IP", false},
		{"of this machine, to what is not passed on", "/api/stats", "127.0.0.1:0 http", "", 403, "", false},
		{"as a call", "/node/echo", "127.0.0.1:0 http", "", 403, "", false},
	} {
		got = nil
		r := httptest.NewRequest(http.MethodPost, "http://node"+tt.path, strings.NewReader(tt.body))
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Other", "stays")
		r.Header.Set(headerClient, tt.client)
		a.cluster.book.seal.signRequest(r, a.node, b.node, []byte(tt.body))
		r.RequestURI = tt.path
		r.RemoteAddr = "127.0.0.1:1234" // of the node
		w := httptest.NewRecorder()
		next.ServeHTTP(w, r)
		if w.Code != tt.status || (got == nil) != (tt.status != 200) {
			t.Errorf("%s: %d", tt.name, w.Code)
		}
		if got == nil {
			continue
		}
		if address := b.address(got).String(); address != tt.address || b.secure(got) != tt.secure || got.Header.Get("X-Other") != "stays" || len(got.Header) != 1 {
			t.Errorf("%s: the client is %s, by TLS: %v, with %v; want %s, %v", tt.name, address, b.secure(got), got.Header, tt.address, tt.secure)
		}
		if body := make([]byte, 10); tt.body != "" {
			if n, _ := got.Body.Read(body); string(body[:n]) != tt.body {
				t.Errorf("%s: the body is %q", tt.name, body[:n])
			}
		}
	}
	// What a client says of itself stands in the signature of its node.
	for _, tt := range []struct{ remote, forwarded, want string }{
		{"203.0.113.5:77", "", "203.0.113.5:0 http"},
		{"203.0.113.5:77", "127.0.0.1", "203.0.113.5:0 http"},
		{"10.0.0.1:77", "203.0.113.5", "203.0.113.5:0 https"},
		{"@", "", "- http"},
	} {
		a.proxies = behind(t, "10.0.0.0/8").proxies
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.remote
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
			r.Header.Set("X-Forwarded-Proto", "https")
		}
		if got := a.clientText(r); got != tt.want {
			t.Errorf("a client from %s, for %s, is %q, want %q", tt.remote, tt.forwarded, got, tt.want)
		}
	}
}
