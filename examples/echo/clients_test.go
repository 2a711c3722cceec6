package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/sb-stream/stream-server/server/engineio"
)

// A client sends packets and returns what comes, both separated by spaces.
type client interface {
	exchange(send, want string) string
}

var transports = map[string]func(t *testing.T, url, version string) client{
	"polling":   openPolling,
	"websocket": openWebSocket,
	"upgraded":  openUpgraded,
}

var (
	sidPattern   = regexp.MustCompile(`"sid":"([^"]*)"`)
	hello        = regexp.MustCompile(`^0\{"sid":"[\w-]{20,}","upgrades":(\[\]|\["websocket"\]),"pingInterval":\d+,"pingTimeout":\d+,"maxPayload":1000000\}$`)
	requestLimit = 5 * time.Second
)

func anyID(s string) string { return sidPattern.ReplaceAllString(s, `"sid":"…"`) }

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Sprintf("%d %s", resp.StatusCode, body)
	}
	return string(body)
}

// split is the packets in a list. Before one stands a space; the words of a
// message have no digit or b after theirs.
func split(packets string) []string {
	var list []string
	for field := range strings.SplitSeq(packets, " ") {
		if last := len(list) - 1; last >= 0 && field[0] != 'b' && (field[0] < '0' || field[0] > '9') && field != closed {
			list[last] += " " + field
		} else {
			list = append(list, field)
		}
	}
	return list
}

// payload is packets as one body of long-polling.
func payload(version, packets string) string {
	list := split(packets)
	if version == "4" {
		return strings.Join(list, "\x1e")
	}
	var b strings.Builder
	for _, p := range list {
		if data, ok := strings.CutPrefix(p, "b"); ok {
			p = "b4" + data
		}
		fmt.Fprintf(&b, "%d:%s", len(utf16.Encode([]rune(p))), p)
	}
	return b.String()
}

type poller struct {
	t            *testing.T
	url, version string
	session      interface{ Writable() bool }
}

// sessions are those of all servers here, by their id.
var sessions sync.Map

// remember is an engineio.ConnInitorFunc.
func remember(_ *http.Request, c engineio.Conn) { sessions.Store(c.ID(), c) }

func openPolling(t *testing.T, url, version string) client {
	t.Helper()
	p := &poller{t: t, url: url + "?transport=polling&b64=1&EIO=" + version, version: version}
	body := get(t, p.url)
	packet := body
	if version == "3" {
		_, packet, _ = strings.Cut(body, ":")
		if want := payload("3", packet); body != want {
			t.Fatalf("handshake %q, want %q", body, want)
		}
	}
	if !hello.MatchString(packet) || !strings.Contains(packet, `"upgrades":["websocket"]`) {
		t.Fatalf("handshake %q", body)
	}
	sid := sidPattern.FindStringSubmatch(body)[1]
	p.url += "&sid=" + sid
	session, _ := sessions.Load(sid)
	p.session = session.(interface{ Writable() bool })
	return p
}

