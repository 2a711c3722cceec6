package engineio

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A script replays an exchange of PROTOCOL.md. Each line is a verb and the rest
// of the line, in which \xNN is a byte:
//
//	poll BODY          a GET, answered with BODY
//	poll! STATUS BODY  a GET, refused
//	park, parked BODY  a GET that has to wait, and its answer
//	post BODY          a POST, answered with "ok"
//	post! STATUS BODY  a POST, answered with this status and no body
//	late BODY          a POST, refused because the session has left polling
//	bytes HEX          a POST of application/octet-stream
//	bytes! STATUS HEX  likewise, refused
//	poll-bytes HEX     a GET, answered with application/octet-stream
//	ws, ws2            a WebSocket with the sid of the session
//	ws> TEXT, ws< FRAME, wsb> HEX, and ws2> and ws2<
//	ws-cut             the client's end of it goes
//	upgrading BOOL     waits until the session is, or is not
//	send TEXT, shut    the application sends, or closes the session
//	gone REASON        the session has ended, and the sid is unknown
//	alive              the session goes on
type script struct {
	t      *testing.T
	app    *app
	url    string
	s      *Session
	parked chan answer
	ws     map[string]*wsClient
}

func runScript(t *testing.T, v packet.Version, transport, text string) {
	a := newApp(t, &Options{MaxPayload: 1_000_000})
	x := &script{t: t, app: a, ws: make(map[string]*wsClient)}
	if transport == polling {
		x.url, x.s = a.open(t, v)
	} else {
		x.ws["ws"], x.s = a.openWS(t, "EIO="+strconv.Itoa(int(v)))
		x.url = a.url + "EIO=" + strconv.Itoa(int(v)) + "&transport=polling&sid=" + x.s.ID()
	}
	for line := range strings.Lines(text) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if verb == "" {
			continue
		}
		x.step(verb, unescape(rest))
		if t.Failed() {
			t.Fatalf("in the line %q", line)
		}
	}
}

var escape = regexp.MustCompile(`\\x[0-9a-f]{2}`)

func unescape(s string) string {
	return escape.ReplaceAllStringFunc(s, func(e string) string {
		b, _ := hex.DecodeString(e[2:])
		return string(b)
	})
}

func (x *script) step(verb, rest string) {
	status, body, _ := strings.Cut(rest, " ")
	switch verb {
	case "poll":
		x.expect(httpGet(x.url), rest, "text/plain; charset=UTF-8")
	case "poll!":
		x.expectStatus(httpGet(x.url), status, body)
	case "poll-bytes":
		x.expect(httpGet(x.url), unhex(rest), "application/octet-stream")
	case "park":
		x.parked = make(chan answer, 1)
		go func() { x.parked <- httpGet(x.url) }() // ends with the answer
		eventually(x.t, "the poll waits", func() bool {
			x.s.mu.Lock()
			defer x.s.mu.Unlock()
			return x.s.poll != nil
		})
	case "parked":
		select {
		case got := <-x.parked:
			x.expect(got, rest, "text/plain; charset=UTF-8")
		case <-time.After(10 * time.Second):
			x.t.Errorf("the poll was not answered")
		}
	case "post":
		x.expect(httpPost(x.url, rest), "ok", "text/html")
	case "post!":
		x.expectStatus(httpPost(x.url, body), status, "")
	case "late":
		x.expectStatus(httpPost(x.url, rest), "400", `{"code":3,"message":"Bad request"}`)
	case "bytes":
		x.expect(do("POST", x.url, "application/octet-stream", unhex(rest)), "ok", "text/html")
	case "bytes!":
		x.expectStatus(do("POST", x.url, "application/octet-stream", unhex(body)), status, "")
	case "ws", "ws2":
		x.ws[verb] = dial(x.t, strings.Replace(x.url, polling, webSocket, 1))
	case "ws>", "ws2>":
		x.ws[strings.TrimSuffix(verb, ">")].text(rest)
	case "wsb>":
		x.ws["ws"].send(ws.OpBinary, unhex(rest))
	case "ws<", "ws2<":
		x.ws[strings.TrimSuffix(verb, "<")].want(rest)
	case "ws-cut":
		x.ws["ws"].conn.Close()
	case "send":
		x.s.Send(TextFrame(x.s.Version(), []byte(rest)))
	case "shut":
		x.s.Close(rest)
	case "upgrading":
		eventually(x.t, "upgrading is "+rest, func() bool {
			x.s.mu.Lock()
			defer x.s.mu.Unlock()
			return fmt.Sprint(x.s.upgrading) == rest
		})
	case "gone":
		if got := x.app.reason(x.t, x.s); got != rest {
			x.t.Errorf("session ended with %q, want %q", got, rest)
		}
		x.expectStatus(httpGet(x.url), "400", `{"code":1,"message":"Session ID unknown"}`)
	case "alive":
		if x.app.lookup(x.s.ID()) != x.s {
			x.t.Error("session is gone, want it to go on")
		}
	default:
		x.t.Fatalf("script has no verb %q", verb)
	}
}

func unhex(s string) string {
	p, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(p)
}

func (x *script) expect(got answer, body, contentType string) {
	x.t.Helper()
	if got.err != nil || got.status != 200 || got.body != body || got.header.Get("Content-Type") != contentType {
		x.t.Errorf("answer = %d %q of %q, %v; want 200 %q of %q", got.status, got.body,
			got.header.Get("Content-Type"), got.err, body, contentType)
	}
	if n := got.header.Get("Content-Length"); n != strconv.Itoa(len(body)) {
		x.t.Errorf("answer has Content-Length %q, want %d", n, len(body))
	}
	if c := got.header.Get("Cache-Control"); c != "no-store" {
		x.t.Errorf("answer has Cache-Control %q, want no-store", c)
	}
}

func (x *script) expectStatus(got answer, status, body string) {
	x.t.Helper()
	if got.err != nil || strconv.Itoa(got.status) != status || got.body != body {
		x.t.Errorf("answer = %d %q, %v; want %s %q", got.status, got.body, got.err, status, body)
	}
}

// tooManyPackets is a payload with one packet over the limit.
var tooManyPackets = strings.Repeat("6\x1e", DefaultMaxPackets) + "6"
