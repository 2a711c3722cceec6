package server_test

import (
	"net/http"
	"strings"
	"testing"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
)

func TestPublishByHTTP(t *testing.T) {
	n := start(t, server.Config{PublishKeys: []string{"old key", "key"}, MaxPublish: 64 << 10})
	a, b := n.open(t, client.Options{}), n.open(t, client.Options{})
	a.hear("x", "y")
	b.hear("x")
	for _, tt := range []struct {
		name, key, body string
		status          int
		answer          string // how it begins
	}{
		{"one", "key", `{"channel":"x","data":{"n":1}}`, 200, `{"channels":{"x":{"sessions":2}}}`},
		{"the older key", "old key", `{"channel":"x","data":"é"}`, 200, `{"channels":{"x":{"sessions":2}}}`},
		{"several channels", "key", `{"channels":["x","y"],"data":3}`, 200, `{"channels":{"x":{"sessions":2},"y":{"sessions":1}}}`},
		{"an array", "key", `[{"channel":"y","data":4},{"channel":"y","data":null}]`, 200, `{"channels":{"y":{"sessions":2}}}`},
		{"nobody there", "key", `{"channel":"z","data":1}`, 200, `{"channels":{"z":{"sessions":0}}}`},
		{"no key", "", `{"channel":"x","data":1}`, 401, `{"error":{"code":"forbidden"`},
		{"wrong key", "kez", `{"channel":"x","data":1}`, 401, `{"error":{"code":"forbidden"`},
		{"part of a key", "ke", `{"channel":"x","data":1}`, 401, `{"error":{"code":"forbidden"`},
		{"no JSON", "key", `goal`, 400, `{"error":{"code":"bad_request"`},
		{"empty", "key", ``, 400, `{"error":{"code":"bad_request"`},
		{"an empty array", "key", `[]`, 400, `{"error":{"code":"bad_request"`},
		{"no channel", "key", `{"data":1}`, 400, `{"error":{"code":"bad_request"`},
		{"no data", "key", `{"channel":"x"}`, 400, `{"error":{"code":"bad_request"`},
		{"bad channel", "key", `{"channel":"$gap","data":1}`, 400, `{"error":{"code":"bad_channel"`},
		{"bad among good", "key", `[{"channel":"x","data":1},{"channel":"a,b","data":1}]`, 400, `{"error":{"code":"bad_channel"`},
		{"too many", "key", "[" + strings.Repeat(`{"channel":"x","data":1},`, 1000) + `{"channel":"x","data":1}]`, 400, `{"error":{"code":"bad_request"`},
		{"too large", "key", `{"channel":"x","data":"` + strings.Repeat("x", 70<<10) + `"}`, 413, `{"error":{"code":"bad_request"`},
		{"a message too large", "key", `[{"channel":"x","data":"` + strings.Repeat("x", 64<<10-1) + `"}]`, 413, `{"error":{"code":"bad_request"`},
		{"too deep", "key", `{"channel":"x","data":` + strings.Repeat("[", 513) + strings.Repeat("]", 513) + `}`, 400, `{"error":{"code":"bad_request"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, answer := n.post(t, tt.key, tt.body)
			if status != tt.status || !strings.HasPrefix(answer, tt.answer) {
				t.Errorf("POST %.60s = %d %s, want %d %s…", tt.body, status, answer, tt.status, tt.answer)
			}
		})
	}
	// Nothing of what was refused arrived.
	for _, want := range [][2]string{{"x", `{"n":1}`}, {"x", `"é"`}, {"x", "3"}, {"y", "3"}, {"y", "4"}, {"y", "null"}} {
		a.want(want[0], want[1])
	}

	off := start(t, server.Config{})
	if status, answer := off.post(t, "key", `{"channel":"x","data":1}`); status != http.StatusForbidden {
		t.Errorf("without a key configured: %d %s, want 403", status, answer)
	}
}

// TestPublishType: a body is JSON, or nobody has said what it is.
func TestPublishType(t *testing.T) {
	n := start(t, server.Config{PublishKeys: []string{"key"}})
	for _, tt := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"JSON", http.Header{"Content-Type": {"application/json"}}, 200},
		{"with a charset", http.Header{"Content-Type": {"Application/JSON; charset=utf-8"}}, 200},
		{"not said", http.Header{}, 200},
		{"not encoded", http.Header{"Content-Encoding": {"identity"}}, 200},
		{"form", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 415},
		{"text", http.Header{"Content-Type": {"text/plain;charset=UTF-8"}}, 415},
		{"no type", http.Header{"Content-Type": {";"}}, 415},
		{"compressed", http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}}, 415},
		{"two keys", http.Header{"Authorization": {"Bearer key", "Bearer other"}}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodPost, n.url+"/api/publish", strings.NewReader(`{"channel":"x","data":1}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header = tt.header.Clone()
			if req.Header.Get("Authorization") == "" {
				req.Header.Set("Authorization", "Bearer key")
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("POST with %v = %d, want %d", tt.header, resp.StatusCode, tt.status)
			}
		})
	}
}

