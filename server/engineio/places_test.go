package engineio

import (
	"bufio"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A tally is what Options.Limited was told.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (l *tally) add(limit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = make(map[string]int)
	}
	l.counts[limit]++
}

func (l *tally) of(limit string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[limit]
}

// byHeader is an address that a test says.
func byHeader(r *http.Request) netip.Addr {
	address, _ := netip.ParseAddr(r.Header.Get("From"))
	return address
}

// ask sends a handshake from an address and returns the status, the body and
// Retry-After.
func (a *app) ask(t *testing.T, path, from, upgrade string) (status int, body, retry string) {
	t.Helper()
	conn := a.rawClient(t, "GET "+path+" HTTP/1.1\r\nHost: x\r\nFrom: "+from+"\r\n"+upgrade+"\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return res.StatusCode, "", "" // what follows has no end
	}
	p, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(p), res.Header.Get("Retry-After")
}

const websocketHeader = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// As many sessions as there may be are let in, and one more is not, over each
// way to begin one; when one has ended there is room again.
func TestPlaces(t *testing.T) {
	const (
		full    = "This server has as many sessions as it may"
		crowded = "This address has as many sessions as it may"
	)
	for _, tt := range []struct {
		name, path, upgrade string
		plain               bool // the answer is bare text
	}{
		{"polling", "/?EIO=4&transport=polling", "", false},
		{"polling, version 3", "/?EIO=3&transport=polling", "", false},
		{"websocket", "/?EIO=4&transport=websocket", websocketHeader, true},
		{"0.9", "/1/", "", false},
	} {
		for _, limit := range []struct {
			name    string
			opts    Options
			other   string // the address of the last
			status  int
			message string
		}{
			{LimitSessions, Options{MaxSessions: 3}, "192.0.2.2", 503, full},
			{LimitPerAddress, Options{MaxPerAddress: 3}, "192.0.2.1", 429, crowded},
		} {
			t.Run(tt.name+", "+limit.name, func(t *testing.T) {
				var told tally
				limit.opts.Limited, limit.opts.Address = told.add, byHeader
				a := newApp(t, &limit.opts)
				for i := range 3 {
					if status, body, _ := a.ask(t, tt.path, "192.0.2.1", tt.upgrade); status >= 400 {
						t.Fatalf("session %d was answered %d %s, want it let in", i+1, status, body)
					}
				}
				status, body, retry := a.ask(t, tt.path, limit.other, tt.upgrade)
				want := `{"code":4,"message":"` + limit.message + `"}`
				if tt.plain {
					want = limit.message
				}
				if status != limit.status || body != want || retry != "10" {
					t.Errorf("one more was answered %d %s, Retry-After %q, want %d %s, 10", status, body, retry, limit.status, want)
				}
				if got := told.of(limit.name); got != 1 {
					t.Errorf("Limited(%q) was called %d times, want once", limit.name, got)
				}
				// A WebSocket is answered before its session is there.
				eventually(t, "there are three", func() bool {
					a.mu.Lock()
					defer a.mu.Unlock()
					return a.Len() == 3 && len(a.sessions) == 3
				})
				a.mu.Lock()
				one := a.sessions[1]
				a.mu.Unlock()
				if got := one.Address(); got != netip.MustParseAddr("192.0.2.1") {
					t.Errorf("Address() = %v, want that of the request", got)
				}
				one.end("test")
				a.reason(t, one)
				if status, body, _ := a.ask(t, tt.path, limit.other, tt.upgrade); status >= 400 {
					t.Errorf("after one has ended: %d %s, want it let in", status, body)
				}
			})
		}
	}
}

// Another address has room when one has none, and who comes from nowhere is not
// counted by address.
func TestOtherAddresses(t *testing.T) {
	a := newApp(t, &Options{MaxPerAddress: 1, Address: byHeader})
	for _, tt := range []struct {
		from string
		want int
	}{
		{"192.0.2.1", 200}, {"192.0.2.1", 429}, {"192.0.2.2", 200}, {"2001:db8::1", 200}, {"", 200}, {"", 200},
	} {
		if got, _, _ := a.ask(t, "/?EIO=4&transport=polling", tt.from, ""); got != tt.want {
			t.Errorf("a handshake from %q = %d, want %d", tt.from, got, tt.want)
		}
	}
}

// Handshakes that fail half-way, and sessions that end in whatever way, are
// counted down once: a server for one session at a time serves them all.
func TestPlacesAreGivenBack(t *testing.T) {
	ids := make(chan string, 1)
	a := newApp(t, &Options{MaxSessions: 1, MaxPerAddress: 1, SessionIDGenerator: generator(ids)})
	empty := func(after string) {
		t.Helper()
		eventually(t, "no session is counted after "+after, func() bool {
			a.Server.mu.Lock()
			defer a.Server.mu.Unlock()
			return a.taken == 0 && len(a.places) == 0
		})
	}
	for range 3 {
		if status, _, _ := a.ask(t, "/?EIO=4&transport=websocket", "", "Connection: Upgrade\r\nUpgrade: websocket\r\n"); status != 400 {
			t.Errorf("a WebSocket without key = %d, want 400", status)
		}
		empty("a WebSocket without key")
		ids <- ""
		if got := httpGet(a.url + "EIO=4&transport=polling"); got.status != 400 {
			t.Errorf("a handshake without an id = %d, want 400", got.status)
		}
		empty("a handshake without an id")
		ids <- ""
		if got := httpGet(strings.Replace(a.url, "/?", "/1/", 1)); got.status != 400 {
			t.Errorf("a handshake of 0.9 without an id = %d, want 400", got.status)
		}
		empty("a handshake of 0.9 without an id")

		url, s := a.open(t, packet.V4)
		c := dial(t, strings.Replace(url, "polling", "websocket", 1))
		c.send(ws.OpText, "2probe")
		c.want("text 3probe")
		c.send(ws.OpText, "5")
		eventually(t, "the upgrade", func() bool { return s.Transport() == webSocket })
		if got := httpGet(a.url + "EIO=4&transport=polling"); got.status != 503 {
			t.Errorf("a handshake beside the one session = %d, want 503", got.status)
		}
		c.conn.Close()
		empty("a WebSocket that ended")

		url, _ = a.open(t, packet.V4)
		httpPost(url, "1")
		empty("a session that the client closed")
		_, s = a.open(t, packet.V4)
		s.Close("test")
		s.end("test")
		empty("a session that was closed twice")
	}
}

type generator chan string

// NewID is what the channel has, or a random one.
func (g generator) NewID() string {
	select {
	case id := <-g:
		return id
	default:
		return randomID{}.NewID()
	}
}

// A body that ends early, or that another POST cuts off, has not been too slow.
func TestBodyThatEnds(t *testing.T) {
	var told tally
	a := newApp(t, &Options{Limited: told.add})
	for _, again := range []bool{false, true} {
		url, s := a.open(t, packet.V4)
		conn := a.rawClient(t, pollRequest("POST", s, "Content-Length: 10\r\n")+"4a")
		eventually(t, "the POST has begun", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.post != nil
		})
		if again {
			httpPost(url, "4b")
		} else {
			conn.Close()
		}
		if got := a.reason(t, s); got != ReasonTransportError {
			t.Errorf("the session ended with %q, want %q", got, ReasonTransportError)
		}
		eventually(t, "the POST has ended", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.post == nil
		})
	}
	a.Close()
	if got := told.of(LimitBody); got != 0 {
		t.Errorf("Limited(%q) was called %d times, want never", LimitBody, got)
	}
}
