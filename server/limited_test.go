package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// padded is before and after with so much between them that all has size bytes.
func padded(before string, size int, after string) string {
	return before + strings.Repeat("x", size-len(before)-len(after)) + after
}

// refusals are the values of stream_refused_total, by limit.
func (n *node) refusals(t *testing.T) map[string]float64 {
	t.Helper()
	resp, err := http.Get(n.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := make(map[string]float64)
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		var limit string
		var value float64
		text := strings.NewReplacer(`"`, " ", "}", "").Replace(lines.Text())
		if _, err := fmt.Sscanf(text, "stream_refused_total{limit= %s %g", &limit, &value); err == nil {
			found[limit] = value
		}
	}
	if len(found) == 0 {
		t.Fatal("/metrics has no stream_refused_total")
	}
	return found
}

// limited is a server that is gone to the limits of.
type limited struct {
	t *testing.T
	n *node

	open []net.Conn
}

// hangUp closes the WebSockets, for which a server that stops would wait.
func (x *limited) hangUp() {
	for _, conn := range x.open {
		conn.Close()
	}
}

// http sends a request and returns the status and the body of the answer.
func (x *limited) http(what, header, body string) string {
	x.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(x.n.url, "http://"))
	if err != nil {
		x.t.Fatal(err)
	}
	defer conn.Close()
	request := what + " HTTP/1.1\r\nHost: x\r\n" + header
	if body != "" {
		request += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	go io.WriteString(conn, request+"\r\n"+body) // ends with conn
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		x.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		x.t.Fatal(err)
	}
	return fmt.Sprint(res.StatusCode, " ", string(answer))
}

// join begins a polling session and is the path of its requests.
func (x *limited) join() string {
	x.t.Helper()
	const path = "/socket.io/?EIO=4&transport=polling"
	answer := x.http("GET "+path, "", "")
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(answer, "200 0")), &open); err != nil {
		x.t.Fatalf("the handshake was answered %s", answer)
	}
	own := path + "&sid=" + open.SID
	if got := x.post(own, "40"); got != "200 ok" {
		x.t.Fatalf("CONNECT was answered %s", got)
	}
	return own
}

func (x *limited) post(path, body string) string { return x.http("POST "+path, "", body) }

// quiet begins a polling session that hears a channel and does not poll any
// more.
func (x *limited) quiet(channel string) {
	x.t.Helper()
	path := x.join()
	x.post(path, `420["subscribe","`+channel+`"]`)
	for polled := ""; !strings.Contains(polled, `430[{"ok":true`); { // what is published before that may be lost
		if polled = x.http("GET "+path, "", ""); !strings.HasPrefix(polled, "200 ") {
			x.t.Fatalf("a poll was answered %s", polled)
		}
	}
	if queued := x.n.metric(x.t, "stream_queued_bytes"); queued != 0 {
		x.t.Fatalf("%v bytes are queued after a poll, want 0", queued)
	}
}

// fill publishes to a channel that one client hears, so that size bytes are
// queued in all.
func (x *limited) fill(channel string, size int) {
	x.t.Helper()
	queued := func() int { return int(x.n.metric(x.t, "stream_queued_bytes")) }
	before := queued()
	x.n.Message(channel, []byte(`"`+strings.Repeat("x", 20_000)+`"`)) // lengths up to 64 KiB have two bytes
	around := queued() - before - 20_000
	rest := size - before - around - 20_000
	if rest-around-6 > 1<<16 {
		around += 6 // eight bytes
	}
	x.n.Message(channel, []byte(`"`+strings.Repeat("x", rest-around)+`"`))
	if got := queued(); got != size && x.n.Sessions().Len() > 0 && x.n.metric(x.t, "stream_slow_clients_closed_total") == 0 {
		x.t.Fatalf("%d bytes are queued, want %d", got, size)
	}
}

// left is how many of the sessions are left.
func (x *limited) left(of int) string {
	x.t.Helper()
	closed := int(x.n.metric(x.t, "stream_slow_clients_closed_total"))
	eventually(x.t, "the slow are gone", func() bool { return x.n.Sessions().Len() == of-closed })
	if of-closed == 1 {
		return "1 session"
	}
	return fmt.Sprint(of-closed, " sessions")
}

// subscribe asks for count channels from the first on, and returns "ok" or the
// code of the error.
func (x *limited) subscribe(b *browser, first, count int) string {
	x.t.Helper()
	tags := make([]string, count)
	for i := range tags {
		tags[i] = fmt.Sprint("c", first+i)
	}
	if a := b.call("subscribe", tags); !a.OK {
		return a.Error.Code
	}
	return "ok"
}

// A socket is a WebSocket that sends frames of any kind.
type socket struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

// webSocket is one that has joined.
func (x *limited) webSocket() *socket {
	x.t.Helper()
	conn, r, _, err := ws.Dial(x.t.Context(), strings.Replace(x.n.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		x.t.Fatal(err)
	}
	x.open = append(x.open, conn)
	c := &socket{x.t, conn, reader(conn, r)}
	c.send(ws.OpText, true, "40")
	for last := ""; !strings.HasPrefix(last, "42"); { // $session
		last = c.hear()
	}
	return c
}

// reader reads what comes on a connection, after what came with the handshake.
func reader(conn net.Conn, r *bufio.Reader) *bufio.Reader {
	if r == nil {
		r = bufio.NewReader(conn)
	}
	return r
}

// send sends one frame; the server may have closed the connection.
func (c *socket) send(op ws.OpCode, fin bool, data string) {
	_, _ = c.Write(masked(op, fin, data))
}

// masked is a frame of a client.
func masked(op ws.OpCode, fin bool, data string) []byte {
	return ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewFrame(op, fin, []byte(data))))
}

// hear is the next message, or "close" with the status.
func (c *socket) hear() string {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		c.t.Fatalf("reading a frame: %v", err)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		c.t.Fatalf("reading a frame: %v", err)
	}
	if h.OpCode != ws.OpClose {
		return string(payload)
	}
	if h.Length < 2 {
		return "close"
	}
	code, _ := ws.ParseCloseFrameData(payload)
	return fmt.Sprint("close ", int(code))
}

// ask sends a text message and returns what comes next.
func (c *socket) ask(text string) string {
	c.t.Helper()
	c.send(ws.OpText, true, text)
	return c.hear()
}
