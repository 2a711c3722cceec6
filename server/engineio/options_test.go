package engineio

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/engineio/session"
	"github.com/sb-stream/stream-server/server/engineio/transport"
)

// TestCookie looks at every kind of answer.
func TestCookie(t *testing.T) {
	lax := http.Cookie{HttpOnly: true, SameSite: http.SameSiteLaxMode}
	for _, tt := range []struct {
		name   string
		cookie *http.Cookie
		want   string
	}{
		{"off", nil, ""},
		{"as PROTOCOL.md 2.9 has it", &lax, "io=abc; Path=/; HttpOnly; SameSite=Lax"},
		{"bare", &http.Cookie{}, "io=abc; Path=/"},
		{"all its own", &http.Cookie{
			Name: "node", Path: "/x/", Value: "ignored", MaxAge: 60, Secure: true, SameSite: http.SameSiteNoneMode,
		}, "node=abc; Path=/x/; Max-Age=60; Secure; SameSite=None"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, &Options{SessionIDGenerator: fixedID("abc"), Cookie: tt.cookie})
			got := httpGet(a.url + "EIO=4&transport=polling")
			if c := strings.Join(got.header.Values("Set-Cookie"), "|"); c != tt.want {
				t.Errorf("Set-Cookie of the handshake is %q, want %q", c, tt.want)
			}
			url, s := a.url+"EIO=4&transport=polling&sid=abc", a.last()
			s.Send(TextFrame(packet.V4, []byte("x")))
			for _, got := range []answer{httpGet(url), httpPost(url, "4a"), httpGet(url), httpGet(url + "x")} {
				if c := got.header.Get("Set-Cookie"); c != "" {
					t.Errorf("Set-Cookie of the answer %q is %q, want none", got.body, c)
				}
			}
			_, all := a.upgradeWith(t, "EIO=4&transport=websocket&sid=abc", "")
			if strings.Contains(all, "Set-Cookie") {
				t.Errorf("answer to the upgrade is %q, want no cookie", all)
			}
			a = newApp(t, &Options{SessionIDGenerator: fixedID("abc"), Cookie: tt.cookie})
			_, all = a.upgradeWith(t, "EIO=4&transport=websocket", "")
			if c := strings.Contains(all, "\r\nSet-Cookie: "+tt.want+"\r\n"); c != (tt.want != "") {
				t.Errorf("answer to the handshake is %q, want the cookie %q", all, tt.want)
			}
		})
	}
}

type oddTransport struct{ name string }

func (o oddTransport) Name() string            { return o.name }
func (oddTransport) Allows(*http.Request) bool { return true }

func TestValidateNamesThe(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts Options
		want string // none is valid
	}{
		{"transport", Options{Transports: []transport.Transport{oddTransport{"carrier pigeon"}}}, "pigeon"},
		{"transport that is nil", Options{Transports: []transport.Transport{nil}}, "Transports"},
		{"transport of one's own", Options{Transports: []transport.Transport{oddTransport{polling}}}, ""},
		{"cookie", Options{Cookie: &http.Cookie{Name: "a b"}}, "Cookie"},
		{"cookie that is fine", Options{Cookie: &http.Cookie{}}, ""},
		{"threshold", Options{CompressThreshold: -1}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.opts.Validate()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Validate() = %v, want %q in it", err, tt.want)
			}
		})
	}
}

// TestConnInitor is called before the application, once, on both transports.
func TestConnInitor(t *testing.T) {
	type seen struct {
		conn  Conn
		token string
	}
	calls := make(chan seen, 10)
	a := newApp(t, &Options{ConnInitor: func(r *http.Request, c Conn) {
		c.SetContext("ours")
		calls <- seen{c, r.URL.Query().Get("token")}
	}})
	inner := a.Server.accept
	a.Server.accept = func(s *Session) Receiver {
		if got := s.Context(); got != "ours" {
			t.Errorf("Context() = %v when the application is told, want ours", got)
		}
		return inner(s)
	}
	check := func(s *Session) {
		t.Helper()
		got := <-calls
		u := got.conn.URL()
		if got.conn.ID() != s.ID() || got.token != "x" || u.Query().Get("token") != "x" ||
			got.conn.RemoteAddr() != s.RemoteAddr() || got.conn.LocalAddr() != s.LocalAddr() ||
			got.conn.RemoteHeader().Get("User-Agent") != s.RemoteHeader().Get("User-Agent") {
			t.Errorf("ConnInitor got %+v, want the session %s", got, s.ID())
		}
		got.conn.SetContext("anew")
		if s.Context() != "anew" || got.conn.Context() != "anew" {
			t.Errorf("Context() = %v, want anew", s.Context())
		}
		if err := got.conn.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	}
	_, url, s := a.openJSONP(t, "EIO=4&token=x")
	check(s)
	if got := httpGet(url); got.body != "6\x1e1" {
		t.Errorf("poll = %q, want the end", got.body)
	}
	if got := a.reason(t, s); got != ReasonForcedClose {
		t.Errorf("session ended with %q, want %q", got, ReasonForcedClose)
	}
	c, s := a.openWS(t, "EIO=4&token=x")
	check(s)
	c.want("close 1005", "end")
	a.reason(t, s)
	if n := len(calls); n != 0 {
		t.Errorf("ConnInitor was called %d times too often", n)
	}
}

// TestConnInitorCloses ends sessions before the application knows them.
func TestConnInitorCloses(t *testing.T) {
	a := newApp(t, &Options{ConnInitor: func(_ *http.Request, c Conn) { c.Close() }})
	url, s := a.open(t, packet.V4)
	if got := httpGet(url); got.body != "6\x1e1" {
		t.Errorf("poll = %q, want the end", got.body)
	}
	a.reason(t, s)
	c, s := a.openWS(t, "EIO=4")
	c.want("close 1005", "end")
	a.reason(t, s)
}

// Options take the names of go-socket.io.
var (
	_ CheckerFunc         = refuseAll
	_ ConnInitorFunc      = func(*http.Request, Conn) {}
	_ session.IDGenerator = randomID{}
	_ IDGenerator         = session.IDGenerator(randomID{})
)
