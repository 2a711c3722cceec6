package engineio

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// What CONFORMANCE.md 3.1 to 3.4 asks for and no other test looks at.

func TestIDInUse(t *testing.T) {
	a := newApp(t, &Options{SessionIDGenerator: fixedID("abc")})
	url, s := a.open(t, packet.V4)
	got := httpGet(a.url + "EIO=4&transport=polling")
	if got.status != 400 || got.body != `{"code":3,"message":"Bad request"}` {
		t.Errorf("second handshake = %d %q, want 400 and code 3", got.status, got.body)
	}
	checkUpgradeRefused(t, a, "GET", "EIO=4&transport=websocket", "Bad request")
	s.Send(TextFrame(packet.V4, []byte("x")))
	if got := httpGet(url); got.body != "4x" || a.lookup("abc") != s {
		t.Errorf("poll of the first = %q, want 4x", got.body)
	}
}

// TestBadOrigin has bytes in it that net/http itself lets nobody send.
func TestBadOrigin(t *testing.T) {
	a := newApp(t, nil)
	for _, tt := range []struct {
		upgrade bool
		want    string
	}{
		{false, `{"code":3,"message":"Bad request"}`},
		{true, "Bad request"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/?EIO=4&transport=polling", nil)
		r.Header.Set("Origin", "http://a\x01b")
		if tt.upgrade {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
		}
		a.ServeHTTP(w, r)
		if w.Code != 400 || w.Body.String() != tt.want {
			t.Errorf("bad Origin, upgrade %v = %d %q, want 400 %q", tt.upgrade, w.Code, w.Body, tt.want)
		}
	}
	conn := a.rawClient(t, "GET /?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: a\x01b\r\n\r\n")
	if p, _ := io.ReadAll(conn); !strings.HasPrefix(string(p), "HTTP/1.1 400 ") {
		t.Errorf("bad Origin = %q, want 400", p)
	}
}

// TestEveryRefusalIsReported, with the request that it is of.
func TestEveryRefusalIsReported(t *testing.T) {
	var codes []int
	a := newApp(t, &Options{
		RefuseV3: true, RequestChecker: refuseAll,
		Refused: func(r *http.Request, code int, message string) {
			if r.URL.Query().Get("mark") != "x" || message == "" {
				t.Errorf("Refused got the request %v and %q", r.URL, message)
			}
			codes = append(codes, code)
		},
	})
	serve := func(method, query string, upgrade bool) {
		r := httptest.NewRequest(method, "/?mark=x&"+query, nil)
		if upgrade {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
		}
		a.ServeHTTP(httptest.NewRecorder(), r)
	}
	for _, upgrade := range []bool{false, true} {
		serve("GET", "EIO=4&transport=x", upgrade)
		serve("GET", "EIO=4&transport=polling&sid=x", upgrade)
		serve("POST", "EIO=4&transport=polling", upgrade)
		serve("GET", "EIO=3&transport=polling", upgrade)
	}
	serve("GET", "EIO=4&transport=websocket", false)
	serve("GET", "EIO=4&transport=polling", false)
	serve("GET", "EIO=4&transport=websocket", true)
	if want := []int{0, 1, 2, 5, 0, 1, 2, 5, 3, 4, 4}; !slices.Equal(codes, want) {
		t.Errorf("Refused got the codes %v, want %v", codes, want)
	}
}

// TestPollingTellsOfItsHandshake is TestSessionTellsOfItsHandshake for polling;
// a later request changes nothing.
func TestPollingTellsOfItsHandshake(t *testing.T) {
	a := newApp(t, nil)
	conn := a.rawClient(t, "GET /?EIO=4&transport=polling&token=x HTTP/1.1\r\nHost: x\r\nX-Mine: y\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	s := a.last()
	httpPost(a.url+"EIO=4&transport=polling&token=z&sid="+s.ID(), "4a")
	u := s.URL()
	if u.Query().Get("token") != "x" || s.RemoteHeader().Get("X-Mine") != "y" {
		t.Errorf("URL() = %v, RemoteHeader() = %v, want token x and X-Mine y", &u, s.RemoteHeader())
	}
	if got, want := s.RemoteAddr().String(), conn.LocalAddr().String(); got != want {
		t.Errorf("RemoteAddr() = %q, want %q", got, want)
	}
}

// TestCheckerIsForHandshakes: it is asked once, and so are its headers sent.
func TestCheckerIsForHandshakes(t *testing.T) {
	calls := 0
	a := newApp(t, &Options{RequestChecker: func(*http.Request) (http.Header, error) {
		calls++
		return http.Header{"X-Mine": {"yes"}}, nil
	}})
	url, _ := a.open(t, packet.V4)
	for _, got := range []answer{httpPost(url, "4a"), httpGet(url)} {
		if got.status != 200 || got.header.Get("X-Mine") != "" {
			t.Errorf("answer %d %q has X-Mine %q, want none", got.status, got.body, got.header.Get("X-Mine"))
		}
	}
	if calls != 1 {
		t.Errorf("RequestChecker was called %d times, want once", calls)
	}
}

func TestOldIE(t *testing.T) {
	a := newApp(t, nil)
	for agent, want := range map[string]string{
		"Mozilla/4.0 (compatible;MSIE 8.0)":      "0",
		"Mozilla/5.0 (Trident/7.0; rv:11.0)":     "0",
		"Mozilla/5.0 (X11; Linux) Firefox/120.0": "",
	} {
		header := http.Header{"User-Agent": {agent}}
		first := withHeader("GET", a.url+"EIO=4&transport=polling", header)
		url := a.url + "EIO=4&transport=polling&sid=" + a.last().ID()
		a.last().Send(TextFrame(packet.V4, []byte("x")))
		poll := withHeader("GET", url, header)
		post := withHeader("POST", url, header)
		for _, got := range []answer{first, poll, post} {
			if x := got.header.Get("X-XSS-Protection"); x != want {
				t.Errorf("%s: X-XSS-Protection of %q is %q, want %q", agent, got.body, x, want)
			}
		}
	}
}

// TestBadContentType: the POST is answered, and the session ends.
func TestBadContentType(t *testing.T) {
	for name, header := range map[string]http.Header{
		"multipart":  {"Content-Type": {"multipart/form-data; boundary=x"}},
		"compressed": {"Content-Type": {"text/plain"}, "Content-Encoding": {"gzip"}},
	} {
		a := newApp(t, nil)
		url, s := a.open(t, packet.V4)
		if got := withHeader("POST", url, header); got.status != 400 || got.body != "" {
			t.Errorf("%s: POST = %d %q, want 400", name, got.status, got.body)
		}
		if got := a.reason(t, s); got != ReasonTransportError {
			t.Errorf("%s: session ended with %q, want %q", name, got, ReasonTransportError)
		}
	}
}

// TestBodyInPieces cuts a character in two, on the way in several chunks.
func TestBodyInPieces(t *testing.T) {
	a := newApp(t, nil)
	url, s := a.open(t, packet.V4)
	conn := a.rawClient(t, pollRequest("POST", s, "Transfer-Encoding: chunked\r\n")+"3\r\n4\xe4\xb8\r\n")
	eventually(t, "the POST is read", s.postWaits)
	io.WriteString(conn, "1\r\n\xad\r\n0\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if got := httpGet(url); string(p) != "ok" || got.body != "4中" {
		t.Errorf("POST = %q, poll = %q, want ok and 4中", p, got.body)
	}
}

// TestNoDeflate: a WebSocket is not compressed, whatever the client offers.
func TestNoDeflate(t *testing.T) {
	a := newApp(t, nil)
	_, all := a.upgradeWith(t, "EIO=4&transport=websocket", "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	if !strings.HasPrefix(all, "HTTP/1.1 101 ") || strings.Contains(all, "Extensions") {
		t.Errorf("upgrade = %q, want 101 and no extension", all)
	}
}

// TestGarbageInUpgrade closes the new socket and nothing else.
func TestGarbageInUpgrade(t *testing.T) {
	a := newApp(t, nil)
	url, s := a.open(t, packet.V4)
	c := dial(t, strings.Replace(url, polling, webSocket, 1))
	c.raw("GET / HTTP/1.1\r\n\r\n")
	c.want("close 1002", "end")
	s.Send(TextFrame(packet.V4, []byte("x")))
	if got := httpGet(url); got.body != "4x" {
		t.Errorf("poll = %d %q, want 4x", got.status, got.body)
	}
}
