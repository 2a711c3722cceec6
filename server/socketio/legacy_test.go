package socketio_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio"
)

// newLegacyServer is one for clients of 0.9, whose polls end after 250 ms.
func newLegacyServer(t *testing.T) (*socketio.Server, string) {
	t.Helper()
	s := socketio.NewServer(&engineio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond})
	s.OnEvent("/", "echo", func(c socketio.Conn, args ...any) []any { c.Emit("echo-back", args...); return args })
	s.OnEvent("/", "message", func(c socketio.Conn, v any) { c.Emit("message-back", v) })
	s.OnEvent("/", "binary", func(c socketio.Conn) { c.Emit("binary", []byte{1, 2, 3}) })
	s.OnEvent("/", "kick", func(c socketio.Conn) { _ = c.Close() })
	s.OnEvent("/", "drop", func(c socketio.Conn) { c.Drop() })
	s.OnEvent("/", "ask", func(c socketio.Conn) { c.Emit("asked", func(n int) { c.Emit("told", n) }) })
	s.OnEvent("/chat", "echo", func(_ socketio.Conn, s string) string { return s })
	s.Use("/", func(c socketio.Conn) error {
		if u := c.URL(); u.Query().Get("token") == "bad" {
			return errors.New("no way")
		}
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", s)
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		_ = s.Close()
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, web.URL + "/socket.io/1/"
}

func body(t *testing.T, resp *http.Response, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return strings.TrimSpace(resp.Status + " " + string(p))
	}
	return string(p)
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	return body(t, resp, err)
}

// handshake returns the session id.
func handshake(t *testing.T, base string) string {
	t.Helper()
	sid, rest, _ := strings.Cut(get(t, base+"?t=1"), ":")
	if want := "1:1:websocket,xhr-polling,jsonp-polling"; len(sid) < 20 || rest != want {
		t.Fatalf("the handshake is %q:%q, want %q", sid, rest, want)
	}
	return sid
}

// The exchanges of PROTOCOL.md chapter 7, on each transport. Several packets
// are separated by spaces here.
func TestLegacyExchanges(t *testing.T) {
	for _, tt := range []struct {
		name string
		list [][2]string // sent, and what comes
	}{
		{"event", [][2]string{{`5:::{"name":"echo","args":["é€😀",1]}`, `5:::{"name":"echo-back","args":["é€😀",1]}`}}},
		{"event with ack", [][2]string{{`5:1+::{"name":"echo","args":["x"]}`, `5:::{"name":"echo-back","args":["x"]} 6:::1+[["x"]]`}}},
		{"message", [][2]string{{"3:::hello:there", `5:::{"name":"message-back","args":["hello:there"]}`}}},
		{"message with ack", [][2]string{{"3:5::hello", `6:::5 5:::{"name":"message-back","args":["hello"]}`}}},
		{"json", [][2]string{{`4:::{"a":1}`, `5:::{"name":"message-back","args":[{"a":1}]}`}}},
		{"several", [][2]string{{`3:::😀 4:::2`, `5:::{"name":"message-back","args":["😀"]} 5:::{"name":"message-back","args":[2]}`}}},
		{"binary", [][2]string{{`5:::{"name":"binary"}`, `5:::{"name":"binary","args":["AQID"]}`}}},
		{"ack of the client", [][2]string{{`5:::{"name":"ask"}`, `5:1+::{"name":"asked","args":[]}`}, {"6:::1+[7]", `5:::{"name":"told","args":[7]}`}}},
		{"endpoint", [][2]string{{"1::/chat?token=1", "1::/chat"}, {`5:1+:/chat:{"name":"echo","args":["x"]}`, `6::/chat:1+["x"]`}}},
		{"unknown endpoint", [][2]string{{"1::/nope", "7::/nope:2"}}},
		{"kicked", [][2]string{{`5:::{"name":"kick"}`, "0::"}, {"", "end"}}},
		{"dropped", [][2]string{{`5:::{"name":"drop"}`, "end"}}},
		{"no packet", [][2]string{{"hello", "end"}}},
		{"no JSON", [][2]string{{"4:::{", "end"}}},
		{"leaves", [][2]string{{"0::", "end"}}},
	} {
		for transport, open := range map[string]func(*testing.T, string) func(string) string{
			"xhr-polling": legacyXHR, "jsonp-polling": legacyJSONP, "websocket": legacyWebSocket,
		} {
			t.Run(tt.name+"/"+transport, func(t *testing.T) {
				_, base := newLegacyServer(t)
				exchange := open(t, base)
				for _, x := range tt.list {
					if got := exchange(x[0]); got != x[1] {
						t.Fatalf("after %q came %q, want %q", x[0], got, x[1])
					}
				}
			})
		}
	}
}

