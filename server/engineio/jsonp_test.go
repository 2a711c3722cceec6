package engineio

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// openJSONP begins a session and is the URL of its requests, which need not
// name j again.
func (a *app) openJSONP(t *testing.T, query string) (first answer, url string, s *Session) {
	t.Helper()
	url = a.url + "transport=polling&" + query
	if first = httpGet(url); first.status != 200 {
		t.Fatalf("handshake = %d %q, %v", first.status, first.body, first.err)
	}
	s = a.last()
	return first, a.url + "transport=polling&" + query[:len("EIO=n")] + "&sid=" + s.ID(), s
}

// script checks an answer to a script tag.
func (x *script) script(got answer, body string) {
	x.t.Helper()
	x.expect(got, body, "text/javascript; charset=UTF-8")
	if o := got.header.Get("X-Content-Type-Options"); o != "nosniff" {
		x.t.Errorf("answer has X-Content-Type-Options %q, want nosniff", o)
	}
}

func form(url, body string) answer {
	return do("POST", url, "application/x-www-form-urlencoded", body)
}

// TestJSONPExchange is that of PROTOCOL.md 3.5, byte for byte.
func TestJSONPExchange(t *testing.T) {
	a := newApp(t, &Options{MaxPayload: 1_000_000, SessionIDGenerator: fixedID("H2-twhVrSZARhp-PAABG")})
	inner := a.Server.accept
	a.Server.accept = func(s *Session) Receiver {
		s.Send(TextFrame(s.Version(), []byte("0")))
		return inner(s)
	}
	a.hook = func(s *Session, data []byte, _ bool) bool {
		s.Send(TextFrame(s.Version(), []byte(strings.Replace(string(data), "echo", "echo-back", 1))))
		return true
	}
	x := &script{t: t, app: a}
	first, url, _ := a.openJSONP(t, "EIO=3&j=0")
	x.script(first, `___eio[0]("118:0{\"sid\":\"H2-twhVrSZARhp-PAABG\",\"upgrades\":[\"websocket\"],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}");`)
	x.script(httpGet(url), `___eio[0]("2:40");`)
	x.expect(form(url, `d=21%3A42%5B%22echo%22%2C%22a%5C%5Cnb%20%E2%80%A8%20%3C%22%5D`), "ok", "text/html")
	x.script(httpGet(url), `___eio[0]("26:42[\"echo-back\",\"a\\nb \u2028 <\"]");`)
}

// TestJSONP posts one body to a new session, and polls.
func TestJSONP(t *testing.T) {
	const formType = "application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name, query, contentType, post string
		want                           string // the next poll; none if the session has ended
	}{
		{"version 3", "EIO=3&j=7", formType, "d=2%3A4a", `___eio[7]("2:4a");`},
		{"version 4", "EIO=4&j=7", formType, "d=4a%1E4b", `___eio[7]("4a\u001e4b");`},
		{"empty j", "EIO=4&j=", formType, "d=4a", `___eio[0]("4a");`},
		{"binary without b64, version 3", "EIO=3&j=0", formType, "d=10:b4AQIDBA%3D%3D", `___eio[0]("10:b4AQIDBA==");`},
		{"binary with b64, version 3", "EIO=3&j=0&b64=1", formType, "d=10:b4AQIDBA%3D%3D", `___eio[0]("10:b4AQIDBA==");`},
		{"binary, version 4", "EIO=4&j=0", formType, "d=bAQIDBA%3D%3D", `___eio[0]("bAQIDBA==");`},
		{"plus is a space", "EIO=4&j=0", formType, "d=4a+b", `___eio[0]("4a b");`},
		{"escaped newline", "EIO=4&j=0", formType, `d=4a%5Cnb`, `___eio[0]("4a\nb");`},
		{"escaped backslash", "EIO=4&j=0", formType, `d=4a%5C%5Cnb`, `___eio[0]("4a\\nb");`},
		{"d is not first", "EIO=4&j=0", formType, "x=1&d=4a&d=4b", `___eio[0]("4a");`},
		{"type with a charset", "EIO=4&j=0", formType + "; charset=UTF-8", "d=4a", `___eio[0]("4a");`},
		{"plain text", "EIO=4&j=0", "text/plain", "4a", `___eio[0]("4a");`},
		{"no d", "EIO=4&j=0", formType, "e=4a", ""},
		{"empty d", "EIO=4&j=0", formType, "d=", ""},
		{"bad escape", "EIO=4&j=0", formType, "d=4%zz", ""},
		{"not UTF-8", "EIO=4&j=0", formType, "d=4%ff", ""},
		{"no form", "EIO=4&j=0", formType, "4a", ""},
		{"form as text", "EIO=4&j=0", "text/plain", "d=4a", ""},
		{"form of a session without JSONP", "EIO=4", formType, "d=4a", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, nil)
			x := &script{t: t, app: a}
			_, url, s := a.openJSONP(t, tt.query)
			answer := do("POST", url, tt.contentType, tt.post)
			if tt.want == "" {
				x.expectStatus(answer, "400", "")
				if got := a.reason(t, s); got != ReasonParseError {
					t.Errorf("session ended with %q, want %q", got, ReasonParseError)
				}
				return
			}
			x.expect(answer, "ok", "text/html")
			x.script(httpGet(url), tt.want)
		})
	}
}