func TestHTTP(t *testing.T) {
	n := start(t, server.Config{Version: "v9", OperatorKeys: []string{"operator"}})
	for _, tt := range []struct {
		path   string
		status int
		header string
		value  string
	}{
		{"/", 200, "Content-Type", "text/html; charset=utf-8"},
		{"/console/page.js", 200, "Content-Type", "text/javascript; charset=utf-8"},
		{"/console/page.css", 200, "X-Content-Type-Options", "nosniff"},
		{"/sb.js", 200, "Access-Control-Allow-Origin", "*"},
		{"/sb.mjs", 200, "Content-Type", "text/javascript; charset=utf-8"},
		{"/sb.js.map", 200, "Content-Type", "application/json"},
		{"/sb.mjs.map", 200, "Content-Type", "application/json"},
		{"/healthz", 200, "", ""},
		{"/readyz", 200, "", ""},
		{"/metrics", 200, "", ""},
		{"/nothing", 404, "", ""},
		{"/socket.io", 404, "", ""},
		{"/api/stats", 401, "WWW-Authenticate", "Bearer"},
		{"/" + strings.Repeat("x", 9000), 414, "", ""},
	} {
		status, header := n.get(tt.path)
		if status != tt.status || tt.header != "" && header.Get(tt.header) != tt.value {
			t.Errorf("GET %.20s = %d %v, want %d with %s: %s", tt.path, status, header, tt.status, tt.header, tt.value)
		}
	}
	for _, path := range []string{"/sb.js", "/"} {
		_, header := n.get(path)
		tag := header.Get("ETag")
		req, err := http.NewRequest(http.MethodGet, n.url+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-None-Match", tag)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if tag == "" || resp.StatusCode != http.StatusNotModified {
			t.Errorf("GET %s with its ETag %q = %d, want 304", path, tag, resp.StatusCode)
		}
	}
}

// A page may come from the server's own host, on any port, and from listed
// origins; others are refused before a session is made.
func TestOrigins(t *testing.T) {
	listed := start(t, server.Config{Origins: []string{"https://app.example"}})
	anybody := start(t, server.Config{Origins: []string{"*"}})
	for _, tt := range []struct {
		n           *node
		origin      string
		status      int
		allow       string
		credentials string
	}{
		{listed, "", 200, "", ""},
		{listed, "http://127.0.0.1:3000", 200, "http://127.0.0.1:3000", "true"},
		{listed, "https://127.0.0.1", 200, "https://127.0.0.1", "true"},
		{listed, "https://app.example", 200, "https://app.example", "true"},
		{listed, "http://app.example", 403, "", ""},
		{listed, "https://app.example.evil.example", 403, "", ""},
		{listed, "http://127.0.0.1.evil.example", 403, "", ""},
		{listed, "http://user@127.0.0.1", 403, "", ""},
		{listed, "null", 403, "", ""},
		{listed, "*", 403, "", ""},
		{anybody, "https://foreign.example", 200, "*", ""},
		{anybody, "http://127.0.0.1:3000", 200, "http://127.0.0.1:3000", "true"},
	} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			req, err := http.NewRequest(method, tt.n.url+"/socket.io/?EIO=4&transport=polling", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.status
			if tt.origin != "" {
				req.Header.Set("Origin", tt.origin)
			}
			if method == http.MethodOptions {
				if tt.origin == "" {
					continue
				}
				req.Header.Set("Access-Control-Request-Headers", "x-test")
				if want == http.StatusOK {
					want = http.StatusNoContent
				}
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			h := resp.Header
			if resp.StatusCode != want || h.Get("Access-Control-Allow-Origin") != tt.allow ||
				h.Get("Access-Control-Allow-Credentials") != tt.credentials {
				t.Errorf("%s from %q = %d %v, want %d, origin %q, credentials %q",
					method, tt.origin, resp.StatusCode, h, want, tt.allow, tt.credentials)
			}
		}
	}
}
