package gosocketio

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// freeAddr is where nobody listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a program until the test ends. Its children end with it upon SIGTERM.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
	})
}

// answers waits until somebody listens.
func answers(t *testing.T, addr string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// A balancer is nginx with the block of docs/moving.md.
type balancer struct {
	addr  string
	file  string
	block string
	cmd   *exec.Cmd
}

func startBalancer(t *testing.T, before, after string) *balancer {
	t.Helper()
	dir := t.TempDir()
	b := &balancer{addr: freeAddr(t), file: filepath.Join(dir, "conf"), block: blocks(t, "moving.md", "nginx")[0]}
	for written, addr := range map[string]string{"127.0.0.1:3000": before, "127.0.0.1:8080": after, "127.0.0.1:8000": b.addr} {
		if strings.Count(b.block, written) != 1 {
			t.Fatalf("docs/moving.md does not have %s once", written)
		}
		b.block = strings.Replace(b.block, written, addr, 1)
	}
	b.write(t, "")
	b.cmd = exec.Command("/usr/sbin/nginx", "-c", b.file, "-p", dir, "-e", filepath.Join(dir, "errors"),
		"-g", "pid "+filepath.Join(dir, "pid")+"; daemon off;")
	start(t, b.cmd)
	answers(t, b.addr)
	return b
}

func (b *balancer) write(t *testing.T, share string) {
	t.Helper()
	const line = "10% new;"
	if !strings.Contains(b.block, line) {
		t.Fatalf("docs/moving.md does not have %s", line)
	}
	if share != "" {
		share += " new;"
	}
	conf := fmt.Sprintf("worker_shutdown_timeout 1s; events {} http { access_log off; %s }", strings.Replace(b.block, line, share, 1))
	if err := os.WriteFile(b.file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
}

// share sends so many to the new server from now on, "" for none. Who is
// connected is let go a second later, and comes back.
func (b *balancer) share(t *testing.T, share string) {
	t.Helper()
	b.write(t, share)
	if err := b.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// listen is a client of npm, and the lines that it says.
func listen(t *testing.T, url, version string) <-chan string {
	t.Helper()
	cmd := exec.Command("node", "guide.mjs", "stay", url, version)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	start(t, cmd)
	said := make(chan string, 100)
	go func() { // ends with the client
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			said <- lines.Text()
		}
	}()
	return said
}
