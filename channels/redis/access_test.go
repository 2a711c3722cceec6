package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// Who may not use Redis, or cannot reach it, is told so in one line that does
// not hold the password.
func TestPing(t *testing.T) {
	open, closed := redistest.Start(t), redistest.Start(t, "--requirepass", "right")
	renamed := redistest.Start(t, "--rename-command", "AUTH", "", "--rename-command", "PUBLISH", "")
	gone := redistest.Start(t)
	gone.Kill()
	silent := redistest.Start(t)
	silent.Pause()
	with := func(s *redistest.Server, who string) string { return "redis://" + who + s.Addr() }
	for _, tt := range []struct{ name, url, want string }{
		{"open", open.URL(), ""},
		{"database", open.URL() + "/3", ""},
		{"password", with(closed, ":right@"), ""},
		{"user", with(closed, "default:right@"), ""},
		{"no password", closed.URL(), "NOAUTH"},
		{"wrong password", with(closed, ":wrong@"), "WRONGPASS"},
		{"unknown user", with(closed, "ann:wrong@"), "WRONGPASS"},
		{"no AUTH there", with(renamed, ":wrong@"), "unknown command"}, // and Redis repeats the password
		{"no such database", open.URL() + "/99", "out of range"},
		{"nobody there", gone.URL(), "connection refused"},
		{"no answer", silent.URL(), "no answer in time"},
		{"no TLS there", "rediss://" + silent.Addr(), "no answer in time"},
	} {
		config := Config{URL: tt.url}
		if strings.Contains(tt.url, silent.Addr()) {
			config.DialTimeout = 300 * time.Millisecond
		}
		b := newBroker(t, config)
		err := b.Ping(t.Context())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Ping = %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), "wrong") || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: Ping says %q, want one line without the password", tt.name, err)
		}
	}
	_, err := newBroker(t, Config{URL: renamed.URL()}).Publish(t.Context(), "x", []byte("payload"))
	if err == nil || !strings.Contains(err.Error(), "unknown command") || strings.Contains(err.Error(), "payload") {
		t.Errorf("Publish where there is no PUBLISH = %v, want that, without the message that Redis repeats", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newBroker(t, Config{URL: silent.URL()}).Ping(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Ping with a context that ended = %v, want %v", err, context.Canceled)
	}
}

// A password that becomes wrong is tried again at the pace of redials, and the
// log says once what Redis answers.
func TestPasswordChanges(t *testing.T) {
	r := redistest.Start(t, "--requirepass", "first")
	p := redistest.NewProxy(t, r.Addr())
	url := strings.Replace(p.URL(), "//", "//:first@", 1)
	b := run(t, Config{URL: url, MaxRedial: 100 * time.Millisecond})
	b.Listen("x")
	b.waitLive(t, "x")
	admin, err := redigo.Dial("tcp", r.Addr(), redigo.DialPassword("first"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	set := func(password string) {
		t.Helper()
		if _, err := admin.Do("CONFIG", "SET", "requirepass", password); err != nil {
			t.Fatal(err)
		}
	}
	set("second")
	before := stat(t, admin, "total_connections_received")
	p.Cut()
	b.wait(t, "the loss is told", func() bool { return len(b.lost) == 1 })
	<-time.After(time.Second)
	if tries := stat(t, admin, "total_connections_received") - before; tries < 2 || tries > 21 {
		t.Errorf("%d tries in a second, want some, and at most one each 50 ms", tries)
	}
	const refused = "redis: connection refused, redialling"
	if got := b.logged(refused); len(got) != 1 || !strings.Contains(got[0], "WRONGPASS") || strings.Contains(got[0], "first") {
		t.Errorf("the log says %q, want one line with WRONGPASS", got)
	}
	set("first")
	b.waitLive(t, "x")
}

// A channel that the ACL forbids keeps nobody from the others, ends no
// connection, and is heard once it is allowed.
func TestForbiddenChannel(t *testing.T) {
	r := redistest.Start(t)
	admin, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	acl := func(rules ...any) {
		t.Helper()
		if _, err := admin.Do("ACL", append([]any{"SETUSER", "node"}, rules...)...); err != nil {
			t.Fatal(err)
		}
	}
	// The commands that this package needs, and no others.
	acl("on", ">pass", "+ping", "+time", "+publish", "+subscribe", "+unsubscribe", "resetchannels", "&sb:open:*", "&sb:$check")
	url := strings.Replace(r.URL(), "//", "//node:pass@", 1)
	b := run(t, Config{URL: url, CheckInterval: 50 * time.Millisecond})
	var tags []string
	for i := range 100 {
		tags = append(tags, fmt.Sprint("open:", i))
	}
	for _, tag := range append([]string{"secret:1", "secret:2"}, tags...) {
		b.Listen(tag)
	}
	b.waitLive(t, tags...)
	if _, err := b.Publish(t.Context(), "secret:1", nil); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("Publish to a forbidden channel = %v, want NOPERM", err)
	}
	<-time.After(300 * time.Millisecond) // several checks
	if wanted, confirmed := b.Subscriptions(); wanted != 102 || confirmed != 100 {
		t.Errorf("Subscriptions = %d, %d, want 102, 100", wanted, confirmed)
	}
	if got := b.logged("redis: subscribe is refused, perhaps for more channels"); len(got) != 1 {
		t.Errorf("the log says %q, want one line about the refusal", got)
	}
	if got := b.losses(); len(got) != 0 {
		t.Errorf("losses = %v, want none", got)
	}
	acl("&sb:secret:*")
	b.waitLive(t, "secret:1", "secret:2")
}
