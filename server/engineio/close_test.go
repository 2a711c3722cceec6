package engineio

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A rawClient writes requests byte by byte.
func (a *app) rawClient(t *testing.T, request string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(a.url, "http://"), "/?"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn
}

// pollRequest is a GET or POST of a session, up to its header's end.
func pollRequest(method string, s *Session, header string) string {
	return method + " /?EIO=" + string('0'+rune(s.Version())) + "&transport=polling&sid=" + s.ID() +
		" HTTP/1.1\r\nHost: x\r\n" + header + "\r\n"
}

func (s *Session) pollWaits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poll != nil
}

func (s *Session) postWaits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.post != nil
}

func TestAbortedPoll(t *testing.T) {
	a := newApp(t, nil)
	_, s := a.open(t, packet.V4)
	conn := a.rawClient(t, pollRequest("GET", s, ""))
	eventually(t, "the poll waits", s.pollWaits)
	conn.Close()
	if got := a.reason(t, s); got != ReasonTransportError {
		t.Errorf("session ended with %q, want %q", got, ReasonTransportError)
	}
}

// TestConnectionClose checks that the header alone does not end a session.
func TestConnectionClose(t *testing.T) {
	a := newApp(t, nil)
	url, s := a.open(t, packet.V4)
	for range 3 {
		conn := a.rawClient(t, pollRequest("GET", s, "Connection: close\r\n"))
		eventually(t, "the poll waits", s.pollWaits)
		s.Send(TextFrame(packet.V4, []byte("x")))
		p, err := io.ReadAll(conn)
		if err != nil || !strings.HasSuffix(string(p), "\r\n\r\n4x") {
			t.Fatalf("poll = %q, %v; want 4x", p, err)
		}
	}
	if got := httpPost(url, "4a"); got.body != "ok" {
		t.Errorf("POST = %d %q, want ok", got.status, got.body)
	}
}

// TestConnectionGoesAfterAnswer: a client that has its answer may leave.
func TestConnectionGoesAfterAnswer(t *testing.T) {
	a := newApp(t, nil)
	_, s := a.open(t, packet.V4)
	for range 200 {
		conn := a.rawClient(t, pollRequest("GET", s, ""))
		s.Send(TextFrame(packet.V4, []byte("x")))
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := io.ReadAll(res.Body)
		res.Body.Close()
		conn.Close()
		if string(p) != "4x" || err != nil {
			t.Fatalf("poll = %q, %v; want 4x", p, err)
		}
	}
	if a.lookup(s.ID()) != s {
		t.Error("the session is gone, want it kept")
	}
}

func TestPostCut(t *testing.T) {
	a := newApp(t, nil)
	_, s := a.open(t, packet.V4)
	conn := a.rawClient(t, pollRequest("POST", s, "Content-Length: 100\r\n")+"4")
	eventually(t, "the POST is read", s.postWaits)
	conn.Close()
	if got := a.reason(t, s); got != ReasonTransportError {
		t.Errorf("session ended with %q, want %q", got, ReasonTransportError)
	}
}

// TestSecondPost: the second is refused, the first is cut, the session ends and
// its poll is answered.
func TestSecondPost(t *testing.T) {
	a := newApp(t, nil)
	url, s := a.open(t, packet.V4)
	poll := a.rawClient(t, pollRequest("GET", s, "Connection: close\r\n"))
	eventually(t, "the poll waits", s.pollWaits)
	first := a.rawClient(t, pollRequest("POST", s, "Content-Length: 100\r\n")+"4")
	eventually(t, "the POST is read", s.postWaits)
	if got := httpPost(url, "4a"); got.status != 400 || got.body != "" {
		t.Errorf("second POST = %d %q, want 400", got.status, got.body)
	}
	if p, _ := io.ReadAll(first); len(p) > 0 {
		t.Errorf("first POST = %q, want its connection cut", p)
	}
	if p, _ := io.ReadAll(poll); !strings.HasSuffix(string(p), "\r\n\r\n1") {
		t.Errorf("poll = %q, want 1", p)
	}
	if got := a.reason(t, s); got != ReasonTransportError {
		t.Errorf("session ended with %q, want %q", got, ReasonTransportError)
	}
}