// TestJSONPIsFixed: what later requests say of j changes nothing.
func TestJSONPIsFixed(t *testing.T) {
	a := newApp(t, nil)
	x := &script{t: t, app: a}
	_, url, s := a.openJSONP(t, "EIO=4&j=3")
	s.Send(TextFrame(packet.V4, []byte("a")))
	x.script(httpGet(url+"&j=9"), `___eio[3]("4a");`)
	url, s = a.open(t, packet.V4)
	s.Send(TextFrame(packet.V4, []byte("a")))
	x.expect(httpGet(url+"&j=9"), "4a", "text/plain; charset=UTF-8")
}

// TestJSONPEnds: the packets that end a poll are scripts as well.
func TestJSONPEnds(t *testing.T) {
	a := newApp(t, nil)
	x := &script{t: t, app: a}
	_, url, s := a.openJSONP(t, "EIO=3&j=0")
	parked := make(chan answer, 1)
	go func() { parked <- httpGet(url) }() // ends with the answer
	eventually(t, "the poll waits", s.pollWaits)
	c := dial(t, strings.Replace(url, polling, webSocket, 1))
	c.text("2probe")
	c.want("text 3probe")
	x.script(<-parked, `___eio[0]("1:6");`)
	c.text("5")
	c.text("4unit")
	c.want("text 451-[]", "text b4AQIDBA==") // as with b64
	_, url, s = a.openJSONP(t, "EIO=3&j=0")
	s.Close("bye")
	x.script(httpGet(url), `___eio[0]("1:61:1");`)
	x.expectStatus(httpGet(url), "400", `{"code":1,"message":"Session ID unknown"}`)
}

// TestJSONPLimit: the body counts as it is sent, not what is in it.
func TestJSONPLimit(t *testing.T) {
	a := newApp(t, &Options{MaxPayload: maxPayload, PingInterval: time.Hour})
	_, url, s := a.openJSONP(t, "EIO=4&j=0")
	message := func(size int) string {
		return strings.Repeat("%20", (size-len("d=4"))/len("%20")) + strings.Repeat("x", (size-len("d=4"))%len("%20"))
	}
	if got := form(url, "d=4"+message(maxPayload)); got.body != "ok" {
		t.Errorf("POST of %d bytes = %d %q, want ok", maxPayload, got.status, got.body)
	}
	if got := form(url, "d=4"+message(maxPayload+1)); got.status != 413 || got.body != "" {
		t.Errorf("POST of %d bytes = %d %q, want 413", maxPayload+1, got.status, got.body)
	}
	if a.lookup(s.ID()) != s {
		t.Error("the session is gone, want it kept")
	}
}

