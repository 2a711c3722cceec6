package chaos

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long the suite waits for what must happen and has no goal of
// its own.
const patience = 20 * time.Second

// The binary is built once, for the whole run.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("SB_BINARY"); path != "" {
		return path, nil
	}
	path := filepath.Join(scratch, "stream-server")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{err, out}
	}
	return path, nil
})

type buildError struct {
	err error
	out []byte
}

func (e *buildError) Error() string { return e.err.Error() + "\n" + string(e.out) }

// help is what the binary says of its flags.
var help = sync.OnceValues(func() (string, error) {
	path, err := binary()
	if err != nil {
		return "", err
	}
	out, err := exec.Command(path, "serve", "--help").Output()
	return string(out), err
})

// A node is a stream server's process.
type node struct {
	// Constant.
	t     *testing.T
	addr  string // of HTTP, host:port
	url   string
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
	web   *http.Client

	mu  sync.Mutex
	log []string // guarded by mu; lines
}

// clusterKey is what the nodes share.
const clusterKey = "a key that the nodes of a chaos share"

// startNode runs a node on a Redis, until the test ends. flags come after those
// of every node; what the binary does not know among them fails the test.
func startNode(t *testing.T, redisURL string, flags ...string) *node {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // somebody else may take the port first
		addr := freeAddr(t)
		n := &node{t: t, addr: addr, url: "http://" + addr, ended: make(chan struct{}), web: &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}}
		args := append(known(t, "--listen="+addr, "--redis="+redisURL, "--cluster-key="+clusterKey,
			"--guest-key="+clusterKey, "--node-address=http://"+addr, "--subscribe-rate=0", "--log-level=debug"), flags...)
		if n.start(path, args) {
			return n
		}
	}
	t.Fatal("no node could be started")
	return nil
}

// known is those of flags that the binary knows. Each of the others fails the
// test by its name, and the test goes on without it.
func known(t *testing.T, flags ...string) (all []string) {
	t.Helper()
	for _, flag := range flags {
		name, _, _ := strings.Cut(flag, "=")
		if knows(t, name) {
			all = append(all, flag)
		} else {
			t.Errorf("the stream server does not know %s", name)
		}
	}
	return all
}

// knows reports whether the binary has a flag.
func knows(t *testing.T, name string) bool {
	t.Helper()
	text, err := help()
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(regexp.QuoteMeta(name) + `[=\s]`).MatchString(text)
}

// start reports whether the node is there.
func (n *node) start(path string, args []string) bool {
	n.t.Helper()
	n.cmd = exec.Command(path, args...)
	stderr, err := n.cmd.StderrPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(n.ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			n.mu.Lock()
			n.log = append(n.log, lines.Text())
			n.mu.Unlock()
		}
		_ = n.cmd.Wait()
	}()
	n.t.Cleanup(func() {
		n.kill()
		n.web.CloseIdleConnections()
		if n.t.Failed() && *verbose {
			n.t.Logf("the log of %s:\n%s", n.addr, strings.Join(n.lines(), "\n"))
		}
	})
	for end := time.Now().Add(patience); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		select {
		case <-n.ended:
			if strings.Contains(strings.Join(n.lines(), "\n"), "address already in use") {
				return false
			}
			n.t.Fatalf("the node ended:\n%s", strings.Join(n.lines(), "\n"))
		default:
		}
		if n.ready() {
			return true
		}
	}
	n.t.Fatalf("the node is not ready within %v:\n%s", patience, strings.Join(n.lines(), "\n"))
	return false
}

// ready reports whether /readyz is 200.
func (n *node) ready() bool {
	return status(context.Background(), n.web, n.url+"/readyz") == http.StatusOK
}

// kill ends the process as a crash would.
func (n *node) kill() {
	_ = n.cmd.Process.Signal(syscall.SIGCONT)
	_ = n.cmd.Process.Kill()
	<-n.ended
}

// stop ends it as a deploy does, and returns how long that took.
func (n *node) stop() time.Duration {
	n.t.Helper()
	began := time.Now()
	n.signal(syscall.SIGTERM)
	select {
	case <-n.ended:
	case <-time.After(3 * patience):
		n.t.Errorf("%s did not end within %v of SIGTERM", n.addr, 3*patience)
		n.kill()
	}
	return time.Since(began)
}

func (n *node) signal(sig syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(sig); err != nil {
		n.t.Fatal(err)
	}
}

// lines is the log up to now.
func (n *node) lines() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.log...)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// eventually waits until ok, at most so long, and returns how long that took.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > within {
			t.Errorf("it did not come true within %v that %s", within, what)
			return within
		}
		<-time.After(5 * time.Millisecond)
	}
	return time.Since(began)
}
