package engineio

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

type fixedID string

func (f fixedID) NewID() string { return string(f) }

// TestHandshake compares the answers of PROTOCOL.md 2.3 as whole strings.
func TestHandshake(t *testing.T) {
	const rest = `,"pingInterval":25000,"pingTimeout":20000,"maxPayload":65536}`
	for _, tt := range []struct {
		name, query, want string
		opts              Options
	}{
		{"version 4", "EIO=4", `0{"sid":"abc","upgrades":["websocket"]` + rest, Options{}},
		{"version 3", "EIO=3", `99:0{"sid":"abc","upgrades":["websocket"]` + rest, Options{}},
		{"version missing", "t=x", `99:0{"sid":"abc","upgrades":["websocket"]` + rest, Options{}},
		{"empty sid", "EIO=4&sid=", `0{"sid":"abc","upgrades":["websocket"]` + rest, Options{}},
		{"no upgrades", "EIO=4", `0{"sid":"abc","upgrades":[]` + rest, Options{NoUpgrade: true}},
		{
			"options", "EIO=4",
			`0{"sid":"abc","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}`,
			Options{PingInterval: 300e6, PingTimeout: 200e6, MaxPayload: 1_000_000},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.opts.SessionIDGenerator = fixedID("abc")
			a := newApp(t, &tt.opts)
			got := httpGet(a.url + tt.query + "&transport=polling")
			if got.status != 200 || got.body != tt.want {
				t.Errorf("handshake = %d %q, want %q", got.status, got.body, tt.want)
			}
			if c := got.header.Get("Cache-Control"); c != "no-store" {
				t.Errorf("Cache-Control is %q, want no-store", c)
			}
		})
	}
	t.Run("websocket", func(t *testing.T) {
		a := newApp(t, &Options{SessionIDGenerator: fixedID("abc")})
		c := dial(t, a.url+"EIO=4&transport=websocket")
		c.want(`text 0{"sid":"abc","upgrades":[]` + rest)
		eventually(t, "the session", func() bool { return a.Stats().Sessions[SessionKind{packet.V4, webSocket}] == 1 })
		if got := a.lookup("abc").Transport(); got != webSocket {
			t.Errorf("Transport() = %q, want websocket", got)
		}
	})
}

func TestSessionTellsOfItsHandshake(t *testing.T) {
	a := newApp(t, nil)
	conn := a.rawClient(t, upgradeRequest("/?EIO=4&transport=websocket&token=x", "X-Mine: y\r\n"))
	buf := make([]byte, 12)
	if _, err := io.ReadFull(conn, buf); err != nil || string(buf) != "HTTP/1.1 101" {
		t.Fatalf("answer = %q, %v; want 101", buf, err)
	}
	eventually(t, "the session", func() bool { return a.Len() == 1 })
	s := a.last()
	u := s.URL()
	if got := u.Query().Get("token"); got != "x" {
		t.Errorf("token in URL() = %q, want x", got)
	}
	if got := s.RemoteHeader().Get("X-Mine"); got != "y" {
		t.Errorf("X-Mine in RemoteHeader() = %q, want y", got)
	}
	if got, want := s.RemoteAddr().String(), conn.LocalAddr().String(); got != want {
		t.Errorf("RemoteAddr() = %q, want %q", got, want)
	}
	if got, want := s.LocalAddr().String(), conn.RemoteAddr().String(); got != want {
		t.Errorf("LocalAddr() = %q, want %q", got, want)
	}
	if s.Version() != packet.V4 || s.Handshake().Time.IsZero() || s.Handshake().Secure {
		t.Errorf("Version() = %v, Handshake() = %+v", s.Version(), s.Handshake())
	}
}

// refuseAll is a RequestChecker.
func refuseAll(r *http.Request) (http.Header, error) {
	if r.URL.Query().Has("quiet") {
		return nil, errors.New("")
	}
	return nil, errors.New("nope")
}

