package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server"
)

// Nonsense is refused with its code, whatever it is.
func TestOperatorsNonsense(t *testing.T) {
	n := startLone(t)
	bad := []string{
		"", " ", "null", "[]", "7", `"x"`, "{", "{}", "}", "goal!", "\x00", "\xff\xfe", `{"session":""}`, `{"session":7}`, `{"session":null}`,
		`{"session":["a"]}`, `{"session":"a","member":"b"}`, `{"session":"a"}{"session":"b"}`, `{"session":"a"} x`, `{"sesion":"a"}`,
		`{"session":"a","x":1}`, strings.Repeat("[", 10_000), `{"session":` + strings.Repeat("[", 12_000),
	}
	for _, body := range append(bad, `{"session":"a","channel":"x"}`) {
		if status, answer := n.operate(t, "POST", "/api/disconnect", body); status != 400 || !strings.HasPrefix(answer, `{"error":{"code":"bad_request"`) {
			t.Errorf("POST /api/disconnect %.40q = %d %s, want 400 bad_request", body, status, answer)
		}
	}
	for _, body := range bad {
		if status, answer := n.operate(t, "POST", "/api/unsubscribe", body); status != 400 || !strings.HasPrefix(answer, `{"error":{"code":"bad_`) {
			t.Errorf("POST /api/unsubscribe %.40q = %d %s, want 400", body, status, answer)
		}
	}
	for _, tt := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"POST", "/api/unsubscribe", `{"session":"a"}`, 400, "bad_channel"},
		{"POST", "/api/unsubscribe", `{"session":"a","channel":"$session"}`, 400, "bad_channel"},
		{"POST", "/api/unsubscribe", `{"session":"a","channel":"a,b"}`, 400, "bad_channel"},
		{"POST", "/api/unsubscribe", `{"session":"a","channel":7}`, 400, "bad_request"},
		{"POST", "/api/disconnect", `{"session":"` + strings.Repeat("x", 16<<10) + `"}`, 413, "bad_request"},
		{"GET", "/api/channels?limit=0", "", 400, "bad_request"},
		{"GET", "/api/channels?limit=-1", "", 400, "bad_request"},
		{"GET", "/api/channels?limit=1001", "", 400, "bad_request"},
		{"GET", "/api/channels?limit=", "", 400, "bad_request"},
		{"GET", "/api/channels?limit=9999999999999999999", "", 400, "bad_request"},
		{"GET", "/api/channels?limit=1;after=b", "", 400, "bad_request"},
		{"GET", "/api/channels?after=%zz", "", 400, "bad_request"},
		{"GET", "/api/channels?after=%ff", "", 400, "bad_request"},
		{"GET", "/api/channels?prefix=" + strings.Repeat("x", 256), "", 400, "bad_request"},
		{"GET", "/api/channels/%24nodes", "", 400, "bad_channel"},
		{"GET", "/api/channels/%ff", "", 400, "bad_channel"},
		{"GET", "/api/channels/%00", "", 400, "bad_channel"},
		{"GET", "/api/channels/" + strings.Repeat("x", 256), "", 400, "bad_channel"},
		{"GET", "/api/members/%ff", "", 400, "bad_request"},
		{"GET", "/api/members/m?limit=x", "", 400, "bad_request"},
		{"GET", "/api/members/m?prefix=x", "", 400, "bad_request"},
	} {
		if status, answer := n.operate(t, tt.method, tt.path, tt.body); status != tt.status || !strings.HasPrefix(answer, `{"error":{"code":"`+tt.code+`"`) {
			t.Errorf("%s %.60s %.60s = %d %s, want %d %s", tt.method, tt.path, tt.body, status, answer, tt.status, tt.code)
		}
	}
}

