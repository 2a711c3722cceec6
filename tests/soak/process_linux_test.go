package soak

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

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

// A process is a stream server with an embedded broker, on ports of its own.
type process struct {
	t       *testing.T
	pid     int
	url     string // of HTTP
	address string // of HTTP, host:port
	broker  string // host:port for Redis clients
	web     *http.Client

	mu  sync.Mutex
	log []string // guarded by mu; lines
}

var (
	pageLine   = regexp.MustCompile(`http://localhost:(\d+)/`)
	brokerLine = regexp.MustCompile(`redis-cli -h 127\.0\.0\.1 -p (\d+) `)
)

// start runs a binary until the test ends, with at most so many descriptors.
func start(t *testing.T, path string, descriptors int, flags ...string) *process {
	t.Helper()
	script := fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, descriptors)
	args := append([]string{"-c", script, path, "--listen=127.0.0.1:0", "--broker-listen=127.0.0.1:0", "--drain=0s"}, flags...)
	cmd := exec.Command("sh", args...)
	cmd.Env = append(os.Environ(), "GOGC=10") // so that what is resident is what lives, and little else
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, pid: cmd.Process.Pid, web: &http.Client{Transport: &http.Transport{}, Timeout: patience}}
	var reading sync.WaitGroup
	reading.Go(func() { // ends with the process
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.mu.Lock()
			p.log = append(p.log, lines.Text())
			p.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		p.web.CloseIdleConnections()
		_ = cmd.Process.Signal(syscall.SIGTERM)
		killer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer killer.Stop()
		_, _ = io.Copy(io.Discard, stdout)
		reading.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v:\n%s", err, strings.Join(p.lines(), "\n"))
		}
	})
	for lines := bufio.NewScanner(stdout); p.broker == "" && lines.Scan(); {
		if m := pageLine.FindStringSubmatch(lines.Text()); m != nil && p.address == "" {
			p.address = "127.0.0.1:" + m[1]
			p.url = "http://" + p.address
		}
		if m := brokerLine.FindStringSubmatch(lines.Text()); m != nil {
			p.broker = "127.0.0.1:" + m[1]
		}
	}
	if p.address == "" || p.broker == "" {
		t.Fatalf("the server did not start:\n%s", strings.Join(p.lines(), "\n"))
	}
	eventually(t, "the server is ready", func() bool {
		resp, err := p.web.Get(p.url + "/readyz")
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	// Its descriptors are those of an idle server, from here on.
	eventually(t, "its canary has sung", func() bool { return p.metrics()["stream_canary_seconds"] > 0 })
	return p
}

// lines is the log up to now.
func (p *process) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.log...)
}

// metrics is what /metrics shows, with those of one name and different labels
// added up. It always goes over the same connection.
func (p *process) metrics() map[string]float64 {
	p.t.Helper()
	resp, err := p.web.Get(p.url + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	values := make(map[string]float64)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		name, _, _ = strings.Cut(name, "{")
		if v, err := strconv.ParseFloat(value, 64); err == nil && name != "#" {
			values[name] += v
		}
	}
	if err := lines.Err(); err != nil {
		p.t.Fatal(err)
	}
	return values
}

// descriptors is how many are open.
func (p *process) descriptors() int {
	p.t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return len(list)
}

// resident is the memory of the process, in bytes.
func (p *process) resident() int {
	p.t.Helper()
	return p.stat(1, "statm") * os.Getpagesize()
}

// cpu is the time that the process has computed.
func (p *process) cpu() time.Duration {
	p.t.Helper()
	const user, system, tick = 13, 14, 10 * time.Millisecond
	return time.Duration(p.stat(user, "stat")+p.stat(system, "stat")) * tick
}

// stat is the nth field of a file of /proc.
func (p *process) stat(n int, file string) int {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid, file))
	if err != nil {
		p.t.Fatal(err)
	}
	v, err := strconv.Atoi(strings.Fields(string(text))[n])
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// limit sets how many descriptors the process may have from now on.
func (p *process) limit(n int) {
	p.t.Helper()
	var now unix.Rlimit
	if err := unix.Prlimit(p.pid, unix.RLIMIT_NOFILE, nil, &now); err != nil {
		p.t.Fatal(err)
	}
	if err := unix.Prlimit(p.pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: now.Max}, nil); err != nil {
		p.t.Fatal(err)
	}
}

// eventually waits until ok, and fails the test when it never is.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come true that %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
