package socketio_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// move is a program of testdata with our import paths for theirs, and nothing
// else changed. What it returns is the built binary. The program as it is
// builds too.
func move(t *testing.T, name string) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join("testdata", "programs", name, "main.go")
	code, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	const theirs, ours = `"github.com/googollee/go-socket.io`, `"github.com/sb-stream/stream-server/server`
	moved := strings.ReplaceAll(string(code), theirs+`"`, ours+`/socketio"`)
	moved = strings.ReplaceAll(moved, theirs+"/", ours+"/")
	if moved == string(code) || strings.Contains(moved, theirs) {
		t.Fatalf("%s does not import go-socket.io as expected", source)
	}
	target := filepath.Join(dir, "main.go")
	if err := os.WriteFile(target, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, build := range [][]string{{os.DevNull, source}, {filepath.Join(dir, name), target}} {
		if out, err := exec.Command("go", "build", "-o", build[0], build[1]).CombinedOutput(); err != nil {
			t.Fatalf("go build %s: %v\n%s", build[1], err, out)
		}
	}
	return filepath.Join(dir, name)
}

// run starts a program until the test ends, and returns the address it prints.
func run(t *testing.T, binary string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s printed nothing: %v", binary, err)
	}
	return strings.TrimSpace(line)
}

// A talker is a client of a program.
type talker struct {
	*client.Conn
	t *testing.T
}

func talk(t *testing.T, base string, version packet.Version) talker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := client.Dial(ctx, base, client.Options{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return talker{c, t}
}

// call is the ack of an event, and hear the next event.
func (c talker) call(event string, args ...any) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	answer, err := c.Call(ctx, event, args...)
	if err != nil {
		c.t.Fatalf("%s: %v", event, err)
	}
	return fmt.Sprintf("%s", answer)
}

func (c talker) hear() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Second)
	defer cancel()
	e, err := c.Next(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return fmt.Sprintf("%s %s", e.Name, e.Args)
}

func (c talker) want(got, want string) {
	c.t.Helper()
	if got != want {
		c.t.Errorf("came %q, want %q", got, want)
	}
}

func TestPlainProgram(t *testing.T) {
	base := run(t, move(t, "plain"))
	for _, version := range []packet.Version{packet.V3, packet.V4} {
		c := talk(t, base, version)
		c.want(c.call("bye"), `["nothing yet"]`)
		c.want(c.hear(), `bye ["nothing yet"]`)
		c.Emit("notice", "this")
		c.want(c.hear(), `reply ["noted this" {"length":4}]`)
		c.want(c.call("add", 2, 3), "[5]")
		c.want(c.call("bye"), `["this"]`)
		c.want(c.hear(), `bye ["this"]`)
	}
}

func TestOptionsProgram(t *testing.T) {
	base := run(t, move(t, "options")) + "/socket.io/?EIO=4&transport=polling"
	get := func(query, origin string) (string, http.Header) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+query, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return body(t, resp, nil), resp.Header
	}
	if got, _ := get("", ""); got != `403 Forbidden {"code":4,"message":"no sesame"}` {
		t.Errorf("without the secret: %s", got)
	}
	if got, _ := get("&secret=sesame", "https://bad.example"); !strings.HasPrefix(got, "403") {
		t.Errorf("from a bad origin: %s", got)
	}
	got, header := get("&secret=sesame", "https://good.example")
	if want := `0{"sid":"session-1","upgrades":["websocket"],"pingInterval":3000,"pingTimeout":2000,"maxPayload":65536}`; got != want {
		t.Errorf("handshake %s, want %s", got, want)
	}
	if header.Get("X-Checked") != "yes" || header.Get("Access-Control-Allow-Origin") != "https://good.example" {
		t.Errorf("headers %v", header)
	}
	p := &poller{t, base + "&sid=session-1"}
	p.post("40")
	if got := anyID(p.poll()); got != `40{"sid":"…"}`+"\x1e"+`42["context","came by polling"]` {
		t.Errorf("the poll = %q", got)
	}
}

func TestRoomsProgram(t *testing.T) {
	redis := redistest.Start(t)
	binary := move(t, "rooms")
	here, there := run(t, binary, redis.Addr()), run(t, binary, redis.Addr())
	a, b, far := talk(t, here, packet.V4), talk(t, here, packet.V3), talk(t, there, packet.V4)
	a.want(a.call("join", "red"), `[["all","red"]]`)
	b.want(b.call("join", "blue"), `[["all","blue"]]`)
	far.want(far.call("join", "red"), `[["all","red"]]`)
	b.want(b.call("say", "red", "hi"), "[true]")
	a.want(a.hear(), `said ["red" "hi"]`)
	far.want(far.hear(), `said ["red" "hi"]`)
	far.want(far.call("shout", "ho"), "[true]")
	for _, c := range []talker{a, b, far} {
		c.want(c.hear(), `said ["everywhere" "ho"]`)
	}
	a.want(a.call("poke", "blue"), "[true]")
	b.want(b.hear(), `poked ["blue"]`)
	a.want(a.call("count"), "[2 2]")
	a.want(a.call("leave", "red"), "[0]")
	b.want(b.call("clear", "blue"), "[true]")
	b.want(b.call("join", "red"), `[["all","red"]]`)
	a.want(a.call("join", "x"), `[["all","x"]]`)
}
