package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/server/engineio"
)

// A pipes is a network in memory, for tests in which time is not real.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// A timed is a server on a network in memory.
type timed struct {
	*Server
	t *testing.T
	l *pipes
}

// inTime runs f in a bubble with a server that is served.
func inTime(t *testing.T, f func(x *timed)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		broker := &always{}
		s, err := New(Config{
			Broker: broker, Log: log, PublishKeys: []string{"key"}, Sockets: engineio.SocketsGoroutine,
			PingInterval: 24 * time.Hour, // nobody answers heartbeats
			Canary:       -1,             // its socket is a real one
		})
		if err != nil {
			t.Fatal(err)
		}
		broker.server = s
		x := &timed{s, t, &pipes{make(chan net.Conn), make(chan struct{})}}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Serve(ctx, x.l) }() // ends with ctx
		f(x)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
}

// A pipe is one connection to a timed.
type pipe struct {
	net.Conn
	r *bufio.Reader
}

func (x *timed) dial() *pipe {
	client, server := net.Pipe()
	x.l.conns <- server
	x.t.Cleanup(func() { client.Close() })
	return &pipe{client, bufio.NewReader(client)}
}

// send sends bytes; the server may have closed the connection.
func (c *pipe) send(text string) { _, _ = io.WriteString(c.Conn, text) }

// answer is the status and the body of an answer, or "closed".
func (c *pipe) answer() string {
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return "closed"
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return strings.TrimSpace(fmt.Sprint(res.StatusCode, " ", string(body)))
}

// poll is a request of a polling session.
func (x *timed) poll(method, sid, body string) string {
	c := x.dial()
	defer c.Close()
	c.send(fmt.Sprintf("%s /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, sid, len(body), body))
	return c.answer()
}

// session begins a polling session that has joined, and is the sid for its URLs.
func (x *timed) session() string {
	x.t.Helper()
	_, rest, _ := strings.Cut(x.poll("GET", "", ""), `"sid":"`)
	sid, _, ok := strings.Cut(rest, `"`)
	if sid = "&sid=" + sid; !ok || x.poll("POST", sid, "40") != "200 ok" {
		x.t.Fatal("no session was made")
	}
	return sid
}

// webSocket begins one, for a session or of its own.
func (x *timed) webSocket(sid string) *pipe {
	x.t.Helper()
	c := x.dial()
	c.send("GET /socket.io/?EIO=4&transport=websocket" + sid + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		x.t.Fatal(err)
	}
	defer res.Body.Close() // it has none
	if res.StatusCode != http.StatusSwitchingProtocols {
		x.t.Fatalf("the upgrade was answered %d", res.StatusCode)
	}
	return c
}

// say sends a text message.
func (c *pipe) say(text string) bool {
	return wsutil.WriteClientText(c.Conn, []byte(text)) == nil
}

// hear is the next message, or "closed".
func (c *pipe) hear() string {
	h, payload, err := readFrame(c.r)
	if err != nil || h.OpCode == ws.OpClose {
		return "closed"
	}
	return payload
}

// Every time that a client is given is enough a millisecond before its end, and
// over a millisecond after it.
func TestTimeouts(t *testing.T) {
	const request = "GET /healthz HTTP/1.1\r\nHost: x\r\n"
	for _, tt := range []struct {
		limit  string
		time   time.Duration
		try    func(x *timed, wait func()) string
		ok     string // how the answer in time begins
		answer string // the one after it, as a whole
	}{
		{"header_timeout", 10 * time.Second, func(x *timed, wait func()) string {
			c := x.dial()
			wait()
			c.send(request + "\r\n")
			return c.answer()
		}, "200 ok", "closed"},
		{"header_timeout", 10 * time.Second, func(x *timed, wait func()) string {
			c := x.dial()
			c.send(request)
			wait()
			c.send("\r\n")
			return c.answer()
		}, "200 ok", "closed"},
		{"body_timeout", 15 * time.Second, func(x *timed, wait func()) string {
			c := x.dial()
			c.send("POST /socket.io/?EIO=4&transport=polling" + x.session() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\n42[")
			wait()
			go c.send(`"x"]`) // the server may not read it
			return c.answer()
		}, "200 ok", "408"},
		{"publish_timeout", 15 * time.Second, func(x *timed, wait func()) string {
			c := x.dial()
			c.send("POST /api/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key\r\nContent-Length: 2\r\n\r\n[")
			wait()
			go c.send("]")
			return c.answer()
		}, `400 {"error":{"code":"bad_request","message":"there is nothing`, `408 {"error":{"code":"bad_request","message":"the request took too long to come"}}`},
		{"connect_timeout", 10 * time.Second, func(x *timed, wait func()) string {
			c := x.webSocket("")
			defer c.Close()
			c.hear() // the open packet
			wait()
			go c.say("40")
			return c.hear()
		}, "40{", "closed"},
		{"upgrade_timeout", 10 * time.Second, func(x *timed, wait func()) string {
			sid := x.session()
			x.poll("GET", sid, "") // what has come
			c := x.webSocket(sid)
			defer c.Close()
			c.say("2probe")
			c.hear() // the answer
			wait()
			go func() { _ = c.say("5") && c.say(`421["unsubscribe","x"]`) }()
			return c.hear()
		}, "431[", "closed"},
	} {
		t.Run(tt.limit, func(t *testing.T) {
			inTime(t, func(x *timed) {
				for _, late := range []bool{false, true} {
					at, want := tt.time-time.Millisecond, tt.ok
					if late {
						at, want = tt.time+time.Millisecond, tt.answer
					}
					begun := time.Now()
					got := tt.try(x, func() { time.Sleep(at) })
					if !strings.HasPrefix(got, want) || late && got != want {
						x.t.Errorf("after %v: %q, want %q", time.Since(begun), got, want)
					}
					refused := uint64(0)
					if late {
						refused = 1
					}
					for limit, n := range x.refusals {
						if got := n.Load(); limit == tt.limit && got != refused || limit != tt.limit && got != 0 {
							x.t.Errorf("after %v %s was refused %d times", time.Since(begun), limit, got)
						}
					}
				}
			})
		})
	}
}
