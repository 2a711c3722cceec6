package server_test

import (
	"net/http"
	"testing"

	"github.com/sb-stream/stream-server/server"
)

// Every way in asks where the page is from: script tags, which have no Origin,
// WebSockets, and clients of 0.9 too.
func TestOriginsOfEveryTransport(t *testing.T) {
	n := start(t, server.Config{Origins: []string{"https://app.example"}})
	const (
		webSocket = "/socket.io/?EIO=4&transport=websocket"
		jsonp     = "/socket.io/?EIO=3&transport=polling&j=0"
		legacy    = "/socket.io/1/?t=1"
		script    = "/socket.io/1/?jsonp=0"
	)
	for _, tt := range []struct {
		path, header, value string
		status              int
	}{
		{webSocket, "", "", http.StatusSwitchingProtocols},
		{webSocket, "Origin", "http://127.0.0.1:3000", http.StatusSwitchingProtocols},
		{webSocket, "Origin", "https://app.example", http.StatusSwitchingProtocols},
		{webSocket, "Origin", "https://foreign.example", http.StatusForbidden},
		{jsonp, "", "", http.StatusOK}, // a browser of JSONP's time
		{jsonp, "Sec-Fetch-Site", "same-origin", http.StatusOK},
		{jsonp, "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{jsonp, "Sec-Fetch-Site", "same-site", http.StatusForbidden},
		{legacy, "", "", http.StatusOK},
		{legacy, "Origin", "http://127.0.0.1:3000", http.StatusOK},
		{legacy, "Origin", "https://foreign.example", http.StatusForbidden},
		{script, "", "", http.StatusOK},
		{script, "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url+tt.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if tt.header != "" {
			req.Header.Set(tt.header, tt.value)
		}
		if tt.path == webSocket {
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "websocket")
			req.Header.Set("Sec-WebSocket-Version", "13")
			req.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("GET %s with %s %q = %d, want %d", tt.path, tt.header, tt.value, resp.StatusCode, tt.status)
		}
	}
}