// TestOldDialects is text as the clients of PROTOCOL.md 3.4 send it, which
// reaches the application the same.
func TestOldDialects(t *testing.T) {
	const (
		text   = `2["echo","é😀"]`
		single = "42[\"echo\",\"\xc3\xa9\xf0\x9f\x98\x80\"]"
		double = "42[\"echo\",\"\xc3\x83\xc2\xa9\xc3\xb0\xc2\x9f\xc2\x98\xc2\x80\"]"
	)
	for _, tt := range []struct {
		name, query string
		post        string // or
		frame       string
		contentType string
		want        string
	}{
		{"1.x", "EIO=3&b64=1", "19:" + double, "", "text/plain;charset=UTF-8", text},
		{"2.x", "EIO=3&b64=1", "16:" + single, "", "text/plain;charset=UTF-8", text},
		{"1.x, two packets", "EIO=3", "19:" + double + "2:4\xc3\xa9", "", "text/plain", text},
		{"1.x in a binary payload", "EIO=3", "\x00\x02\x05\xff" + double, "", "application/octet-stream", text},
		{"1.x by JSONP", "EIO=3&j=0", "d=" + url.QueryEscape("19:"+double), "", "application/x-www-form-urlencoded", text},
		{"2.x by JSONP", "EIO=3&j=0", "d=" + url.QueryEscape("16:"+single), "", "application/x-www-form-urlencoded", text},
		{"1.0 on a WebSocket", "EIO=3", "", double, "", text},
		{"1.4 and 2.x on a WebSocket", "EIO=3", "", single, "", text},
		{"version 4 says what it means", "EIO=4", double, "", "text/plain", double[1:]},
		{"version 4 on a WebSocket", "EIO=4", "", double, "", double[1:]},
		{"binary is as it is", "EIO=3", "10:b4w4PCqQ==", "", "text/plain", "\xc3\x83\xc2\xa9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, nil)
			heard := make(chan string, 2)
			a.hook = func(_ *Session, data []byte, _ bool) bool {
				heard <- string(data)
				return true
			}
			if tt.frame != "" {
				c, _ := a.openWS(t, tt.query)
				c.text(tt.frame)
			} else {
				_, url, _ := a.openJSONP(t, tt.query)
				if got := do("POST", url, tt.contentType, tt.post); got.body != "ok" {
					t.Errorf("POST = %d %q, want ok", got.status, got.body)
				}
			}
			select {
			case got := <-heard:
				if got != tt.want {
					t.Errorf("Message got %q, want %q", got, tt.want)
				}
			case <-time.After(10 * time.Second):
				t.Error("Message was not called")
			}
		})
	}
}

// What a browser makes of a payload as a form, 0.9 clients and later ones, is
// read back as it was.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"", "1:2", `21:42["echo","a\nb"]`, "a\\nb\nc\\\\nd", "3:::é😀", "d=1&d=2", "%zz+"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		_ = (&Session{version: packet.V3}).formPayload([]byte(in)) // whatever it is, no crash
		_ = (&Session{version: packet.V1}).formPayload([]byte(in))
		if !utf8.ValidString(in) || strings.Contains(in, "\\") || strings.Contains(in, "\r") {
			return // escapes are FuzzJSONP's matter
		}
		form := url.Values{"t": {"1"}, "d": {strings.ReplaceAll(in, "\n", "\\n")}}.Encode()
		if got := (&Session{version: packet.V3}).formPayload([]byte(form)); string(got) != in {
			t.Errorf("the form %q of %q is read as %q", form, in, got)
		}
		quoted, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		form = url.Values{"d": {string(quoted)}}.Encode()
		if got := (&Session{version: packet.V1}).formPayload([]byte(form)); string(got) != in {
			t.Errorf("the form %q of 0.9 is read as %q", form, got)
		}
	})
}
