package engineio

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/engineio/transport"
	pollingtransport "github.com/sb-stream/stream-server/server/engineio/transport/polling"
	websockettransport "github.com/sb-stream/stream-server/server/engineio/transport/websocket"
)

// both are the transports with one check.
func both(check func(*http.Request) bool) []transport.Transport {
	return []transport.Transport{
		&pollingtransport.Transport{CheckOrigin: check},
		&websockettransport.Transport{CheckOrigin: check},
	}
}

// allowApp lets in one origin and who has none.
func allowApp(r *http.Request) bool {
	return r.Header.Get("Origin") == "" || r.Header.Get("Origin") == "http://app.example"
}

// upgradeWith asks for a WebSocket and returns the answer's first line and all
// that came. The host is "x".
func (a *app) upgradeWith(t *testing.T, query, header string) (status, all string) {
	t.Helper()
	conn := a.rawClient(t, upgradeRequest("/?"+query, header))
	p := make([]byte, 4096)
	n, err := io.ReadAtLeast(conn, p, 100)
	if err != nil {
		t.Fatal(err)
	}
	all = string(p[:n])
	status, _, _ = strings.Cut(all, "\r\n")
	return status, all
}

// TestOrigins asks for everything that there is from pages of all kinds.
func TestOrigins(t *testing.T) {
	for _, tt := range []struct {
		name   string
		check  func(*http.Request) bool
		header http.Header // H stands for the server's host and port
		ok     bool
	}{
		{"no origin", nil, http.Header{}, true},
		{"own", nil, http.Header{"Origin": {"http://H"}}, true},
		{"own, by TLS before the server", nil, http.Header{"Origin": {"https://H"}}, true},
		{"another host", nil, http.Header{"Origin": {"http://app.example"}}, false},
		{"another port", nil, http.Header{"Origin": {"http://127.0.0.1:1"}}, false},
		{"no port", nil, http.Header{"Origin": {"http://127.0.0.1"}}, false},
		{"own as a part", nil, http.Header{"Origin": {"http://H.app.example"}}, false},
		{"own as a user", nil, http.Header{"Origin": {"http://H@app.example"}}, false},
		{"null", nil, http.Header{"Origin": {"null"}}, false},
		{"no URL", nil, http.Header{"Origin": {"http://%zz"}}, false},
		{"script of another site", nil, http.Header{"Sec-Fetch-Site": {"cross-site"}}, false},
		{"script of another port", nil, http.Header{"Sec-Fetch-Site": {"same-site"}}, false},
		{"script of the page", nil, http.Header{"Sec-Fetch-Site": {"same-origin"}}, true},
		{"typed in", nil, http.Header{"Sec-Fetch-Site": {"none"}}, true},
		{"allowed", allowApp, http.Header{"Origin": {"http://app.example"}}, true},
		{"not allowed", allowApp, http.Header{"Origin": {"http://H"}}, false},
		{"no origin, allowed", allowApp, http.Header{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, &Options{Transports: both(tt.check)})
			host := strings.TrimSuffix(strings.TrimPrefix(a.url, "http://"), "/?")
			header := tt.header.Clone()
			var raw strings.Builder
			raw.WriteString("Host: " + host + "\r\n")
			for name, values := range header {
				values[0] = strings.ReplaceAll(values[0], "H", host)
				raw.WriteString(name + ": " + values[0] + "\r\n")
			}
			url, s := a.open(t, packet.V4)
			for _, q := range []struct{ what, method, url string }{
				{"handshake", "GET", a.url + "EIO=4&transport=polling"},
				{"JSONP", "GET", a.url + "EIO=4&transport=polling&j=0"},
				{"poll", "GET", url},
				{"POST", "POST", url},
			} {
				s.Send(TextFrame(packet.V4, []byte("x")))
				got := withHeader(q.method, q.url, header.Clone())
				forbidden := got.status == 403 && got.body == `{"code":4,"message":"Forbidden"}`
				if ok := got.status == 200; ok != tt.ok || forbidden == tt.ok || got.err != nil {
					t.Errorf("%s = %d %q, %v; want it let in is %v", q.what, got.status, got.body, got.err, tt.ok)
				}
			}
			for _, query := range []string{"EIO=4&transport=websocket", "EIO=4&transport=websocket&sid=" + s.ID()} {
				a.checkUpgrade(t, query, raw.String(), tt.ok)
			}
		})
	}
}