// Who may operate: who has the key or, where there is none, who is on this
// machine and is no page of somebody else's.
func TestOperatorsOnly(t *testing.T) {
	open := start(t, server.Config{})
	keyed := start(t, server.Config{OperatorKeys: []string{"old", "key"}})
	with := func(h ...string) []string { return append([]string{"Authorization", "Bearer key"}, h...) }
	port := strings.TrimPrefix(open.url, "http://127.0.0.1:")
	for _, tt := range []struct {
		name    string
		n       *node
		headers []string
		get     int // status of GET
		post    int // status of POST of nobody's session
	}{
		{"on this machine", open, nil, 200, 404},
		{"by name", open, []string{"Host", "localhost:" + port}, 200, 404},
		{"by the other name", open, []string{"Host", "LOCALHOST"}, 200, 404},
		{"by version 6", open, []string{"Host", "[::1]:" + port}, 200, 404},
		{"by a name that somebody else owns", open, []string{"Host", "evil.example:" + port}, 403, 403},
		{"by a name like ours", open, []string{"Host", "localhost.evil.example"}, 403, 403},
		{"by an address that is not ours alone", open, []string{"Host", "10.0.0.1"}, 403, 403},
		{"through a proxy", open, []string{"X-Forwarded-For", "127.0.0.1"}, 403, 403},
		{"our own page", open, []string{"Origin", open.url, "Sec-Fetch-Site", "same-origin"}, 200, 404},
		{"typed", open, []string{"Sec-Fetch-Site", "none"}, 200, 404},
		{"another page", open, []string{"Origin", "https://evil.example"}, 403, 403},
		{"another page of this machine", open, []string{"Origin", "http://127.0.0.1:1"}, 403, 403},
		{"a file", open, []string{"Origin", "null"}, 403, 403},
		{"a link of another page", open, []string{"Sec-Fetch-Site", "cross-site"}, 403, 403},
		{"a link of a neighbour", open, []string{"Sec-Fetch-Site", "same-site"}, 403, 403},
		{"a page that has rebound its name", open, []string{"Host", "evil.example:1", "Origin", "http://evil.example:1"}, 403, 403},
		{"a form", open, []string{"Content-Type", "text/plain"}, 200, 415},
		{"another form", open, []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, 415},
		{"no type", open, []string{"Content-Type", ""}, 200, 415},
		{"two types", open, []string{"Content-Type", "text/plain; application/json"}, 200, 415},
		{"a type with its charset", open, []string{"Content-Type", "Application/JSON; charset=utf-8"}, 200, 404},

		{"with the key", keyed, with(), 200, 404},
		{"with the older key", keyed, []string{"Authorization", "Bearer old"}, 200, 404},
		{"with the key, from elsewhere", keyed, with("Host", "stream.example", "X-Forwarded-For", "10.0.0.1"), 200, 404},
		{"with the key, from another page", keyed, with("Origin", "https://evil.example"), 403, 403},
		{"without a key", keyed, nil, 401, 401},
		{"with another key", keyed, []string{"Authorization", "Bearer kez"}, 401, 401},
		{"without a key, by a form", keyed, []string{"Content-Type", "text/plain"}, 401, 401},
	} {
		for _, path := range []string{"/api/info", "/api/stats", "/api/channels"} {
			if status, answer := tt.n.operate(t, "GET", path, "", tt.headers...); status != tt.get {
				t.Errorf("%s: GET %s = %d %s, want %d", tt.name, path, status, answer, tt.get)
			}
		}
		for _, path := range []string{"/api/channels/x", "/api/members/x"} {
			want := tt.get
			if want == 200 {
				want = 404
			}
			if status, answer := tt.n.operate(t, "GET", path, "", tt.headers...); status != want {
				t.Errorf("%s: GET %s = %d %s, want %d", tt.name, path, status, answer, want)
			}
		}
		for path, body := range map[string]string{"/api/disconnect": `{"session":"x"}`, "/api/unsubscribe": `{"session":"x","channel":"y"}`} {
			if status, answer := tt.n.operate(t, "POST", path, body, tt.headers...); status != tt.post {
				t.Errorf("%s: POST %s = %d %s, want %d", tt.name, path, status, answer, tt.post)
			}
		}
	}
	// Browsers ask before they send JSON to another origin, and are not let.
	req, err := http.NewRequest(http.MethodOptions, open.url+"/api/disconnect", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "http://evil.example")
	req.Header.Set("Access-Control-Request-Method", "POST")
	req.Header.Set("Access-Control-Request-Headers", "content-type")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode < 400 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("OPTIONS = %d %v, want that it is refused", resp.StatusCode, resp.Header)
	}
}
