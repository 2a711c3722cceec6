package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/identity"
)

// A webServer says who has which cookie, and what they may hear.
type webServer struct {
	*httptest.Server
	mu      sync.Mutex
	members map[string]string   // guarded by mu; value of the cookie app → member
	grants  map[string][]string // guarded by mu; member → patterns
	broken  bool                // guarded by mu
	wait    chan struct{}       // guarded by mu; answers wait for its end, if it is set
}

func newWebServer(t *testing.T) *webServer {
	w := &webServer{members: make(map[string]string), grants: make(map[string][]string)}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		wait := w.wait
		w.mu.Unlock()
		if wait != nil {
			<-wait
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		cookie, err := r.Cookie("app")
		if w.broken || err != nil {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		member := w.members[cookie.Value]
		_ = json.NewEncoder(rw).Encode(map[string]any{"member": member, "channels": w.grants[member]})
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *webServer) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// with opens a connection with a cookie.
func (n *node) with(t *testing.T, cookie string) *browser {
	t.Helper()
	return n.open(t, client.Options{Header: http.Header{"Cookie": {cookie}}})
}

func TestAuthURL(t *testing.T) {
	web := newWebServer(t)
	web.set(func() { web.members["alice"] = "7" })
	n := start(t, server.Config{
		Identity: identity.Config{AuthURL: web.URL, Recheck: time.Second}, TokenGrace: time.Second,
	})
	guest := n.with(t, "app=nobody")
	if !strings.HasPrefix(guest.session.Member, "guest:") {
		t.Errorf("somebody whom the web server does not know is %+v", guest.session)
	}
	guest.hear("feed")
	guest.refused("forbidden", "private:a", "private:a")
	alice := n.with(t, "app=alice; other=1")
	if alice.session.Member != "7" || alice.session.Guest != "" {
		t.Errorf("$session of a member = %+v", alice.session)
	}
	alice.hear("feed", "member:7")

	// A channel that has been granted since is asked for.
	web.set(func() { web.grants["7"] = []string{"private:a", "private:b"} })
	alice.hear("private:a", "private:b")
	redisPublish(t, n.broker, "sb:private:a", "1")
	alice.want("private:a", "1")

	// One that is taken away ends when the web server is asked again.
	web.set(func() { web.grants["7"] = []string{"private:b"} })
	alice.want("$expired", `{"channel":"private:a","reason":"changed"}`)

	// While it cannot be asked, what it said holds for a while; nobody is let in.
	web.set(func() { web.broken = true })
	if _, err := client.Dial(t.Context(), n.url, client.Options{Header: http.Header{"Cookie": {"app=new"}}}); refusal(t, err) != "unavailable" {
		t.Errorf("while the web server is broken: %v, want unavailable", err)
	}
	alice.want("$session", fmt.Sprintf(`{"id":%q,"member":"7","expired":true}`, alice.session.ID))
	lost := map[string]bool{}
	for len(lost) < 2 {
		e := alice.next()
		var gone struct{ Channel, Reason string }
		if e.Name != "$expired" || json.Unmarshal(e.Args[0], &gone) != nil || gone.Reason != "expired" {
			t.Fatalf("got %s %s, want $expired", e.Name, e.Args)
		}
		lost[gone.Channel] = true
	}
	if !lost["private:b"] || !lost["member:7"] {
		t.Errorf("it lost %v, want private:b and member:7", lost)
	}
	redisPublish(t, n.broker, "sb:feed", "2")
	guest.want("feed", "2")
}

// What a client asks for while the web server thinks is done in its order.
func TestAskedInOrder(t *testing.T) {
	web := newWebServer(t)
	web.set(func() {
		web.members["alice"] = "7"
		web.grants["7"] = []string{"private:*"}
	})
	n := start(t, server.Config{Identity: identity.Config{AuthURL: web.URL}})
	alice := n.with(t, "app=alice")
	bob := n.with(t, "app=bob")
	release := make(chan struct{})
	web.set(func() {
		web.members["bob"] = "8"
		web.grants["8"] = []string{"private:*"}
		web.wait = release
	})
	done := make(chan string, 4)
	call := func(what, event string, args ...any) {
		before := n.metric(t, "stream_received_bytes_total")
		go func() { // ends with the answer
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if _, err := bob.Call(ctx, event, args...); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			done <- what
		}()
		eventually(t, "it has come", func() bool { return n.metric(t, "stream_received_bytes_total") > before })
	}
	call("subscribe", "subscribe", "private:x")
	call("unsubscribe", "unsubscribe", "private:x")
	call("public", "subscribe", "feed")
	alice.hear("feed") // somebody else does not wait
	select {
	case what := <-done:
		t.Fatalf("%s was answered before the web server has", what)
	default:
	}
	close(release)
	for range 3 {
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("an answer is missing")
		}
	}
	if got := redisPublish(t, n.broker, "sb:private:x", "1"); got != 0 {
		t.Errorf("%d hear a channel that was left, want none", got)
	}
	if got := redisPublish(t, n.broker, "sb:feed", "1"); got != 2 {
		t.Errorf("%d hear feed, want 2", got)
	}
}
