package chaos

import (
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// F10: the process does not run for longer than a heartbeat may take, as when
// its machine is moved or its clock jumps. All deadlines are past then, and
// nobody is closed for it.
func TestF10ClockJumps(t *testing.T) {
	longOnly(t)
	r := report(t, row{
		id: "F10", what: "no node runs for three times the time of a heartbeat",
		goal: "no mass close", peer: "–",
	})
	s := setScene(t, cast{nodes: 1, clients: 100, patient: true, flags: []string{"--ping-interval=2s", "--ping-timeout=2s"}})
	s.publish(2.5)
	<-time.After(3 * time.Second)
	s.nodes[0].signal(syscall.SIGSTOP)
	<-time.After(12 * time.Second)
	s.nodes[0].signal(syscall.SIGCONT)
	<-time.After(3 * time.Second)
	by := s.settle()
	r.expect(t, s.disconnects() <= int64(len(s.listeners)/20), "%d of %d clients closed", s.disconnects(), len(s.listeners))
	r.judge(t, by)
}

// Rows that are proved elsewhere, by tests of their own.
func TestElsewhere(t *testing.T) {
	longOnly(t)
	for _, tt := range []struct {
		row
		folder, test string
	}{
		{row{
			id: "F11", what: "10,000 random histories: epochs, trimmed history, two nodes",
			goal: "recovered: false whenever something is missing; never a hole, never a duplicate", peer: "–",
		}, "./server", "TestHistories"},
	} {
		t.Run(tt.id, func(t *testing.T) {
			r := report(t, tt.row)
			cmd := exec.Command("go", "test", "-count=1", "-v", "-run", "^"+tt.test+"$", tt.folder)
			cmd.Dir = "../.."
			out, err := cmd.CombinedOutput()
			ran := strings.Contains(string(out), "--- PASS: "+tt.test)
			r.expect(t, err == nil && ran, "%s in %s passes: %v", tt.test, tt.folder, err == nil && ran)
			for _, line := range logged.FindAllStringSubmatch(string(out), 3) {
				r.figures = append(r.figures, line[1])
			}
			if !ran {
				t.Logf("%s", out)
			}
		})
	}
}

// logged is a line of t.Log.
var logged = regexp.MustCompile(`(?m)^ +\w+_test\.go:\d+: (.*)$`)
