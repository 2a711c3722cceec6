package deploy

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// A process is a stream server.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	address string // of HTTP, host:port; empty if it ended before it served
	broker  string // host:port for Redis clients
	web     *http.Client
	ended   chan struct{} // closed when it has
	code    int           // constant once ended; -1 for a signal

	mu  sync.Mutex
	log []string // guarded by mu; lines
}

var (
	pageLine   = regexp.MustCompile(`http://localhost:(\d+)/`)
	brokerLine = regexp.MustCompile(`redis-cli -h 127\.0\.0\.1 -p (\d+) `)
)

// launch runs a server until the test ends, and waits until it serves, or has
// ended.
func launch(t *testing.T, flags ...string) *process {
	t.Helper()
	p := &process{
		t:     t,
		cmd:   exec.Command(binary, flags...),
		web:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience},
		ended: make(chan struct{}),
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := make(chan string, 100)
	go p.watch(stdout, stderr, printed) // ends with the process
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGCONT)
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("the log of process %d:\n%s", p.pid(), strings.Join(p.lines(), "\n"))
		}
	})
	for line := range printed {
		if m := pageLine.FindStringSubmatch(line); m != nil {
			p.address = "127.0.0.1:" + m[1]
		}
		if m := brokerLine.FindStringSubmatch(line); m != nil {
			p.broker = "127.0.0.1:" + m[1]
			break
		}
	}
	return p
}

// start is launch of a server that has to be ready soon.
func start(t *testing.T, flags ...string) *process {
	t.Helper()
	p := launch(t, append([]string{"--listen=127.0.0.1:0", "--broker-listen=127.0.0.1:0"}, flags...)...)
	if p.address == "" {
		<-p.ended
		t.Fatalf("the server ended with %d:\n%s", p.code, strings.Join(p.lines(), "\n"))
	}
	eventually(t, "the server is ready", func() bool {
		status, _ := p.get("/readyz")
		return status == http.StatusOK
	})
	return p
}

func (p *process) watch(stdout, stderr io.Reader, printed chan<- string) {
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(printed)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			select {
			case printed <- lines.Text():
			default: // nobody asks any more
			}
		}
	})
	reading.Go(func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			p.mu.Lock()
			p.log = append(p.log, lines.Text())
			p.mu.Unlock()
		}
	})
	reading.Wait()
	_ = p.cmd.Wait()
	p.code = p.cmd.ProcessState.ExitCode()
	close(p.ended)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) url() string { return "http://" + p.address }

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// wait waits for the end, which must come within a limit, and is the exit code.
func (p *process) wait(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.code
	case <-time.After(limit):
		p.t.Fatalf("process %d has not ended within %v", p.pid(), limit)
		return 0
	}
}

// get is the answer to a GET; the status 0 is that of none.
func (p *process) get(path string) (status int, body string) {
	resp, err := p.web.Get(p.url() + path)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

// lines is the log up to now.
func (p *process) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.log...)
}

// said reports whether the log has this text.
func (p *process) said(text string) bool {
	return strings.Contains(strings.Join(p.lines(), "\n"), text)
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
