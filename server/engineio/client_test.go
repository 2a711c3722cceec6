package engineio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// A wsClient is the client's end of a WebSocket.
type wsClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// upgradeRequest is the request for a WebSocket at path.
func upgradeRequest(path, more string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + more + "\r\n"
}

// dial opens a WebSocket at a URL like those of httpGet.
func dial(t *testing.T, url string) *wsClient {
	t.Helper()
	host, query, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return handshake(t, conn, "/"+query, "")
}

// handshake opens a WebSocket on conn; early is sent along with the request.
func handshake(t *testing.T, conn net.Conn, path, early string) *wsClient {
	t.Helper()
	c, _ := handshakeWith(t, conn, path, "", early)
	return c
}

// handshakeWith has more header, and returns that of the answer.
func handshakeWith(t *testing.T, conn net.Conn, path, more, early string) (*wsClient, http.Header) {
	t.Helper()
	c := &wsClient{t, conn, bufio.NewReader(conn)}
	c.raw(upgradeRequest(path, more) + early)
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		p, _ := io.ReadAll(res.Body)
		res.Body.Close()
		t.Fatalf("upgrade = %d %q, want 101", res.StatusCode, p)
	}
	return c, res.Header
}

// clientFrame is a frame as a client sends it.
func clientFrame(op ws.OpCode, fin bool, data string) string {
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	return string(ws.MustCompileFrame(ws.MaskFrameWith(ws.NewFrame(op, fin, []byte(data)), mask)))
}

func (c *wsClient) send(op ws.OpCode, data string) {
	c.raw(clientFrame(op, true, data))
}

func (c *wsClient) raw(frames string) {
	if _, err := io.WriteString(c.conn, frames); err != nil {
		c.t.Logf("client could not send: %v", err)
	}
}

func (c *wsClient) text(data string) { c.send(ws.OpText, data) }

// next is the next frame, written as the tests write it: "text 4a",
// "binary 0102", "pong x", "close 1005", or "end" when there is none.
func (c *wsClient) next() string {
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	h, err := ws.ReadHeader(c.r)
	if errors.Is(err, io.EOF) {
		return "end"
	}
	if err != nil {
		return "error " + err.Error()
	}
	data := make([]byte, h.Length)
	if _, err := io.ReadFull(c.r, data); err != nil {
		return "error " + err.Error()
	}
	switch {
	case h.Masked || !h.Fin || h.Rsv != 0:
		return fmt.Sprintf("bad header %+v", h)
	case h.OpCode == ws.OpText:
		return "text " + string(data)
	case h.OpCode == ws.OpBinary:
		return strings.TrimSpace(fmt.Sprintf("binary %x", data))
	case h.OpCode == ws.OpPong:
		return "pong " + string(data)
	case h.OpCode == ws.OpClose && len(data) == 0:
		return "close 1005"
	case h.OpCode == ws.OpClose:
		code, _ := ws.ParseCloseFrameData(data)
		return fmt.Sprintf("close %d", code)
	default:
		return fmt.Sprintf("frame %+v", h)
	}
}

// want is what next must be, for each of frames.
func (c *wsClient) want(frames ...string) {
	c.t.Helper()
	for _, want := range frames {
		if got := c.next(); got != want {
			c.t.Fatalf("client got frame %.200q, want %.200q", got, want)
		}
	}
}

// openWS begins a session on a WebSocket and takes the open packet, which is
// there before the application knows the session.
func (a *app) openWS(t *testing.T, query string) (c *wsClient, s *Session) {
	t.Helper()
	c = dial(t, a.url+query+"&transport=websocket")
	open, ok := strings.CutPrefix(c.next(), `text 0{"sid":"`)
	if !ok {
		t.Fatalf("first frame = %q, want the open packet", open)
	}
	sid, _, _ := strings.Cut(open, `"`)
	eventually(t, "the session", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, s = range a.sessions {
			if s.ID() == sid {
				return true
			}
		}
		return false
	})
	return c, s
}