// checkUpgrade asks with a Host of its own.
func (a *app) checkUpgrade(t *testing.T, query, header string, ok bool) {
	t.Helper()
	request := strings.Replace(upgradeRequest("/?"+query, header), "Host: x\r\n", "", 1)
	conn := a.rawClient(t, request)
	p := make([]byte, 12)
	if _, err := io.ReadFull(conn, p); err != nil {
		t.Fatal(err)
	}
	want := "HTTP/1.1 101"
	if !ok {
		want = "HTTP/1.1 400"
		rest, _ := io.ReadAll(conn)
		if !strings.HasSuffix(string(rest), "\r\n\r\nForbidden") {
			t.Errorf("upgrade %s = %q, want Forbidden", query, rest)
		}
	}
	if string(p) != want {
		t.Errorf("upgrade %s = %q, want %q", query, p, want)
	}
}

func TestOriginOfAnyCase(t *testing.T) {
	r := httptest.NewRequest("GET", "http://Stream.Example:3000/", nil)
	r.Header.Set("Origin", "http://stream.example:3000")
	if !pollingtransport.Default.Allows(r) || !websockettransport.Default.Allows(r) {
		t.Error("Allows() = false for the host in another case, want true")
	}
	r.Host = ""
	r.Header.Set("Origin", "null")
	if transport.SameOrigin(r) {
		t.Error("SameOrigin() = true without any host, want false")
	}
}

// cors are the headers of PROTOCOL.md 2.10 that an answer has.
func cors(h http.Header) map[string]string {
	got := make(map[string]string)
	for _, name := range []string{"Origin", "Credentials", "Methods", "Headers"} {
		if v := h.Values("Access-Control-Allow-" + name); len(v) > 0 {
			got[name] = strings.Join(v, "|")
		}
	}
	if v := h.Values("Vary"); len(v) > 0 {
		got["Vary"] = strings.Join(v, ", ")
	}
	return got
}

func TestCORS(t *testing.T) {
	const origin = "http://app.example"
	plain := map[string]string{"Origin": origin, "Credentials": "true", "Vary": "Origin"}
	own := newApp(t, &Options{Transports: both(allowApp)})
	checked := newApp(t, &Options{Transports: both(allowApp), RequestChecker: refuseAll})
	standard := newApp(t, nil)
	url, s := own.open(t, packet.V4)
	long := TextFrame(packet.V4, []byte(strings.Repeat("x", 2000)))
	from := http.Header{"Origin": {origin}}
	const start = "EIO=4&transport=polling"
	for _, tt := range []struct {
		name, method, url string
		header            http.Header
		status            int
		want              map[string]string
	}{
		{"handshake", "GET", own.url + start, from, 200, plain},
		{
			"poll, compressed", "GET", url,
			http.Header{"Origin": {origin}, "Accept-Encoding": {"gzip"}},
			200,
			map[string]string{"Origin": origin, "Credentials": "true", "Vary": "Origin, Accept-Encoding"},
		},
		{"unknown sid", "GET", own.url + start + "&sid=x", from, 400, plain},
		{"bad method", "DELETE", own.url + start, from, 400, plain},
		{"refused by the checker", "GET", checked.url + start, from, 403, plain},
		{"WebSocket by HTTP", "GET", own.url + "EIO=4&transport=websocket", from, 400, plain},
		{"POST", "POST", url, from, 200, plain},
		{"no origin", "GET", own.url + start, http.Header{}, 200, map[string]string{}},
		{"origin not allowed", "GET", own.url + start, http.Header{"Origin": {"http://evil.example"}}, 403, map[string]string{}},
		{
			"preflight", "OPTIONS", url,
			http.Header{"Origin": {origin}, "Access-Control-Request-Headers": {"x-a, x-b"}},
			204,
			map[string]string{"Origin": origin, "Credentials": "true", "Methods": "GET,POST", "Headers": "x-a, x-b", "Vary": "Origin, Access-Control-Request-Headers"},
		},
		{
			"preflight of a handshake, without headers", "OPTIONS", own.url + start, from, 204,
			map[string]string{"Origin": origin, "Credentials": "true", "Methods": "GET,POST", "Vary": "Origin, Access-Control-Request-Headers"},
		},
		{"preflight not allowed", "OPTIONS", url, http.Header{"Origin": {"http://evil.example"}}, 403, map[string]string{}},
		{"OPTIONS without origin", "OPTIONS", own.url + start, http.Header{}, 400, map[string]string{}},
		{
			"own origin, standard check", "GET", standard.url + start,
			http.Header{"Origin": {strings.TrimSuffix(standard.url, "/?")}},
			200,
			map[string]string{},
		},
		{
			"preflight, standard check", "OPTIONS", standard.url + start,
			http.Header{"Origin": {strings.TrimSuffix(standard.url, "/?")}},
			400,
			map[string]string{},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.Send(long)
			got := withHeader(tt.method, tt.url, tt.header)
			if got.status != tt.status || got.err != nil {
				t.Errorf("%s = %d %.100q, %v; want %d", tt.method, got.status, got.body, got.err, tt.status)
			}
			if h := cors(got.header); !maps.Equal(h, tt.want) {
				t.Errorf("CORS headers are %v, want %v", h, tt.want)
			}
		})
	}
	t.Run("upgrade", func(t *testing.T) {
		status, all := own.upgradeWith(t, "EIO=4&transport=websocket", "Origin: "+origin+"\r\n")
		if status != "HTTP/1.1 101 Switching Protocols" || strings.Contains(all, "Access-Control") {
			t.Errorf("upgrade = %q, want 101 without CORS headers", all)
		}
	})
}

