package engineio

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/leaktest"
	"github.com/sb-stream/stream-server/server/engineio/packet"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// An app is the application of a test: it echoes every message, and notes how
// its receivers are called.
type app struct {
	*Server
	url string // of the server, to "/?"

	mu       sync.Mutex
	sessions []*Session        // in the order of their handshakes
	reasons  map[string]string // sid → reason of Closed
	hook     func(s *Session, data []byte, binary bool) bool
}

// newApp serves sessions on loopback until the test ends, when none may be left
// in the table or in the statistics.
func newApp(t *testing.T, opts *Options) *app {
	t.Helper()
	a := &app{reasons: make(map[string]string)}
	if opts == nil {
		opts = &Options{}
	}
	if sockets := os.Getenv("STREAM_TEST_SOCKETS"); sockets != "" { // the tests run over both
		opts.Sockets = sockets
	}
	if opts.Address == nil { // so that all tests see that sessions are counted down
		opts.Address = func(*http.Request) netip.Addr { return netip.IPv6Loopback() }
	}
	a.Server = NewServer(opts, a.accept(t))
	web := httptest.NewServer(a.Server)
	a.url = web.URL + "/?"
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		web.Close()
		http.DefaultClient.CloseIdleConnections()
		a.checkEmpty(t)
	})
	return a
}

func (a *app) accept(t *testing.T) func(*Session) Receiver {
	return func(s *Session) Receiver {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.sessions = append(a.sessions, s)
		return &echo{t: t, app: a, session: s}
	}
}

func (a *app) checkEmpty(t *testing.T) {
	t.Helper()
	if n := a.Len(); n != 0 {
		t.Errorf("Len() = %d in the end, want 0", n)
	}
	// The handler of a handshake that met the end counts it down after that.
	eventually(t, "no session is counted", func() bool {
		a.Server.mu.Lock()
		defer a.Server.mu.Unlock()
		return a.taken == 0 && len(a.places) == 0
	})
	for kind, n := range a.Stats().Sessions {
		if n != 0 {
			t.Errorf("Stats() count %d sessions of %v in the end, want 0", n, kind)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.reasons) != len(a.sessions) {
		t.Errorf("%d of %d receivers were told of the end", len(a.reasons), len(a.sessions))
	}
}

// last is the newest session.
func (a *app) last() *Session {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sessions[len(a.sessions)-1]
}

// reason waits for the end of a session and says why it came.
func (a *app) reason(t *testing.T, s *Session) (reason string) {
	t.Helper()
	eventually(t, "the end of the session", func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		var ok bool
		reason, ok = a.reasons[s.ID()]
		return ok
	})
	return reason
}

// An echo is a Receiver that sends back what it gets.
type echo struct {
	t       *testing.T
	app     *app
	session *Session

	mu   sync.Mutex
	busy bool
	over bool
}

func (e *echo) enter(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy || e.over {
		e.t.Errorf("%s was called during another call or after Closed", what)
	}
	e.busy = true
}

func (e *echo) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy = false
}

func (e *echo) Message(data []byte, binary bool) {
	e.enter("Message")
	defer e.leave()
	e.app.mu.Lock()
	hook := e.app.hook
	e.app.mu.Unlock()
	switch v := e.session.Version(); {
	case hook != nil && hook(e.session, data, binary):
	case binary:
		e.session.Send(BinaryFrame(v, data))
	case string(data) == "kick": // as Socket.IO disconnects
		e.session.Send(TextFrame(v, []byte("1")))
		e.session.Close("kicked")
	case string(data) == "close":
		e.session.Close("closed")
	case string(data) == "unit":
		e.session.SendAll(NewBundle("", TextFrame(v, []byte("51-[]")), BinaryFrame(v, []byte{1, 2, 3, 4})))
	default:
		e.session.Send(TextFrame(v, data))
	}
}

func (e *echo) Closed(reason string) {
	e.enter("Closed")
	defer e.leave()
	if e.app.lookup(e.session.ID()) == e.session {
		e.t.Error("Closed was called while the session was in the table")
	}
	e.mu.Lock()
	e.over = true
	e.mu.Unlock()
	e.app.mu.Lock()
	defer e.app.mu.Unlock()
	e.app.reasons[e.session.ID()] = reason
}

// eventually waits until ok is true.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// An answer is one of HTTP.
type answer struct {
	status int
	body   string
	header http.Header
	err    error
}

func do(method, url, contentType, body string) answer {
	return doWith(http.DefaultClient, method, url, contentType, body)
}

func doWith(client *http.Client, method, url, contentType, body string) answer {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res, err := client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	p, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(p), res.Header, err}
}

func httpGet(url string) answer { return do("GET", url, "", "") }

func httpPost(url, body string) answer { return do("POST", url, "text/plain;charset=UTF-8", body) }

// open begins a session on polling and is the URL of its requests.
func (a *app) open(t *testing.T, v packet.Version) (url string, s *Session) {
	t.Helper()
	url = a.url + "EIO=" + string('0'+rune(v)) + "&transport=polling"
	if got := httpGet(url); got.status != http.StatusOK {
		t.Fatalf("handshake = %d %q, %v", got.status, got.body, got.err)
	}
	s = a.last()
	return url + "&sid=" + s.ID(), s
}
