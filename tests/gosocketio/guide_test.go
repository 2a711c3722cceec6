package gosocketio

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const root = "../.."

// blocks are those of a document in a language, without their indent.
func blocks(t *testing.T, document, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", document))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^( *)```"+language+"\n(.*?)^ *```").FindAllStringSubmatch(string(text), -1) {
		found = append(found, strings.ReplaceAll("\n"+m[2], "\n"+m[1], "\n")[1:])
	}
	if len(found) == 0 {
		t.Fatalf("%s has no block of %s", document, language)
	}
	return found
}

// A program of the guide, which listens on addr.
type program struct{ addr, binary string }

// guide is the program of the guide as it stands, and after its commands, each
// with a port of its own in place of the one that it has there.
func guide(t *testing.T) (before, after program) {
	t.Helper()
	const document = "from-go-socket.io.md"
	code := blocks(t, document, "go")[0]
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	commands := exec.Command("bash", "-ec", blocks(t, document, "sh")[0])
	commands.Dir = dir
	if out, err := commands.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	changed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return onPort(t, code, "127.0.0.1:3000"), onPort(t, string(changed), "127.0.0.1:8080")
}

// onPort builds a program in the module of the server, whose go.mod has
// go-socket.io v1.7.0.
func onPort(t *testing.T, code, written string) program {
	t.Helper()
	if strings.Count(code, written) != 1 {
		t.Fatalf("the program does not listen on %s:\n%s", written, code)
	}
	dir := t.TempDir()
	p := program{freeAddr(t), filepath.Join(dir, "program")}
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(strings.Replace(code, written, p.addr, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", p.binary, file)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return p
}

// start runs the program until the test ends.
func (p program) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(p.binary)
	var log strings.Builder
	cmd.Stderr = &log
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the program on %s:\n%s", p.addr, log.String())
		}
	})
	start(t, cmd)
	answers(t, p.addr)
}

// say has the program tell the room of the goal, as a web server does.
func (p program) say(t *testing.T, scorer string) {
	t.Helper()
	resp, err := http.Get("http://" + p.addr + "/goal?scorer=" + url.QueryEscape(scorer))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// steps is what clients of npm see of a server.
func steps(t *testing.T, addr, version string, transports ...string) (string, error) {
	t.Helper()
	args := append([]string{"guide.mjs", "steps", "http://" + addr, version}, transports...)
	out, err := exec.CommandContext(t.Context(), "node", args...).CombinedOutput()
	return string(out), err
}

// The table of the guide and its commands are the same change.
func TestGuideTable(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs/from-go-socket.io.md"))
	if err != nil {
		t.Fatal(err)
	}
	var imports, want string
	rows := regexp.MustCompile("(?m)^\\| `(github.com/googollee/\\S+)` \\| `(\\S+)` \\|$").FindAllStringSubmatch(string(text), -1)
	for _, row := range rows {
		imports += "\t\"" + row[1] + "\"\n"
		want += "\t\"" + row[2] + "\"\n"
	}
	if len(rows) < 6 {
		t.Fatalf("the table has %d rows", len(rows))
	}
	command := strings.SplitN(blocks(t, "from-go-socket.io.md", "sh")[0], "\n", 2)[0]
	sed := exec.Command("bash", "-ec", strings.Replace(strings.TrimSuffix(command, " main.go"), "sed -i", "sed", 1))
	sed.Stdin = strings.NewReader(imports)
	if got, err := sed.Output(); err != nil || string(got) != want {
		t.Errorf("%s makes of the table:\n%s%v", command, got, err)
	}
}

func TestGuide(t *testing.T) {
	before, after := guide(t)
	// The old server is a new process each time: v1.7.0 may send nobody anything
	// any more once a client has gone by polling while it was in a room.
	// It also loses some of what is said during an upgrade and after, so that it
	// is asked by WebSocket from the beginning where the new one upgrades.
	compare := func(version string, other program, otherVersion string, transports ...string) {
		t.Run(version+"/"+strings.Join(transports, ","), func(t *testing.T) {
			before.start(t)
			if other != before {
				other.start(t)
			}
			want, err := steps(t, before.addr, version, transports[len(transports)-1])
			if err != nil {
				t.Fatalf("the old server: %v\n%s", err, want)
			}
			if got, err := steps(t, other.addr, otherVersion, transports...); err != nil || got != want {
				t.Errorf("%s: clients see %v\n%sand of the old server\n%s", otherVersion, err, got, want)
			}
		})
	}
	for _, version := range []string{"sio-client-1.4", "sio-client-1.7", "sio-client-2.0", "sio-client-2"} {
		compare(version, after, version, "polling")
		compare(version, after, version, "websocket")
		compare(version, after, version, "polling", "websocket")
	}
	compare("sio-client-2", after, "sio-client-4", "polling", "websocket")
	compare("sio-client-2", before, "sio-client-2", "websocket") // back at the old one
	t.Run("the old server and a client of 4.x", func(t *testing.T) {
		before.start(t)
		if got, err := steps(t, before.addr, "sio-client-4", "websocket"); err == nil {
			t.Errorf("it speaks to it: %s", got)
		}
	})
}

// Over to the new server behind the balancer of the guide, and back.
func TestGuideMoves(t *testing.T) {
	before, after := guide(t)
	for _, version := range []string{"sio-client-1.7", "sio-client-2"} {
		t.Run(version, func(t *testing.T) {
			before.start(t)
			after.start(t)
			web := startBalancer(t, before.addr, after.addr)
			said := listen(t, "http://"+web.addr, version)
			joined := "joined football"
			if got := wait(t, "the client", said); got != joined {
				t.Fatalf("it says %q", got)
			}
			hears(t, said, before, after, "the old")
			for _, move := range []struct{ share, server string }{{"100%", "the new"}, {"", "the old"}} {
				web.share(t, move.share)
				if got := wait(t, "the client", said); got != joined {
					t.Fatalf("at %s it says %q", move.server, got)
				}
				hears(t, said, before, after, move.server)
			}
		})
	}
}

// hears asserts which server a client is with, and that what is said to both
// comes to it once.
func hears(t *testing.T, said <-chan string, before, after program, server string) {
	t.Helper()
	before.say(t, "the old")
	after.say(t, "the new")
	for _, p := range []program{before, after} {
		p.say(t, "both")
	}
	for _, want := range []string{"goal " + server, "goal both"} {
		if got := wait(t, want, said); got != want {
			t.Fatalf("it hears %q, want %q", got, want)
		}
	}
	select {
	case more := <-said:
		t.Fatalf("it hears %q too", more)
	case <-time.After(100 * time.Millisecond):
	}
}
