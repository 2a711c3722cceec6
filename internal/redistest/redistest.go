// Package redistest runs real Redis servers for tests.
//
// [Start] is a redis-server of its own on a random port of loopback, without
// persistence, which can be killed, restarted, paused and resumed; an
// [Authority] starts one with TLS. [StartSentinel] is a primary, a replica and
// the Sentinels that watch them, and [StartCluster] a Redis Cluster, each of
// such servers. A machine without redis-server fails the test: nothing is
// skipped.
package redistest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// patience is how long a redis-server may take until it answers.
const patience = 15 * time.Second

// A Server is one redis-server process, ended with the test.
//
// Its methods belong to the goroutine of the test.
type Server struct {
	t       testing.TB
	dir     string
	port    int
	options func() []string // of the command, for its port

	secure string // host:port for TLS, if there is one

	process *exec.Cmd     // nil while it does not run
	ended   chan struct{} // closed when the process has ended
	output  *output
}

// Start runs redis-server until the test ends. args are more of its options,
// such as "--requirepass", "secret".
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return launch(t, func(s *Server) []string {
		return append([]string{
			"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir,
			"--save", "", "--appendonly", "no", "--daemonize", "no",
		}, args...)
	})
}

// launch runs redis-server with the options for the port that it gets.
func launch(t testing.TB, options func(*Server) []string) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	s.options = func() []string { return options(s) }
	t.Cleanup(s.Kill)
	var err error
	for range 5 { // somebody else may take the port first
		s.port = FreePort(t)
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// Addr is host:port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is redis://host:port.
func (s *Server) URL() string { return "redis://" + s.Addr() }

// Do sends a command to it, on a connection of its own, and returns the answer,
// which must be no error.
func (s *Server) Do(command string, args ...any) any {
	s.t.Helper()
	reply, err := s.try(command, args...)
	if err != nil {
		s.t.Fatalf("redistest: %s %v: %v", command, args, err)
	}
	return reply
}

func (s *Server) try(command string, args ...any) (any, error) {
	conn, err := redis.Dial("tcp", s.Addr(), redis.DialConnectTimeout(patience), redis.DialReadTimeout(patience))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return conn.Do(command, args...)
}

// text is an answer that is a string.
func (s *Server) text(command string, args ...any) string {
	text, _ := redis.String(s.try(command, args...))
	return text
}

// await waits until ok.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("redistest: %s: not within %v", what, patience)
		}
	}
}

// Kill ends the process as a crash would, and waits until it is gone. Killing
// what does not run does nothing.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	<-s.ended
	s.process = nil
}

// Restart kills the server, if it runs, and starts it on the same port. It
// returns when the server answers.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// Pause stops the process without ending it: connections stay open, and
// nothing is answered any more.
func (s *Server) Pause() { s.signal(syscall.SIGSTOP) }

// Resume ends Pause.
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if s.process == nil {
		s.t.Fatalf("redistest: %v for a server that does not run", sig)
	}
	if err := s.process.Process.Signal(sig); err != nil {
		s.t.Fatal("redistest: ", err)
	}
}

func (s *Server) start() error {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		s.t.Fatal("redistest: these tests need redis-server: apt-get install redis-server")
	}
	s.output, s.ended = new(output), make(chan struct{})
	s.process = exec.Command(path, s.options()...)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	if err := s.process.Start(); err != nil {
		s.process = nil
		return fmt.Errorf("redistest: %w", err)
	}
	go func(process *exec.Cmd, ended chan<- struct{}) { // ends with the process
		_ = process.Wait()
		close(ended)
	}(s.process, s.ended)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		// That it answers is not enough: it may be another's, on the same port.
		if s.output.listening() && s.answers() {
			return nil
		}
		select {
		case <-s.ended:
			s.process = nil
			return fmt.Errorf("redistest: redis-server on port %d has ended:\n%s", s.port, s.output)
		case <-time.After(2 * time.Millisecond):
		}
	}
	s.Kill()
	return fmt.Errorf("redistest: redis-server on port %d does not answer:\n%s", s.port, s.output)
}

// An output is what a redis-server has written. It may be read meanwhile.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// listening reports whether the server, or the Sentinel, has said that it has
// its ports.
func (o *output) listening() bool {
	text := o.String()
	return strings.Contains(text, "Ready to accept connections") || strings.Contains(text, "Sentinel ID is")
}

// answers reports whether the server replies to a PING.
func (s *Server) answers() bool {
	c, err := net.DialTimeout("tcp", s.Addr(), time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := c.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	reply := make([]byte, 64)
	n, err := c.Read(reply)
	if err != nil {
		return false
	}
	// A server with a password answers too: that it wants one.
	return bytes.HasPrefix(reply[:n], []byte("+PONG")) || bytes.HasPrefix(reply[:n], []byte("-NOAUTH"))
}

// FreePort is a port that nobody listens on, from below those that the kernel
// gives to connections and to listeners on port 0: none of them gets it before
// the server has started, or while it is away.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 15000 + rand.IntN(15000)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("redistest: no free port")
	return 0
}