// TestRefusals is the table of PROTOCOL.md 2.4, over HTTP and over an upgrade.
func TestRefusals(t *testing.T) {
	open := newApp(t, nil)
	strict := newApp(t, &Options{RefuseV3: true, RequestChecker: refuseAll})
	broken := newApp(t, &Options{SessionIDGenerator: fixedID("")})
	_, polls := open.open(t, packet.V3)
	for _, tt := range []struct {
		name, method string
		app          *app
		query        string
		status       int
		code         string // with the message
		upgrade      bool   // it is asked by an upgrade too
	}{
		{"no transport", "GET", open, "EIO=4", 400, `0,"message":"Transport unknown"`, true},
		{"unknown transport", "GET", open, "EIO=4&transport=tobi", 400, `0,"message":"Transport unknown"`, true},
		{"constructor", "GET", open, "EIO=4&transport=constructor", 400, `0,"message":"Transport unknown"`, true},
		{"__proto__", "GET", open, "EIO=4&transport=__proto__", 400, `0,"message":"Transport unknown"`, true},
		{"webtransport", "GET", open, "EIO=4&transport=webtransport", 400, `0,"message":"Transport unknown"`, true},
		{"unknown sid", "GET", open, "EIO=4&transport=polling&sid=x", 400, `1,"message":"Session ID unknown"`, true},
		{"sid __proto__", "POST", open, "EIO=4&transport=polling&sid=__proto__", 400, `1,"message":"Session ID unknown"`, false},
		{"unknown sid on websocket", "GET", open, "EIO=4&transport=websocket&sid=x", 400, `1,"message":"Session ID unknown"`, true},
		{"POST", "POST", open, "EIO=4&transport=polling", 400, `2,"message":"Bad handshake method"`, true},
		{"OPTIONS", "OPTIONS", open, "EIO=4&transport=polling", 400, `2,"message":"Bad handshake method"`, false},
		{"DELETE", "DELETE", open, "EIO=4&transport=websocket", 400, `2,"message":"Bad handshake method"`, true},
		{"websocket by HTTP", "GET", open, "EIO=4&transport=websocket", 400, `3,"message":"Bad request"`, false},
		{"websocket by HTTP with a sid", "GET", open, "EIO=3&transport=websocket&sid=" + polls.ID(), 400, `3,"message":"Bad request"`, false},
		{"session of another version", "GET", open, "EIO=4&transport=polling&sid=" + polls.ID(), 400, `3,"message":"Bad request"`, true},
		{"session of no version", "POST", open, "EIO=5&transport=polling&sid=" + polls.ID(), 400, `3,"message":"Bad request"`, false},
		{"upgrade of another version", "GET", open, "EIO=4&transport=websocket&sid=" + polls.ID(), 400, `3,"message":"Bad request"`, true},
		{"no id", "GET", broken, "EIO=4&transport=polling", 400, `3,"message":"Bad request"`, false},
		{"no id on websocket", "GET", broken, "EIO=4&transport=websocket", 400, `3,"message":"Bad request"`, true},
		{"checker", "GET", strict, "EIO=4&transport=polling", 403, `4,"message":"nope"`, false},
		{"checker on websocket", "GET", strict, "EIO=4&transport=websocket", 400, `4,"message":"nope"`, true},
		{"checker without a text", "GET", strict, "EIO=4&transport=polling&quiet", 403, `4,"message":"Forbidden"`, false},
		{"EIO=5", "GET", open, "EIO=5&transport=polling", 400, `5,"message":"Unsupported protocol version"`, true},
		{"EIO=abc", "GET", open, "EIO=abc&transport=websocket", 400, `5,"message":"Unsupported protocol version"`, true},
		{"EIO=3, refused", "GET", strict, "EIO=3&transport=polling", 400, `5,"message":"Unsupported protocol version"`, true},
		{"no EIO, refused", "GET", strict, "transport=polling", 400, `5,"message":"Unsupported protocol version"`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.app.Len()
			if !strings.Contains(tt.query, "websocket") || strings.HasPrefix(tt.code, "3") || !tt.upgrade {
				got := do(tt.method, tt.app.url+tt.query, "", "")
				want := `{"code":` + tt.code + `}`
				if got.status != tt.status || got.body != want || got.header.Get("Content-Type") != "application/json" {
					t.Errorf("%s = %d %q of %q, want %d %q", tt.method, got.status, got.body, got.header.Get("Content-Type"), tt.status, want)
				}
			}
			if tt.upgrade {
				_, message, _ := strings.Cut(tt.code, `:"`)
				checkUpgradeRefused(t, tt.app, tt.method, tt.query, strings.TrimSuffix(message, `"`))
			}
			if n := tt.app.Len(); n != before {
				t.Errorf("there are %d sessions, want %d as before", n, before)
			}
		})
	}
}

