package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

// A subject is a server that is measured.
type subject interface {
	// start runs it pinned to the first core.
	start() (*process, error)
	// join makes a connection hear a channel.
	join(c net.Conn, r *bufio.Reader, channel string) error
	// publisher is what sends one message to a channel.
	publisher(p *process) (func(channel, data string) error, func(), error)
}

// A process is a subject that runs.
type process struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	lines   *bufio.Scanner
	address string // where clients connect
	broker  string // where web servers publish
}

func spawn(name string, args ...string) (*process, error) {
	cmd := exec.Command("taskset", append([]string{"-c", "0", name}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, stdin: stdin, lines: bufio.NewScanner(stdout)}, nil
}

func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(os.Interrupt)
	done := time.AfterFunc(10*time.Second, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait()
	done.Stop()
}

// cpu is the user and system time of the process so far.
func (p *process) cpu() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, nil // ticks of 1/100 s
}

// resident is the memory of the process, in bytes.
func (p *process) resident() (float64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(data)
	if found == nil {
		return 0, fmt.Errorf("no VmRSS of process %d", p.cmd.Process.Pid)
	}
	kilobytes, err := strconv.Atoi(string(found[1]))
	return float64(kilobytes) * 1024, err
}

// streamServer is ours, with its embedded broker.
type streamServer struct{ binary, sockets string }

func (s streamServer) start() (*process, error) {
	p, err := spawn(s.binary, "--listen", "127.0.0.1:0", "--broker-listen", "127.0.0.1:0", "--sockets", s.sockets,
		"--log-level", "warn", "--ping-interval", "10m", "--client-queue", "64MiB")
	if err != nil {
		return nil, err
	}
	for p.lines.Scan() {
		line := p.lines.Text()
		if at := strings.Index(line, "http://localhost:"); at >= 0 {
			port, _, _ := strings.Cut(line[at+len("http://localhost:"):], "/")
			p.address = "127.0.0.1:" + port
		}
		if found := regexp.MustCompile(`redis-cli -h (\S+) -p (\d+)`).FindStringSubmatch(line); found != nil {
			p.broker = net.JoinHostPort(found[1], found[2])
			return p, nil
		}
	}
	p.stop()
	return nil, fmt.Errorf("%s did not start", s.binary)
}

func (streamServer) join(c net.Conn, r *bufio.Reader, channel string) error {
	if err := upgrade(c, r, "/socket.io/?EIO=4&transport=websocket"); err != nil {
		return err
	}
	if err := writeText(c, "40"); err != nil {
		return err
	}
	if err := writeText(c, fmt.Sprintf(`420["subscribe",%q]`, channel)); err != nil {
		return err
	}
	for { // the open packet, CONNECT, $session, and the ack
		text, err := readText(r)
		if err != nil {
			return err
		}
		if strings.HasPrefix(string(text), "430") {
			if !strings.Contains(string(text), `"ok":true`) {
				return fmt.Errorf("subscribe is answered with %s", text)
			}
			return nil
		}
	}
}

func (streamServer) publisher(p *process) (publish func(channel, data string) error, end func(), err error) {
	conn, err := redis.Dial("tcp", p.broker)
	if err != nil {
		return nil, nil, err
	}
	publish = func(channel, data string) error {
		_, err := conn.Do("PUBLISH", "sb:"+channel, data)
		return err
	}
	return publish, func() { _ = conn.Close() }, nil
}

// floorSubject is this program as the floor.
type floorSubject struct{}

func (floorSubject) start() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := spawn(self, "floor")
	if err != nil {
		return nil, err
	}
	if !p.lines.Scan() {
		p.stop()
		return nil, fmt.Errorf("the floor did not start")
	}
	p.address = p.lines.Text()
	return p, nil
}

// join names the channel in a line, and waits for one.
func (floorSubject) join(c net.Conn, r *bufio.Reader, channel string) error {
	if _, err := io.WriteString(c, channel+"\n"); err != nil {
		return err
	}
	_, err := r.ReadString('\n')
	return err
}

func (floorSubject) publisher(p *process) (publish func(channel, data string) error, end func(), err error) {
	publish = func(channel, data string) error {
		_, err := io.WriteString(p.stdin, channel+" "+data+"\n")
		return err
	}
	return publish, func() {}, nil
}
