package socketio_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/server/socketio"
)

// What a client sends while its check waits comes to its handlers afterwards,
// in order, and never before; somebody else's check does not wait for it.
func TestLater(t *testing.T) {
	release := make(chan error)
	panics := make(chan struct{})
	io := socketio.NewServer(nil)
	io.Use("/", func(c socketio.Conn) error {
		switch {
		case strings.Contains(string(c.Auth()), "slow"):
			return socketio.Later(func() error { return <-release })
		case strings.Contains(string(c.Auth()), "panics"):
			return socketio.Later(func() error { defer close(panics); panic("a fault of the check") })
		default:
			return nil
		}
	})
	io.Use("/", func(c socketio.Conn) error {
		if strings.Contains(string(c.Auth()), "second") {
			return errors.New("the second check refuses")
		}
		return nil
	})
	handled := make(chan string, 100)
	io.OnEvent("/", "say", func(_ socketio.Conn, text string) { handled <- text })
	url := serve(t, io)

	slow := open(t, url, "4")
	slow.post("40{\"who\":\"slow\"}\x1e42[\"say\",\"one\"]\x1e42[\"say\",\"two\"]")
	quick := open(t, url, "4")
	quick.post("40{}\x1e42[\"say\",\"quick\"]")
	if got := <-handled; got != "quick" {
		t.Fatalf("%q was handled before its client was let in", got)
	}
	release <- nil
	if got := anyID(slow.poll()); got != `40{"sid":"…"}` {
		t.Errorf("the slow one was answered %s", got)
	}
	for _, want := range []string{"one", "two"} {
		if got := <-handled; got != want {
			t.Errorf("%q was handled, want %q", got, want)
		}
	}

	for _, tt := range []struct {
		name, auth string
		err        error
		want       string
	}{
		{"its own check", "slow", errors.New("no"), `44{"message":"no"}`},
		{"the check after it", "slow second", nil, `44{"message":"the second check refuses"}`},
	} {
		refused := open(t, url, "4")
		refused.post("40{\"who\":\"" + tt.auth + "\"}\x1e42[\"say\",\"never\"]")
		release <- tt.err
		if got := refused.poll(); got != tt.want {
			t.Errorf("%s: answered %s, want %s", tt.name, got, tt.want)
		}
	}

	for name, more := range map[string]string{
		"CONNECT twice": "\x1e40{\"who\":\"slow\"}",
		"a flood":       strings.Repeat("\x1e42[\"say\",\"flood\"]", 65),
		"large packets": strings.Repeat("\x1e42[\"say\",\""+strings.Repeat("x", 8000)+"\"]", 5),
	} {
		bad := open(t, url, "4")
		resp, err := http.Post(bad.url, "text/plain", strings.NewReader("40{\"who\":\"slow\"}"+more))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		release <- nil // its check ends, and finds nobody
		if got := bad.poll(); !isEnd(got) {
			t.Errorf("%s: the session goes on: %s", name, got)
		}
	}

	fault := open(t, url, "4")
	fault.post("40{\"who\":\"panics\"}")
	<-panics
	if got := fault.poll(); !isEnd(got) {
		t.Errorf("a check that panics: %s, want the end", got)
	}
	select {
	case got := <-handled:
		t.Errorf("%q was handled", got)
	case <-time.After(50 * time.Millisecond):
	}
}

// isEnd reports whether a poll says that its session has: it waited then, or
// came before or after it.
func isEnd(answer string) bool { return answer == gone || answer == "1" || answer == "6\x1e1" }

// serve serves io until the test ends.
func serve(t *testing.T, io *socketio.Server) string {
	web := httptest.NewServer(io)
	t.Cleanup(func() {
		_ = io.Shutdown(context.Background())
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return web.URL
}
