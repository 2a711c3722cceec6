package cluster

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// build is the path of the binary.
func build(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("SB_BINARY"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "stream-server")
	if out, err := exec.Command("go", "build", "-o", path, "../..").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// run runs a program until the test ends.
func run(t *testing.T, name string, args ...string) {
	t.Helper()
	var said bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", name, tail(said.String()))
		}
	})
}

// tail is the end of a log.
func tail(text string) string {
	const most = 4 << 10
	return text[max(0, len(text)-most):]
}

// freeAddress is one of loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(redistest.FreePort(t)))
}

// startNodes runs so many nodes, and returns their addresses.
func startNodes(t *testing.T, r *redistest.Server, n int) []string {
	t.Helper()
	binary := build(t)
	var addresses []string
	for range n {
		address := freeAddress(t)
		run(t, binary, "--listen", address, "--redis", r.URL(), "--node-address", "http://"+address, "--cluster-key", "the key of the test")
		addresses = append(addresses, address)
	}
	for _, address := range addresses {
		ready(t, address)
	}
	return addresses
}

// startNginx runs nginx as examples/nginx has it, and returns its address.
func startNginx(t *testing.T, nodes []string) string {
	t.Helper()
	text, err := os.ReadFile("../../examples/nginx/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	conf := strings.Replace(string(text), "127.0.0.1:8000", address, 1)
	for i, node := range nodes {
		conf = strings.Replace(conf, fmt.Sprint("127.0.0.1:", 8081+i), node, 1)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	// One process, which ends with the test.
	run(t, "/usr/sbin/nginx", "-c", file, "-p", dir, "-e", "stderr", "-g", "daemon off; master_process off; pid "+dir+"/pid;")
	ready(t, address)
	return address
}

// ready waits until /readyz says so.
func ready(t *testing.T, address string) {
	t.Helper()
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		resp, err := web.Get("http://" + address + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not become ready: %v", address, err)
		}
	}
}

// sum is a metric of all nodes together, its labels added up.
func sum(t *testing.T, nodes []string, name string) (total float64) {
	t.Helper()
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	for _, node := range nodes {
		resp, err := web.Get("http://" + node + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), " ")
			if key, _, _ = strings.Cut(key, "{"); key == name {
				v, err := strconv.ParseFloat(value, 64)
				if err != nil {
					t.Fatal(err)
				}
				total += v
			}
		}
		resp.Body.Close()
	}
	return total
}