// TestClosedWaitsForMessage ends a session whose receiver is busy.
func TestClosedWaitsForMessage(t *testing.T) {
	a := newApp(t, nil)
	entered, leave := make(chan struct{}), make(chan struct{})
	a.hook = func(*Session, []byte, bool) bool {
		close(entered)
		<-leave
		return true
	}
	c, s := a.openWS(t, "EIO=4")
	c.text("4a")
	<-entered
	s.Close("bye")
	c.want("close 1005", "end")
	if a.lookup(s.ID()) != nil {
		eventually(t, "the session leaves the table", func() bool { return a.lookup(s.ID()) == nil })
	}
	a.mu.Lock()
	if n := len(a.reasons); n != 0 {
		t.Errorf("Closed was called %d times during Message, want 0", n)
	}
	a.mu.Unlock()
	close(leave)
	if got := a.reason(t, s); got != "bye" {
		t.Errorf("session ended with %q, want bye", got)
	}
}

// TestCloseFromAccept ends sessions before they have begun.
func TestCloseFromAccept(t *testing.T) {
	a := newApp(t, nil)
	inner := a.Server.accept
	a.Server.accept = func(s *Session) Receiver {
		s.Send(TextFrame(s.Version(), []byte("0")))
		s.Close("not you")
		return inner(s)
	}
	url, s := a.open(t, packet.V3)
	if got := httpGet(url); got.body != "2:40" {
		t.Errorf("first poll = %q, want 2:40", got.body)
	}
	if got := httpGet(url); got.body != "1:61:1" {
		t.Errorf("second poll = %q, want 1:61:1", got.body)
	}
	if got := a.reason(t, s); got != "not you" {
		t.Errorf("session ended with %q, want not you", got)
	}
	c, s := a.openWS(t, "EIO=3")
	c.want("text 40", "close 1005", "end")
	if got := a.reason(t, s); got != "not you" {
		t.Errorf("session ended with %q, want not you", got)
	}
}

// TestShutdown ends all kinds of sessions, and answers their polls.
func TestShutdown(t *testing.T) {
	a := newApp(t, nil)
	_, s := a.open(t, packet.V4)
	poll := a.rawClient(t, pollRequest("GET", s, "Connection: close\r\n"))
	eventually(t, "the poll waits", s.pollWaits)
	probe := dial(t, a.url+"EIO=4&transport=websocket&sid="+s.ID())
	probe.text("2probe")
	probe.want("text 3probe")
	p, _ := io.ReadAll(poll)
	if !strings.HasSuffix(string(p), "\r\n\r\n6") {
		t.Fatalf("poll = %q, want 6", p)
	}
	_, idle := a.open(t, packet.V4)
	c, live := a.openWS(t, "EIO=4")

	done := make(chan error, 1)
	go func() { done <- a.Close() }() // ends when all clients have
	c.want("close 1001", "end")
	probe.want("close 1005", "end")
	c.conn.Close()
	probe.conn.Close()
	if err := <-done; err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
	for _, s := range []*Session{s, idle, live} {
		if got := a.reason(t, s); got != ReasonShutdown {
			t.Errorf("session ended with %q, want %q", got, ReasonShutdown)
		}
	}
}

// TestSendAfterEnd does nothing, and neither does anything else.
func TestSendAfterEnd(t *testing.T) {
	a := newApp(t, nil)
	c, s := a.openWS(t, "EIO=4")
	c.send(ws.OpClose, "\x03\xe8")
	c.want("close 1000", "end")
	a.reason(t, s)
	s.Send(TextFrame(packet.V4, []byte("x")))
	s.SendAll(NewBundle("", TextFrame(packet.V4, []byte("x"))))
	s.Close("again")
	if s.Writable() {
		t.Error("Writable() of an ended session = true, want false")
	}
	if got := a.reason(t, s); got != ReasonTransportClose {
		t.Errorf("session ended with %q, want %q", got, ReasonTransportClose)
	}
}

// TestTLS is a session on a socket that cannot be written to without a
// goroutine.
func TestTLS(t *testing.T) {
	a := newApp(t, nil)
	web := httptest.NewTLSServer(a.Server)
	t.Cleanup(web.Close)
	conn, err := tls.Dial("tcp", web.Listener.Addr().String(), web.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := handshake(t, conn, "/?EIO=4&transport=websocket", "")
	c.next()
	for range 100 {
		c.text("4" + strings.Repeat("a", 2000))
	}
	for range 100 {
		c.want("text 4" + strings.Repeat("a", 2000))
	}
	if s := a.last(); !s.Handshake().Secure {
		t.Error("Handshake().Secure = false, want true")
	}
	c.text("4kick")
	c.want("text 41", "close 1005", "end")
}
