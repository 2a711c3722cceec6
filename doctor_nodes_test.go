package main

import (
	"bufio"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/doctor"
	"github.com/sb-stream/stream-server/internal/redistest"
)

// patience is how long a process may take to answer.
const patience = 20 * time.Second

// keysOfTest are the flags of a node that the command may publish to and ask.
var keysOfTest = []string{"--publish-key", "planted publish", "--operator-key", "planted operator"}

// node runs the server until the test ends, and returns its address.
func node(t *testing.T, args ...string) string {
	t.Helper()
	return nodeBy(t, prepare(t, append([]string{"serve"}, args...)...))
}

// nodeOfFiles is a node that may have so many files open.
func nodeOfFiles(t *testing.T, files string, args ...string) string {
	t.Helper()
	c := prepare(t, append([]string{"serve"}, args...)...)
	c.Args = append([]string{"sh", "-c", "ulimit -n " + files + `; exec "$0" "$@"`}, c.Args...)
	c.Path = "/bin/sh"
	return nodeBy(t, c)
}

func nodeBy(t *testing.T, c *exec.Cmd) string {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if u, err := url.Parse(strings.TrimSpace(lines.Text())); err == nil && u.Port() != "" {
			return net.JoinHostPort("127.0.0.1", u.Port())
		}
	}
	t.Fatal("the server has not said where it is")
	return ""
}

// behindNginx runs nginx as examples/nginx has it, but for what edit replaces,
// and returns its address. edit is pairs of what to replace and by what.
func behindNginx(t *testing.T, nodes []string, edit ...string) string {
	t.Helper()
	text, err := os.ReadFile("examples/nginx/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	var upstream strings.Builder
	for _, n := range nodes {
		upstream.WriteString("server " + n + ";\n")
	}
	conf := strings.Replace(string(text), "127.0.0.1:8000", address, 1)
	conf = regexp.MustCompile(`(?s)server 127.0.0.1:8081 .*8083[^\n]*;`).ReplaceAllLiteralString(conf, upstream.String())
	for pair := range slices.Chunk(edit, 2) {
		if !strings.Contains(conf, pair[0]) {
			t.Fatalf("examples/nginx/nginx.conf has no %q to replace", pair[0])
		}
		conf = strings.Replace(conf, pair[0], pair[1], 1)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	// One process, which ends with the test.
	c := exec.Command("/usr/sbin/nginx", "-c", file, "-p", dir, "-e", "stderr", "-g", "daemon off; master_process off; pid "+dir+"/pid;")
	var said strings.Builder
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		if t.Failed() {
			t.Logf("nginx: %s", &said)
		}
	})
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx does not listen: %s", &said)
		}
	}
}

// freeAddress is one of loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(redistest.FreePort(t)))
}

// examined runs the command with --json, and returns what it found.
func examined(t *testing.T, args ...string) (code int, found map[string]doctor.Finding) {
	t.Helper()
	code, stdout, stderr := command(t, append([]string{"doctor", "--json"}, args...)...)
	var report doctor.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("doctor %v printed %q, %q: %v", args, stdout, stderr, err)
	}
	if strings.Contains(stdout+stderr, "planted") {
		t.Errorf("doctor %v prints a key: %s%s", args, stdout, stderr)
	}
	found = make(map[string]doctor.Finding)
	for _, f := range report.Findings {
		found[f.Check] = f
	}
	return code, found
}

// having are the checks that ended so, in their order.
func having(found map[string]doctor.Finding, status doctor.Status) []string {
	list := []string{}
	for _, name := range doctor.Names() {
		if found[name].Status == status {
			list = append(list, name)
		}
	}
	return list
}
