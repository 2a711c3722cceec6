package server_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/web"
)

// With exactly the users of the document everything works, and Redis has
// nothing to refuse.
func TestDocumentedACL(t *testing.T) {
	r := startACL(t)
	n, b, _ := r.start(50 * time.Millisecond)
	eventually(t, "the canary has come round", func() bool { return n.metric(t, "stream_canary_seconds") > 0 })
	if err := b.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v", err)
	}
	if _, err := r.admin.Do("SET", "sess:1", "ann"); err != nil {
		t.Fatal(err)
	}
	const lease = "$node:x"
	if err := b.Hold(t.Context(), lease, "http://x", time.Minute); err != nil {
		t.Errorf("Hold = %v", err)
	}
	if value, err := b.Lookup(t.Context(), lease); value != "http://x" || err != nil {
		t.Errorf("Lookup = %q, %v", value, err)
	}
	if err := b.Release(t.Context(), lease); err != nil {
		t.Errorf("Release = %v", err)
	}
	publisher, sessions := r.publisher(), r.store()
	a := n.with(t, "sid=1")
	if a.session.Member != "ann" {
		t.Errorf("$session = %+v, want that of ann", a.session)
	}
	for round := range 2 {
		a.hear("x", "y")
		if err := publisher.Stream(t.Context(), "x", 1); err != nil {
			t.Errorf("round %d: Stream = %v", round, err)
		}
		a.want("x", "1")
		publishHTTP(t, n, "y", 200)
		a.want("y", "2")
		if err := publisher.Stream(t.Context(), "x", 3, web.Durable()); err != nil {
			t.Errorf("round %d: Stream of a durable message = %v", round, err)
		}
		a.want("x", "3")
		id, err := b.Keep(t.Context(), "x", []byte("4"))
		if err != nil {
			t.Errorf("round %d: Keep = %v", round, err)
		}
		a.want("x", "4")
		if kept, complete, err := b.Since(t.Context(), "x", id, 1); len(kept) > 0 || !complete || err != nil {
			t.Errorf("round %d: Since = %v, %v, %v, want nothing", round, kept, complete, err)
		}
		if a := a.call("unsubscribe", []string{"x", "y"}); !a.OK {
			t.Errorf("round %d: unsubscribe = %+v", round, a)
		}
		eventually(t, "nothing but the canary's is subscribed to", func() bool { wanted, confirmed := b.Subscriptions(); return wanted == 1 && confirmed == 1 })
		if value, found, err := sessions.Get(t.Context(), "sess:1"); string(value) != "ann" || !found || err != nil {
			t.Errorf("round %d: Get = %q, %v, %v", round, value, found, err)
		}
		if _, found, err := sessions.Get(t.Context(), "sess:2"); found || err != nil {
			t.Errorf("round %d: Get of nobody = %v, %v", round, found, err)
		}
		<-time.After(1100 * time.Millisecond) // connections that are idle for a second are tried with PING
	}
	if list := r.refused(); len(list) > 0 {
		t.Errorf("ACL LOG = %s, want nothing", list)
	}
}