// framed is a payload of packets, and unframed the packets of one.
func framed(packets string) string {
	list := strings.Split(packets, " ")
	if len(list) == 1 {
		return packets
	}
	var b strings.Builder
	for _, p := range list {
		n := len(p)
		if p == "3:::😀" {
			n = 6 // in UTF-16
		}
		b.WriteString("\ufffd" + string(rune('0'+n)) + "\ufffd" + p)
	}
	return b.String()
}

func unframed(payload string) string {
	if !strings.HasPrefix(payload, "\ufffd") {
		return payload
	}
	var list []string
	for i, part := range strings.Split(payload, "\ufffd") {
		if i > 0 && i%2 == 0 {
			list = append(list, part)
		}
	}
	return strings.Join(list, " ")
}

// ended is "end" for what a poll of an ended session gets.
func ended(got string) string {
	if got == "503 Service Unavailable" || got == "7:::1+0" {
		return "end"
	}
	return got
}

func legacyXHR(t *testing.T, base string) func(string) string {
	url := base + "xhr-polling/" + handshake(t, base)
	if got := get(t, url+"?t=1"); got != "1::" {
		t.Fatalf("the first poll is %q", got)
	}
	return func(send string) string {
		if send != "" {
			resp, err := http.Post(url, "text/plain;charset=UTF-8", strings.NewReader(framed(send)))
			if got := body(t, resp, err); got != "1" {
				t.Fatalf("POST is answered with %q", got)
			}
		}
		return ended(unframed(get(t, url)))
	}
}

func legacyJSONP(t *testing.T, base string) func(string) string {
	address := base + "jsonp-polling/" + handshake(t, base)
	poll := func() string {
		got := get(t, address+"?t=1&i=3")
		script, ok := strings.CutPrefix(got, `io.j[3]("`)
		if !ok {
			return got
		}
		script = strings.TrimSuffix(script, `");`)
		return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(script)
	}
	if got := poll(); got != "1::" {
		t.Fatalf("the first poll is %q", got)
	}
	return func(send string) string {
		if send != "" {
			d := `"` + strings.ReplaceAll(framed(send), `"`, `\"`) + `"`
			resp, err := http.PostForm(address+"?i=3", url.Values{"d": {d}})
			if got := body(t, resp, err); got != "1" {
				t.Fatalf("POST is answered with %q", got)
			}
		}
		return ended(unframed(poll()))
	}
}

func legacyWebSocket(t *testing.T, base string) func(string) string {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, early, _, err := ws.Dial(ctx, strings.Replace(base, "http", "ws", 1)+"websocket/"+handshake(t, base))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var from io.ReadWriter = conn
	if early != nil {
		from = struct {
			io.Reader
			io.Writer
		}{early, conn}
	}
	read := func() string {
		for {
			data, err := wsutil.ReadServerText(from)
			if err != nil {
				return "end"
			}
			if string(data) == "2::" {
				_ = wsutil.WriteClientText(conn, []byte("2::"))
				continue
			}
			return string(data)
		}
	}
	if got := read(); got != "1::" {
		t.Fatalf("first came %q", got)
	}
	return func(send string) string {
		packets := strings.Split(send, " ")
		for _, p := range packets {
			if p != "" {
				_ = wsutil.WriteClientText(conn, []byte(p))
			}
		}
		got := read()
		// What is answered with two packets.
		if strings.Contains(send, ":1+::") || strings.Contains(send, ":5::") || len(packets) > 1 {
			got += " " + read()
		}
		return got
	}
}

func TestLegacyRequests(t *testing.T) {
	s, base := newLegacyServer(t)
	if got := get(t, base+"?token=bad"); got != "403 Forbidden no way" {
		t.Errorf("a refused handshake is %q", got)
	}
	if got := get(t, base+"?jsonp=2"); !strings.HasPrefix(got, `io.j[2]("`) || !strings.HasSuffix(got, `:1:1:websocket,xhr-polling,jsonp-polling");`) {
		t.Errorf("a handshake by script is %q", got)
	}
	if got := get(t, base+"xhr-polling/nobody"); got != "7:::1+0" {
		t.Errorf("an unknown session is %q", got)
	}
	sid := handshake(t, base)
	if got := get(t, base+"xhr-polling/"+sid); got != "1::" {
		t.Errorf("the first poll is %q", got)
	}
	if got := get(t, base+"xhr-polling/"+sid); got != "8::" {
		t.Errorf("an idle poll is %q", got)
	}
	if got := get(t, base+sid+"/?disconnect=1"); got != "" {
		t.Errorf("the end is answered with %q", got)
	}
	if got := get(t, base+"xhr-polling/"+sid); got != "7:::1+0" {
		t.Errorf("a session after its end is %q", got)
	}
	// Nobody polls, and nobody answers heartbeats.
	handshake(t, base)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	conn, _, _, err := ws.Dial(ctx, strings.Replace(base, "http", "ws", 1)+"websocket/"+handshake(t, base))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for deadline := time.Now().Add(5 * time.Second); s.Count() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions of clients that are gone", s.Count())
		}
	}
}
