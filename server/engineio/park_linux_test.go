package engineio

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// pollParked reports whether the poll waits in the reactor.
func (s *Session) pollParked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.poll == nil {
		return false
	}
	_, ok := s.poll.replier.(*parked)
	return ok
}

// pollHeld reports whether the poll waits in its handler.
func (s *Session) pollHeld() bool { return s.pollWaits() && !s.pollParked() }

// newSite is an app beside other things: it has a layer and a web server of its
// own, which may be changed before it starts.
func newSite(t *testing.T, layer string, opts Options, change func(*httptest.Server)) *app {
	t.Helper()
	a := &app{reasons: make(map[string]string)}
	opts.Sockets = layer
	a.Server = NewServer(&opts, a.accept(t))
	mux := http.NewServeMux()
	mux.Handle("/", a.Server)
	mux.HandleFunc("/who", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RemoteAddr, " ", r.Context().Value(http.LocalAddrContextKey))
	})
	web := httptest.NewUnstartedServer(mux)
	if change != nil {
		change(web)
	}
	if web.TLS != nil {
		web.StartTLS()
	} else {
		web.Start()
	}
	a.url = "http://" + web.Listener.Addr().String() + "/?"
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		web.Close()
		a.checkEmpty(t)
	})
	return a
}

// A kept is a connection that a client keeps.
type kept struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (a *app) keep(t *testing.T) *kept {
	t.Helper()
	conn := a.rawClient(t, "")
	return &kept{t, conn, bufio.NewReader(conn)}
}

func (c *kept) send(request string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, request); err != nil {
		c.t.Fatal(err)
	}
}

// next is the next answer, or what there is instead.
func (c *kept) next() (h head, body string, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return head{}, "", err
	}
	defer res.Body.Close()
	p, err := io.ReadAll(res.Body)
	return head(*res), string(p), err
}

// A head is an answer whose body has been read.
type head http.Response

func (c *kept) want(bodies ...string) {
	c.t.Helper()
	for _, want := range bodies {
		if res, got, err := c.next(); err != nil || res.StatusCode != 200 || got != want {
			c.t.Fatalf("answer = %.200q, %v; want %.200q", got, err, want)
		}
	}
}

// begin is a session begun over c, and its path.
func (c *kept) begin(a *app, path string) (s *Session) {
	c.t.Helper()
	c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
	if res, body, err := c.next(); err != nil || res.StatusCode != 200 {
		c.t.Fatalf("handshake = %q, %v", body, err)
	}
	return a.last()
}

const (
	path3 = "/?EIO=3&transport=polling"
	path4 = "/?EIO=4&transport=polling"
)

// TestParkedAnswers polls in all ways that there are and compares every field
// and byte of the answers of both layers.
func TestParkedAnswers(t *testing.T) {
	long := strings.Repeat("x", 3000)
	send := func(messages ...string) func(*Session) {
		return func(s *Session) {
			frames := make([]Frame, 0, len(messages))
			for _, m := range messages {
				frames = append(frames, TextFrame(s.Version(), []byte(m)))
			}
			s.SendAll(NewBundle("", frames...))
		}
	}
	binary := func(s *Session) { s.Send(BinaryFrame(s.Version(), []byte{1, 2, 3})) }
	none := func(http.Header) {}
	cors := func(h http.Header) {
		h.Set("Access-Control-Allow-Origin", "http://app.example")
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Add("Vary", "Origin")
		h.Add("Set-Cookie", "a=1")
		h.Add("Set-Cookie", "b=2; Path=/")
	}
	for _, tt := range []struct {
		name, path, header string
		outer              func(http.Header)
		act                func(*Session)
	}{
		{"text", path4, "", none, send("a")},
		{"several", path4, "", none, send("a", "é😀")},
		{"EIO 3", path3, "", none, send("a", "é😀")},
		{"binary", path4, "", none, binary},
		{"binary of EIO 3", path3, "", none, binary},
		{"base64", path3 + "&b64=1", "", none, binary},
		{"JSONP", path4 + "&j=3", "", none, send("a\n")},
		{"JSONP of EIO 3", path3 + "&j=3", "Accept-Encoding: gzip\r\n", none, send(long)},
		{"gzip", path4, "Accept-Encoding: gzip, deflate, br\r\n", none, send(long)},
		{"deflate", path4, "Accept-Encoding: deflate\r\n", none, send(long)},
		{"no coding", path4, "", none, send(long)},
		{"short", path4, "Accept-Encoding: gzip\r\n", none, send("a")},
		{"coded by others", path4, "Accept-Encoding: gzip\r\n", func(h http.Header) { h.Set("Content-Encoding", "x") }, send(long)},
		{"large", path4, "", none, send(strings.Repeat(long, 300))},
		{"large and coded", path4, "Accept-Encoding: gzip\r\n", none, send(strings.Repeat(long, 300))},
		{"headers of others", path4, "Accept-Encoding: gzip\r\nOrigin: http://app.example\r\n", cors, send(long)},
		{"own origin", path4, "Origin: http://x\r\n", none, send("a")},
		{"header overwritten", path4, "", func(h http.Header) { h.Set("Content-Type", "x"); h["Cache-Control"] = []string{"a", "b"} }, send("a")},
		{"no date", path4, "", func(h http.Header) { h["Date"] = nil }, send("a")},
		{"own date", path4, "", func(h http.Header) { h.Set("Date", "x") }, send("a")},
		{"header that is none", path4, "", func(h http.Header) { h["a b"] = []string{"c"}; h["D"] = []string{"e\r\nF: g"} }, send("a")},
		{"old IE", path4, "User-Agent: Mozilla/4.0 (compatible ;MSIE 8.0)\r\n", none, send("a")},
		{"closed", path4, "", none, func(s *Session) { s.Close("bye") }},
		{"error", path3, "", none, func(s *Session) { s.end(ReasonParseError) }},
		{"0.9", "/1/xhr-polling/", "", none, send("3:::a")},
		{"0.9, several", "/1/xhr-polling/", "Accept-Encoding: gzip\r\n", none, send("3:::a", "3:::é")},
		{"0.9, JSONP", "/1/jsonp-polling/", "", none, send("3:::a")},
		{"0.9, end", "/1/xhr-polling/", "", cors, func(s *Session) { s.end(ReasonTransportError) }},
		{"0.9, idle", "/1/xhr-polling/", "", none, func(*Session) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got [2]string
			for i, layer := range layers {
				got[i] = parkedAnswer(t, layer, tt.path, tt.header, tt.outer, tt.act)
			}
			if got[0] != got[1] || !strings.HasPrefix(got[0], "HTTP/1.1 ") {
				t.Errorf("goroutines answer\n%.1500q,\nepoll\n%.1500q", got[0], got[1])
			}
		})
	}
}