// Whatever of it the server is not allowed keeps it from starting, and later
// is told by the log and /readyz, or by the answer to who wanted it.
func TestMissingPermissions(t *testing.T) {
	const unread = "redis: durable messages do not arrive: Redis refuses to let this user read their stream"
	const barred, lost, notPublished = "redis: the ACL keeps this user from subscribing: not ready until it is mended",
		"redis: connection lost, redialling", "a message could not be published"
	r := startACL(t)
	n, b, hook := r.start(-1)
	a := n.open(t, client.Options{})
	a.hear("x")
	for _, tt := range []struct {
		rule  string
		log   string // message of the line about it
		ready bool   // /readyz does not change
	}{
		{"-ping", lost, false},
		{"-subscribe", barred, false},
		{"-unsubscribe", barred, false},
		{"-publish", notPublished, true},
		{"resetchannels", barred, false},
		{"-xread", unread, true},
		{"-xinfo", unread, true},
		{"resetkeys", unread, true},
		{"nopass", "", true}, // takes nothing away: the test can fail
	} {
		hook.Reset()
		r.set("stream-server", tt.rule)
		err := b.Ping(t.Context())
		if (tt.log == "" || tt.log == unread) && err != nil {
			t.Errorf("%s: Ping = %v, want nil", tt.rule, err)
		}
		switch tt.log {
		case "":
			continue
		case unread:
			eventually(t, tt.rule+": the log says why", func() bool { return logged(hook, tt.log) })
			r.restore("stream-server")
			eventually(t, tt.rule+": they are read again", func() bool {
				return slices.ContainsFunc(hook.AllEntries(), func(e *logrus.Entry) bool { return e.Message == "redis: durable messages are read again" })
			})
			if !n.ready() {
				t.Errorf("%s: /readyz says 503, and other messages come", tt.rule)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: Ping = %v, want a line with NOPERM", tt.rule, err)
		}
		if !tt.ready {
			eventually(t, tt.rule+": /readyz says 503", func() bool { return !n.ready() })
		} else {
			publishHTTP(t, n, "x", 503)
		}
		eventually(t, tt.rule+": the log says why", func() bool { return logged(hook, tt.log) })
		r.restore("stream-server")
		eventually(t, tt.rule+": /readyz says 200 again", n.ready)
		eventually(t, "the channel is heard", func() bool { wanted, confirmed := b.Subscriptions(); return wanted == 1 && confirmed == 1 })
		if n, err := redigo.Int(r.admin.Do("PUBLISH", "sb:x", tt.rule)); n != 1 || err != nil {
			t.Errorf("%s: PUBLISH = %d, %v, want 1", tt.rule, n, err)
		}
		for e := a.next(); e.Name != "x" || string(e.Args[0]) != `"`+tt.rule+`"`; e = a.next() {
			if e.Name != "$gap" {
				t.Errorf("%s: got %s %s, want gaps and the message", tt.rule, e.Name, e.Args)
			}
		}
	}
}

// So it is with web servers and sessions, which also may do nothing else.
func TestOthersHaveNoMore(t *testing.T) {
	r := startACL(t)
	publisher, sessions := r.publisher(), r.store()
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("%s: %v, want NOPERM", what, err)
		}
	}
	_, _, err := sessions.Get(t.Context(), "cart:1")
	refused("Get of another key", err)
	r.set("sessions", "-get")
	_, _, err = sessions.Get(t.Context(), "sess:1")
	refused("Get without +get", err)
	r.restore("sessions")
	r.set("sessions", "-ping")
	_, _, err = sessions.Get(t.Context(), "sess:1")
	refused("Get without +ping", err)
	refused("Ping without +ping", sessions.Ping(t.Context()))
	r.restore("sessions")
	r.set("sessions", "resetkeys")
	_, _, err = sessions.Get(t.Context(), "sess:1")
	refused("Get without keys", err)
	r.restore("sessions")
	if _, _, err := sessions.Get(t.Context(), "sess:1"); err != nil {
		t.Errorf("Get as the document has it: %v", err)
	}
	r.set("web", "-publish")
	refused("Stream without +publish", publisher.Stream(t.Context(), "x", 1))
	r.restore("web")
	r.set("web", "resetchannels")
	refused("Stream without channels", publisher.Stream(t.Context(), "x", 1))
	r.restore("web")
	r.set("web", "resetkeys")
	refused("durable Stream without keys", publisher.Stream(t.Context(), "x", 1, web.Durable()))
	r.restore("web")
	if err := publisher.Stream(t.Context(), "x", 1); err != nil {
		t.Errorf("Stream as the document has it: %v", err)
	}

	for user, commands := range map[string][]string{
		"stream-server": {"GET sess:1", "SET x 1", "DEL sess:1", "SET sb:x 1", "SET sb:stream 1", "GETDEL sb:$node:x", "XADD other * a b", "XREAD STREAMS other 0", "DEL sb:stream", "XTRIM sb:stream MAXLEN 0", "PSUBSCRIBE sb:*", "SUBSCRIBE other", "PUBLISH other 1", "CONFIG GET *", "KEYS *", "FLUSHALL", "EVAL x 0"},
		"web":           {"SUBSCRIBE sb:x", "GET sess:1", "SET sb:$node:x 1", "GET sb:$node:x", "XADD other * a b", "XREAD STREAMS sb:stream 0", "DEL sb:stream", "PUBLISH other 1", "CLIENT LIST", "FLUSHALL"},
		"sessions":      {"SET sess:1 x", "DEL sess:1", "GETDEL sess:1", "PUBLISH sb:x 1", "SUBSCRIBE sb:x", "SCAN 0", "KEYS *"},
	} {
		_, password, _ := strings.Cut(strings.SplitN(r.url(user), "@", 2)[0], user+":")
		conn := r.dial(user, password)
		for _, command := range commands {
			words := strings.Fields(command)
			_, err := conn.Do(words[0], redigo.Args{}.AddFlat(words[1:])...)
			refused(user+": "+command, err)
		}
	}
	conn, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Do("PING"); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		t.Errorf("PING of nobody = %v, want NOAUTH", err)
	}
}