// TestCORSBySomebodyElse: who has said what pages may do is not contradicted.
func TestCORSBySomebodyElse(t *testing.T) {
	a := newApp(t, &Options{Transports: both(func(*http.Request) bool { return true })})
	w := httptest.NewRecorder()
	w.Header().Set("Access-Control-Allow-Origin", "*")
	r := httptest.NewRequest("GET", "/?EIO=4&transport=polling", nil)
	r.Header.Set("Origin", "http://app.example")
	a.ServeHTTP(w, r)
	if got := cors(w.Header()); w.Code != 200 || !maps.Equal(got, map[string]string{"Origin": "*"}) {
		t.Errorf("handshake = %d with %v, want 200 and nothing added", w.Code, got)
	}
}

// TestTransports: one that is not offered does not exist.
func TestTransports(t *testing.T) {
	const unknown = `{"code":0,"message":"Transport unknown"}`
	t.Run("polling alone", func(t *testing.T) {
		a := newApp(t, &Options{Transports: []transport.Transport{pollingtransport.Default}})
		got := httpGet(a.url + "EIO=4&transport=polling")
		if !strings.Contains(got.body, `"upgrades":[]`) {
			t.Errorf("handshake = %q, want no upgrades", got.body)
		}
		checkUpgradeRefused(t, a, "GET", "EIO=4&transport=websocket", "Transport unknown")
		checkUpgradeRefused(t, a, "GET", "EIO=4&transport=websocket&sid="+a.last().ID(), "Transport unknown")
	})
	t.Run("websocket alone", func(t *testing.T) {
		a := newApp(t, &Options{Transports: []transport.Transport{websockettransport.Default}})
		if got := httpGet(a.url + "EIO=4&transport=polling"); got.status != 400 || got.body != unknown {
			t.Errorf("handshake = %d %q, want %s", got.status, got.body, unknown)
		}
		c, _ := a.openWS(t, "EIO=4")
		c.text("4a")
		c.want("text 4a")
	})
	t.Run("none is both", func(t *testing.T) {
		a := newApp(t, &Options{Transports: []transport.Transport{}})
		if got := httpGet(a.url + "EIO=4&transport=polling"); !strings.Contains(got.body, `["websocket"]`) {
			t.Errorf("handshake = %q, want both transports", got.body)
		}
	})
	names := []string{pollingtransport.Default.Name(), websockettransport.Default.Name()}
	if want := []string{"polling", "websocket"}; !slices.Equal(names, want) {
		t.Errorf("the names are %q, want %q", names, want)
	}
}