// parkedAnswer is the answer to a poll that waits until act, in a form in which
// the order of fields does not matter.
func parkedAnswer(t *testing.T, layer, path, header string, outer func(http.Header), act func(*Session)) string {
	t.Helper()
	opts := Options{PingInterval: 2 * time.Second, PingTimeout: 2 * time.Second} // idle is 2 s then
	opts.Transports = both(func(*http.Request) bool { return true })
	a := newSite(t, layer, opts, func(web *httptest.Server) {
		next := web.Config.Handler
		web.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			outer(w.Header())
			next.ServeHTTP(w, r)
			w.Header().Set("Too-Late", "x")
		})
	})
	c := a.keep(t)
	query := ""
	if strings.HasPrefix(path, "/1/") {
		s := c.begin(a, "/1/")
		path, query = path+s.ID(), "?i=4"
	} else {
		query = "&sid=" + c.begin(a, path).ID()
	}
	s := a.last()
	c.send("GET " + path + query + " HTTP/1.1\r\nHost: x\r\n" + header + "\r\n")
	ready := s.pollHeld
	if layer == SocketsEpoll {
		ready = s.pollParked
	}
	eventually(t, "the poll waits", ready)
	act(s)
	res, body, err := c.next()
	if err != nil {
		return err.Error()
	}
	fields := []string{}
	for name, values := range res.Header {
		if _, err := http.ParseTime(values[0]); name == "Date" && err == nil {
			values = []string{"now"}
		}
		for _, v := range values {
			fields = append(fields, name+": "+v)
		}
	}
	slices.Sort(fields)
	return fmt.Sprintln(res.Proto, res.Status, fields, res.ContentLength, res.TransferEncoding, res.Close) + body
}

// TestHeld are the polls that stay in their handlers with epoll too, and work.
func TestHeld(t *testing.T) {
	wrap := func(w func(http.ResponseWriter) http.ResponseWriter) func(*httptest.Server) {
		return func(web *httptest.Server) {
			next := web.Config.Handler
			web.Config.Handler = http.HandlerFunc(func(hw http.ResponseWriter, r *http.Request) { next.ServeHTTP(w(hw), r) })
		}
	}
	for _, tt := range []struct {
		name, layer, proto, header string
		change                     func(*httptest.Server)
	}{
		{"goroutines", SocketsGoroutine, "1.1", "", nil},
		{"HTTP/1.0", SocketsEpoll, "1.0", "Connection: keep-alive\r\n", nil},
		{"close", SocketsEpoll, "1.1", "Connection: close\r\n", nil},
		{"with a body", SocketsEpoll, "1.1", "Transfer-Encoding: chunked\r\n", nil},
		{"wrapped writer", SocketsEpoll, "1.1", "", wrap(func(w http.ResponseWriter) http.ResponseWriter {
			return struct {
				http.ResponseWriter
				http.Flusher
				http.Hijacker
			}{w, w.(http.Flusher), w.(http.Hijacker)}
		})},
		{"writer that unwraps", SocketsEpoll, "1.1", "", wrap(func(w http.ResponseWriter) http.ResponseWriter { return &unwraps{w} })},
		{"closed by others", SocketsEpoll, "1.1", "", wrap(func(w http.ResponseWriter) http.ResponseWriter {
			w.Header().Set("Connection", "close")
			return w
		})},
		{"wrapped connection", SocketsEpoll, "1.1", "", func(web *httptest.Server) { web.Listener = wrapping{web.Listener} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newSite(t, tt.layer, Options{}, tt.change)
			_, s := a.open(t, packet.V4)
			c := a.keep(t)
			c.send("GET " + path4 + "&sid=" + s.ID() + " HTTP/" + tt.proto + "\r\nHost: x\r\n" + tt.header + "\r\n")
			eventually(t, "the poll waits", s.pollHeld)
			s.Send(TextFrame(packet.V4, []byte("a")))
			if strings.Contains(tt.header, "chunked") {
				c.send("0\r\n\r\n")
			}
			c.want("4a")
		})
	}
}

type unwraps struct{ http.ResponseWriter }

func (u *unwraps) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// wrapping is a listener whose connections are not plain ones.
type wrapping struct{ net.Listener }

func (l wrapping) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return struct{ net.Conn }{c}, err
}
