package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A process is a subject that runs.
type process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	address string // host:port for clients

	mu     sync.Mutex
	cycles []cycle // guarded by mu; the collector's
}

var (
	addressPattern = regexp.MustCompile(`^(?:.*https?://localhost|127\.0\.0\.1):(\d+)`)
	cyclePattern   = regexp.MustCompile(`^gc \d+ .* ms clock, ([\d.]+)\+([\d.]+)/([\d.]+)/([\d.]+)\+([\d.]+) ms cpu`)
)

// startPatience is how long a subject may take until it prints its address.
const startPatience = 20 * time.Second

// spawn runs a subject on the first core, until it has printed its address.
func spawn(cores []int, args []string) (*process, error) {
	if len(cores) > 1 {
		args = append([]string{"taskset", "-c", strconv.Itoa(cores[0])}, args...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=gctrace=1", "NODE_ENV=production")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, stdin: stdin}
	go p.readTrace(stderr) // ends with the process
	port := make(chan string, 1)
	go func() { // ends with the process
		defer close(port)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			if found := addressPattern.FindStringSubmatch(lines.Text()); found != nil && len(port) == 0 {
				port <- found[1]
				_, _ = io.Copy(io.Discard, stdout)
				return
			}
		}
	}()
	select {
	case number, ok := <-port:
		if ok {
			p.address = "127.0.0.1:" + number
			return p, nil
		}
	case <-time.After(startPatience):
	}
	p.stop()
	return nil, fmt.Errorf("%s did not start", strings.Join(args, " "))
}

// A cycle is what a garbage collection cost, in ms of CPU.
type cycle struct {
	cpu float64 // what the program could have used
	all float64 // with the work that was done in idle time
}

// idleWorkers is the place of these among the parts of a cycle.
const idleWorkers = 3

// readTrace keeps what the collector's cycles cost, and prints other lines.
// The five parts are: sweep termination, assists, the workers in the
// background, the workers of idle time, and mark termination.
func (p *process) readTrace(stderr io.Reader) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		found := cyclePattern.FindStringSubmatch(lines.Text())
		if found == nil {
			if !strings.HasPrefix(lines.Text(), "scvg") {
				fmt.Fprintln(os.Stderr, lines.Text())
			}
			continue
		}
		var c cycle
		for i, part := range found[1:] {
			ms, _ := strconv.ParseFloat(part, 64)
			c.all += ms
			if i != idleWorkers {
				c.cpu += ms
			}
		}
		p.mu.Lock()
		p.cycles = append(p.cycles, c)
		p.mu.Unlock()
	}
}

// cycle is how many collections there were, and the last.
func (p *process) cycle() (n int, last cycle) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cycles) == 0 {
		return 0, cycle{}
	}
	return len(p.cycles), p.cycles[len(p.cycles)-1]
}

func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	kill.Stop()
}

// cpu is the user and system time of all threads so far, those that ended
// included, by the clock of the process.
func (p *process) cpu() (time.Duration, error) {
	var t unix.Timespec
	clock := int32(^p.cmd.Process.Pid<<3 | 2) // clock_getcpuclockid(3)
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("the clock of process %d: %w", p.cmd.Process.Pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// memory is a figure of /proc/PID/status in bytes: VmRSS is what is resident,
// VmHWM the most that was.
func (p *process) memory(name string) (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, ok := strings.Cut(string(data), name+":")
	if !ok {
		return 0, fmt.Errorf("no %s of process %d", name, p.cmd.Process.Pid)
	}
	kilobytes, err := strconv.ParseFloat(strings.Fields(after)[0], 64)
	return kilobytes * 1024, err
}
