package server

import (
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/server/socketio"
)

func TestHashesOfTheLog(t *testing.T) {
	keys := func(list ...string) (keys [][]byte) {
		for _, key := range list {
			keys = append(keys, []byte(key))
		}
		return keys
	}
	here, there, other := newHasher(keys("a guest key")), newHasher(keys("a guest key", "an older one")), newHasher(keys("another"))
	one, again := newHasher(nil), newHasher(nil)
	const id = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if got := here.short(id); !regexp.MustCompile(`^[0-9a-f]{8}$`).MatchString(got) || got != there.short(id) {
		t.Errorf("short = %q and %q on two nodes with one key, want the same eight digits", got, there.short(id))
	}
	if here.short(id) == other.short(id) || one.short(id) == again.short(id) {
		t.Error("hashes of other keys are the same: whoever knows none could try all addresses")
	}
	a := netip.MustParseAddr("203.0.113.5")
	if here.address(a) != here.short("203.0.113.5") || here.address(netip.Addr{}) != "none" {
		t.Errorf("address = %q and %q, want a hash, and none", here.address(a), here.address(netip.Addr{}))
	}
}

func TestHideAddresses(t *testing.T) {
	w := &webLog{hash: newHasher([][]byte{[]byte("key")})}
	hashed := func(addr string) string { return w.hash.address(netip.MustParseAddr(addr)) }
	v4, v6 := hashed("203.0.113.5"), hashed("2001:db8::9")
	for _, tt := range []struct{ in, want string }{
		{"http: TLS handshake error from 203.0.113.5:1234: EOF", "http: TLS handshake error from " + v4 + ": EOF"},
		{"http: TLS handshake error from [2001:db8::9]:1234: EOF", "http: TLS handshake error from " + v6 + ": EOF"},
		{"from [fe80::1%eth0]:1234: EOF", "from " + hashed("fe80::1") + ": EOF"},
		{"from 203.0.113.5:1: read tcp 10.0.0.1:443->203.0.113.5:1: i/o timeout", "from " + v4 + ": read tcp " + hashed("10.0.0.1") + "->" + v4 + ": i/o timeout"},
		{"bare 203.0.113.5 and 2001:db8::9.", "bare " + v4 + " and " + v6 + "."},
		{"http: panic serving 203.0.113.5:1234: boom\ngoroutine 12 [running]:\nserver.go:1898 +0x1d", "http: panic serving " + v4 + ": boom\ngoroutine 12 [running]:\nserver.go:1898 +0x1d"},
		{"tls: client offered only unsupported versions: [302 301]", "tls: client offered only unsupported versions: [302 301]"},
		{"version 1.2.3, at 12:34:56", "version 1.2.3, at 12:34:56"},
	} {
		if got := string(w.hideAddresses([]byte(tt.in))); got != tt.want {
			t.Errorf("hideAddresses(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestLoggableOrigin(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"https://app.example", "https://app.example"},
		{"http://app.example:8080", "http://app.example:8080"},
		{"https://user:secret@app.example", "not an origin"},
		{"https://app.example/?token=secret", "not an origin"},
		{"https://app.example/secret", "https://app.example"},
		{"https://" + strings.Repeat("a", 300), "not an origin"},
		{"secret", "not an origin"},
		{"null", "not an origin"},
	} {
		if got := loggableOrigin(tt.in); got != tt.want {
			t.Errorf("loggableOrigin(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// A fakeConn has an id.
type fakeConn struct{ socketio.Conn }

func (fakeConn) ID() string { return "an id" }

// Events are told at the level debug, one JSON line each, and cost nothing at
// any other.
func TestDebugging(t *testing.T) {
	log, out := logTo()
	log.SetFormatter(&logrus.JSONFormatter{})
	s := &Server{log: log.WithField("node", 1), hash: newHasher(nil)}
	c := &client{conn: fakeConn{}, who: identity.Who{Member: "ann"}}
	refused := func() {
		s.logRefused(c, "subscribe", &wireError{Code: CodeForbidden, Channel: "member:ann"})
		s.logRefused(c, "subscribe", &wireError{Code: CodeBadChannel, Channel: "$anything"})
	}
	refused()
	if out.Len() != 0 {
		t.Errorf("at the level %v the log says %s, want nothing", log.Level, out)
	}
	if n := testing.AllocsPerRun(100, func() { s.logClosed(fakeConn{}, "gone") }); n != 0 {
		t.Errorf("a session that closes allocates %v times for a log that nobody reads, want 0", n)
	}
	log.SetLevel(logrus.DebugLevel)
	refused()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []map[string]any{
		{"code": "forbidden", "channel": "member:…", "session": s.hash.short("an id"), "msg": "subscribe refused", "level": "debug", "node": 1.0},
		{"code": "bad_channel", "session": s.hash.short("an id"), "msg": "subscribe refused", "level": "debug", "node": 1.0},
	} {
		var got map[string]any
		if len(lines) != 2 || json.Unmarshal([]byte(lines[i]), &got) != nil {
			t.Fatalf("the log is\n%s\nwant two lines of JSON", out)
		}
		delete(got, "time")
		if len(got) != len(want) {
			t.Errorf("line %d is %v, want %v", i, got, want)
		}
		for key, value := range want {
			if got[key] != value {
				t.Errorf("line %d has %s %v, want %v", i, key, got[key], value)
			}
		}
	}
}