// checkUpgradeRefused compares the whole answer with that of PROTOCOL.md 2.4,
// and that the connection ends.
func checkUpgradeRefused(t *testing.T, a *app, method, query, message string) {
	t.Helper()
	conn := a.rawClient(t, method+strings.TrimPrefix(upgradeRequest("/?"+query, ""), "GET"))
	p, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(p), "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 400 Bad Request\r\n") || body != message ||
		!strings.Contains(head, "Connection: close") || !strings.Contains(head, "Content-Type: text/html") {
		t.Errorf("upgrade answer = %q, want 400 and %q", p, message)
	}
}

func TestRefusedIsReported(t *testing.T) {
	codes := make(chan int, 1)
	a := newApp(t, &Options{Refused: func(_ *http.Request, code int, _ string) { codes <- code }})
	httpGet(a.url + "EIO=4&transport=polling&sid=x")
	if got := <-codes; got != 1 {
		t.Errorf("Refused got code %d, want 1", got)
	}
}

// TestOddRequests is what PROTOCOL.md 2.4 answers without a body.
func TestOddRequests(t *testing.T) {
	a := newApp(t, nil)
	url, s := a.open(t, packet.V4)
	for _, method := range []string{"PUT", "DELETE", "HEAD", "OPTIONS"} {
		if got := do(method, url, "", ""); got.status != 500 || got.body != "" {
			t.Errorf("%s on a session = %d %q, want 500", method, got.status, got.body)
		}
	}
	c := dial(t, a.url+"EIO=4&transport=polling")
	c.want("close 1005", "end")
	c = dial(t, url)
	c.want("close 1005", "end")
	if a.lookup(s.ID()) != s {
		t.Error("the session is gone, want it kept")
	}
}

func TestHeadersOfChecker(t *testing.T) {
	a := newApp(t, &Options{RequestChecker: func(*http.Request) (http.Header, error) {
		return http.Header{"x-mine": {"yes"}}, nil
	}})
	got := httpGet(a.url + "EIO=4&transport=polling")
	if v := got.header.Get("X-Mine"); v != "yes" {
		t.Errorf("X-Mine of the handshake is %q, want yes", v)
	}
	conn := a.rawClient(t, upgradeRequest("/?EIO=4&transport=websocket", ""))
	p := make([]byte, 300)
	n, _ := io.ReadAtLeast(conn, p, 200)
	if !strings.Contains(string(p[:n]), "X-Mine: yes\r\n") {
		t.Errorf("answer to the upgrade is %q, want X-Mine in it", p[:n])
	}
}

// TestAmbiguousQuery: what two readers of a query may read differently is
// refused.
func TestAmbiguousQuery(t *testing.T) {
	a := newApp(t, nil)
	url, s := a.open(t, packet.V4)
	for _, tt := range []struct{ name, query, want string }{
		{"two versions", "EIO=4&EIO=3&transport=polling", `{"code":5,"message":"Unsupported protocol version"}`},
		{"the same version twice", "EIO=4&EIO=4&transport=polling", `{"code":5,"message":"Unsupported protocol version"}`},
		{"two transports", "EIO=4&transport=polling&transport=websocket", `{"code":0,"message":"Transport unknown"}`},
		{"two sids", strings.TrimPrefix(url, a.url) + "&sid=x", `{"code":1,"message":"Session ID unknown"}`},
		{"an empty sid and another", "EIO=4&transport=polling&sid=&sid=" + s.ID(), `{"code":1,"message":"Session ID unknown"}`},
		{"semicolon", "EIO=4&transport=polling&x=1;y=2", `{"code":3,"message":"Bad request"}`},
		{"escape cut off", "EIO=4&transport=polling&x=%f", `{"code":3,"message":"Bad request"}`},
		{"j is no number", "EIO=4&transport=polling&j=1)%3Balert(23", `{"code":3,"message":"Bad request"}`},
		{"j is negative", "EIO=3&transport=polling&j=-1", `{"code":3,"message":"Bad request"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := httpGet(a.url + tt.query); got.status != 400 || got.body != tt.want {
				t.Errorf("GET = %d %q, %v; want 400 %q", got.status, got.body, got.err, tt.want)
			}
		})
	}
	if a.lookup(s.ID()) != s {
		t.Error("the session is gone, want it untouched")
	}
}
