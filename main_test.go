package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/leaktest"
	"github.com/sb-stream/stream-server/internal/redistest"
)

// asCommand makes the test binary the command itself.
const asCommand = "STREAM_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	leaktest.Main(m)
}

// prepare is the command, which is ended with the test.
func prepare(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Env = append(os.Environ(), asCommand+"=1", "SB_LISTEN=127.0.0.1:0", "SB_BROKER_LISTEN=127.0.0.1:0")
	return c
}

// command runs the command to its end.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	c := prepare(t, args...)
	var out, complaints strings.Builder
	c.Stdout, c.Stderr = &out, &complaints
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), complaints.String()
}

// served runs the server until it has said how to publish, and returns that.
func served(t *testing.T, args ...string) (printed []string) {
	t.Helper()
	c := prepare(t, append([]string{"serve"}, args...)...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	c.Stderr = &complaints
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if printed = append(printed, line); strings.HasPrefix(line, "redis-cli") {
			_ = c.Process.Signal(syscall.SIGTERM)
		}
	}
	if err := c.Wait(); err != nil {
		t.Errorf("serve %v ended with %v: %s", args, err, &complaints)
	}
	return printed
}

// A Redis whose certificate is not right is not used: the server does not
// start, and nothing is published; one line says why (RELIABILITY.md A4).
func TestRedisCertificate(t *testing.T) {
	const hour = 2 * time.Hour
	ours, theirs := redistest.NewAuthority(t), redistest.NewAuthority(t)
	good := ours.StartTLS("127.0.0.1", hour).AddrTLS()
	strict := ours.StartTLS("127.0.0.1", hour, "--tls-auth-clients", "yes").AddrTLS()
	foreign := theirs.StartTLS("127.0.0.1", hour).AddrTLS()
	misnamed := ours.StartTLS("redis.example", hour).AddrTLS()
	expired := ours.StartTLS("127.0.0.1", 30*time.Minute).AddrTLS()
	cert, key := ours.Issue("stream-server", hour)
	ca := []string{"--redis-ca", ours.CA}
	own := append([]string{"--redis-cert", cert, "--redis-key", key}, ca...)

	for _, tt := range []struct {
		name string
		args []string
		code int
		want string // of the one line; none: it works
	}{
		{"good", append(ca, "--redis", "rediss://"+good), 0, ""},
		{"client certificate", append(own, "--redis", "rediss://"+strict), 0, ""},
		{"no client certificate", append(ca, "--redis", "rediss://"+strict), exitFault, "certificate"},
		{"not in the system", []string{"--redis", "rediss://" + good}, exitFault, "signed by unknown authority"},
		{"wrong authority", append(ca, "--redis", "rediss://"+foreign), exitFault, "signed by unknown authority"},
		{"wrong host", append(ca, "--redis", "rediss://"+misnamed), exitFault, "cannot validate certificate for 127.0.0.1"},
		{"expired", append(ca, "--redis", "rediss://"+expired), exitFault, "certificate has expired"},
		{"a port for TLS", []string{"--redis", "redis://" + good}, exitFault, "takes rediss://"},
		{"no such file", []string{"--redis-ca", ours.CA + ".none", "--redis", "rediss://" + good}, exitFault, "no such file"},
		{"a key in place of a CA", []string{"--redis-ca", key, "--redis", "rediss://" + good}, exitFault, "holds no certificate"},
		{"no key", append(ca, "--redis-cert", cert, "--redis", "rediss://"+good), exitUsage, "--redis-key"},
		{"files without TLS", append(ca, "--redis", "redis://"+good), exitUsage, "rediss://"},
		{"files without Redis", ca, exitUsage, "rediss://"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most of it is the start of processes
			check := func(what string, code, wantCode int, want, stderr string) {
				t.Helper()
				if code != wantCode || !strings.Contains(stderr, want) || want != "" && strings.Count(stderr, "\n") != 1 {
					t.Errorf("%s ended with %d and %q, want %d and one line with %q", what, code, stderr, wantCode, want)
				}
			}
			code, stdout, stderr := command(t, append([]string{"publish", "x", "1"}, tt.args...)...)
			check("publish", code, tt.code, tt.want, stderr)
			if tt.code == 0 && stdout != "0\n" {
				t.Errorf("publish printed %q, want 0 nodes", stdout)
			}
			if tt.code == 0 {
				printed := strings.Join(served(t, tt.args...), "\n")
				for _, line := range []string{"stream-server publish --redis rediss://", " --redis-ca " + ours.CA, " --tls --cacert " + ours.CA} {
					if !strings.Contains(printed, line) {
						t.Errorf("serve printed %q, want %q in it", printed, line)
					}
				}
				code, _, stderr := command(t, append([]string{"serve", "--session-cookie", "sid", "--session-key", "sess:{}", "--session-redis", "rediss://" + foreign}, tt.args...)...)
				check("serve with sessions elsewhere", code, exitFault, foreign, stderr)
				return
			}
			code, _, stderr = command(t, append([]string{"serve"}, tt.args...)...)
			check("serve", code, tt.code, tt.want, stderr)
		})
	}
}