// exchange compares whole bodies: what one POST causes comes in one poll, which
// waits for it already.
func (p *poller) exchange(send, want string) string {
	p.t.Helper()
	polled := make(chan string, 1)
	go func() { polled <- get(p.t, p.url) }()
	if send != "" {
		for len(polled) == 0 && !p.session.Writable() {
			runtime.Gosched() // until the poll waits
		}
		resp, err := http.Post(p.url, "text/plain;charset=UTF-8", strings.NewReader(payload(p.version, send)))
		if err != nil {
			p.t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if broken := want == closed && resp.StatusCode == http.StatusBadRequest; string(body) != "ok" && !broken {
			return "POST: " + string(body)
		}
	}
	got := anyID(<-polled)
	switch {
	case want == closed && got == payload(p.version, "1"), want == closed && got == payload(p.version, "6 1"):
		if got := get(p.t, p.url); got == `400 {"code":1,"message":"Session ID unknown"}` {
			return closed
		}
	case got == payload(p.version, want) && want != closed:
		return want
	}
	return got
}

type webSocket struct {
	t       *testing.T
	conn    net.Conn
	version string
}

func dial(t *testing.T, url string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), requestLimit)
	defer cancel()
	conn, early, _, err := ws.Dial(ctx, strings.Replace(url, "http://", "ws://", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if early == nil {
		return conn
	}
	p, _ := early.Peek(early.Buffered())
	return &buffered{conn, io.MultiReader(bytes.NewReader(bytes.Clone(p)), conn)}
}

type buffered struct {
	net.Conn
	r io.Reader
}

func (b *buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

func openWebSocket(t *testing.T, url, version string) client {
	t.Helper()
	c := &webSocket{t, dial(t, url+"?transport=websocket&EIO="+version), version}
	if got := c.read(); !hello.MatchString(strings.Replace(got, "…", strings.Repeat("x", 20), 1)) || !strings.Contains(got, `"upgrades":[]`) {
		t.Fatalf("first came %q", got)
	}
	return c
}

// openUpgraded begins with polling (PROTOCOL.md 2.8).
func openUpgraded(t *testing.T, url, version string) client {
	t.Helper()
	p := openPolling(t, url, version).(*poller)
	c := &webSocket{t, dial(t, strings.Replace(p.url, "transport=polling", "transport=websocket", 1)), version}
	c.write("2probe")
	if got := c.read(); got != "3probe" {
		t.Fatalf("the probe is answered with %q", got)
	}
	// What is queued by now comes by the poll, else a no-op; none is lost.
	if got := get(t, p.url); got != payload(version, "6") {
		c.conn = &buffered{c.conn, io.MultiReader(polledFrames(version, got), c.conn)}
	}
	c.write("5")
	return c
}

// polledFrames are the packets of a poll as if they had come by WebSocket.
func polledFrames(version, body string) io.Reader {
	var b bytes.Buffer
	rest := body
	for rest != "" {
		var p string
		if version == "4" {
			p, rest, _ = strings.Cut(rest, "\x1e")
		} else {
			var n int
			length, after, _ := strings.Cut(rest, ":")
			fmt.Sscan(length, &n)
			p, rest = after[:n], after[n:] // the server's are ASCII
		}
		b.Write(ws.MustCompileFrame(ws.NewTextFrame([]byte(p))))
	}
	return &b
}

func (c *webSocket) write(packet string) {
	data, ok := strings.CutPrefix(packet, "b")
	var err error
	if raw, bad := base64.StdEncoding.DecodeString(data); ok && bad == nil {
		if c.version == "3" {
			raw = append([]byte{4}, raw...)
		}
		err = wsutil.WriteClientBinary(c.conn, raw)
	} else {
		err = wsutil.WriteClientText(c.conn, []byte(packet))
	}
	if err != nil && !strings.Contains(err.Error(), "broken pipe") && !strings.Contains(err.Error(), "reset") {
		c.t.Error(err)
	}
}

// read is the next packet, or closed after a close frame without a status.
func (c *webSocket) read() string {
	c.conn.SetReadDeadline(time.Now().Add(requestLimit))
	frame, err := ws.ReadFrame(io.LimitReader(c.conn, 1<<20)) //nolint:staticcheck // the limit it asks for is here
	switch {
	case err != nil:
		return err.Error()
	case frame.Header.OpCode == ws.OpClose && len(frame.Payload) == 0:
		return closed
	case frame.Header.OpCode != ws.OpBinary:
		// A session that began with b64=1 gets binary as text.
		if data, ok := strings.CutPrefix(string(frame.Payload), "b4"); ok && c.version == "3" {
			return "b" + data
		}
		return anyID(string(frame.Payload))
	}
	data := frame.Payload
	if c.version == "3" {
		if len(data) == 0 || data[0] != 4 {
			return fmt.Sprintf("binary % x", data)
		}
		data = data[1:]
	}
	return "b" + base64.StdEncoding.EncodeToString(data)
}

func (c *webSocket) exchange(send, want string) string {
	if send != "" {
		for _, packet := range split(send) {
			c.write(packet)
		}
	}
	var got []string
	for range split(want) {
		packet := c.read()
		got = append(got, packet)
		if packet == closed {
			break
		}
	}
	return strings.Join(got, " ")
}
