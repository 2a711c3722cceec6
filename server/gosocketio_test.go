package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	gosocketio "github.com/googollee/go-socket.io"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// Why the engine is our own: what go-socket.io v1.7.0 does, and what this
// server does instead.

// It runs in a process of its own, because its Close has a data race: the test
// binary starts itself with this variable set.
const goSocketIOVariable = "STREAM_TEST_GO_SOCKET_IO"

// serveGoSocketIO is that process: v1.7.0 with nothing but an empty connect
// handler, and /broadcast?room= beside it. It prints its address, and ends
// with its standard input.
func serveGoSocketIO() {
	srv := gosocketio.NewServer(nil)
	srv.OnConnect("/", func(gosocketio.Conn) error { return nil })
	srv.OnError("/", func(gosocketio.Conn, error) {})
	go func() { _ = srv.Serve() }() // ends with the process
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", srv)
	mux.HandleFunc("/broadcast", func(_ http.ResponseWriter, r *http.Request) {
		srv.BroadcastToRoom("/", r.FormValue("room"), "news", "for the members of the room")
	})
	web := httptest.NewServer(mux)
	fmt.Println(web.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// goSocketIO starts that process and returns its address.
func goSocketIO(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), goSocketIOVariable+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // the race detector may have found its race
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(url)
}

var sidPattern = regexp.MustCompile(`"sid":"([^"]*)"`)

// handshake opens a session by polling and returns its id.
func handshake(t *testing.T, url, eio string) string {
	t.Helper()
	resp, err := http.Get(url + "/socket.io/?transport=polling&EIO=" + eio)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := sidPattern.FindSubmatch(body)
	if found == nil {
		t.Fatalf("the handshake was answered %s, want a sid", body)
	}
	return string(found[1])
}

// It numbers its sessions, and whoever knows the id of one can post into it.
func TestGoSocketIONumbersItsSessions(t *testing.T) {
	theirs := goSocketIO(t)
	for _, want := range []string{"1", "2", "3"} {
		if got := handshake(t, theirs, "3"); got != want {
			t.Errorf("go-socket.io gave the sid %q, expected %q", got, want)
		}
	}
	ours := start(t, server.Config{}).url
	seen := map[string]bool{}
	for range 50 {
		sid := handshake(t, ours, "3")
		if len(sid) < 22 || seen[sid] { // 22 letters of 64 are 132 bits
			t.Errorf("our sid %q is short or was given before", sid)
		}
		seen[sid] = true
	}
}

// It does not speak to clients of 3.x and 4.x: they ask to connect with auth
// and wait for an id of theirs.
func TestGoSocketIOSpeaksOnlyToOldClients(t *testing.T) {
	theirs := goSocketIO(t)
	ours := start(t, server.Config{}).url
	for url, speaks := range map[string]bool{theirs: false, ours: true} {
		query := "/socket.io/?transport=polling&EIO=4&sid=" + handshake(t, url, "4")
		if speaks {
			post, err := http.Post(url+query, "text/plain", strings.NewReader("40"))
			if err != nil {
				t.Fatal(err)
			}
			post.Body.Close()
		}
		resp, err := http.Get(url + query)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		// Theirs comes unasked, in the framing of version 3, and without the id.
		if got := strings.HasPrefix(string(body), `40{"sid":`); got != speaks {
			t.Errorf("%s answered a 4.x client %q: connected %v, expected %v", url, body, got, speaks)
		}
	}
}

// Each session is in a room that has the number of the session as its name, so
// that what is published to a channel "1" reaches somebody who never asked.
func TestGoSocketIOLetsClientsHearWhatTheyDidNotJoin(t *testing.T) {
	theirs := goSocketIO(t)
	heard := func(url string, publish func(id string), id string, limit time.Duration) bool {
		conn, err := client.Dial(t.Context(), url, client.Options{Version: packet.V3})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		for {
			publish(id)
			wait, stop := context.WithTimeout(ctx, 100*time.Millisecond)
			e, err := conn.Next(wait)
			stop()
			switch {
			case ctx.Err() != nil:
				return false
			case err == nil && e.Name == "news":
				return true
			case err != nil && !errors.Is(err, context.DeadlineExceeded):
				t.Fatal(err)
			}
		}
	}
	broadcast := func(id string) {
		resp, err := http.Get(theirs + "/broadcast?room=" + id)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if !heard(theirs, broadcast, "1", patience) {
		t.Error("go-socket.io kept what was for room 1 from session 1: it is better than the README says")
	}
	ours := start(t, server.Config{})
	for _, id := range []string{"1", "news"} {
		if heard(ours.url, func(id string) { redisPublish(t, ours.broker, "sb:"+id, "1") }, id, time.Second) {
			t.Errorf("our client heard channel %q, which it had not joined", id)
		}
	}
}
