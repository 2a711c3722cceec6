package main

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/load"
)

// The subjects are this program, which the test binary is then.
func TestMain(m *testing.M) {
	if served, err := serve(os.Args[1:]); served {
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// buildServer builds the stream server as it is now.
func buildServer(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "stream-server")
	cmd := exec.Command("go", "build", "-o", binary, ".")
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return binary
}

// A small sitting of all subjects that are installed: each delivers, and the
// report says so. The cores are not pinned, because others test here too.
func TestSitting(t *testing.T) {
	runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0)))
	folder := t.TempDir()
	page := filepath.Join(folder, "performance.md")
	if err := os.WriteFile(page, []byte("before\n"+markBegin+"old\n"+markEnd+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{
		"--server", buildServer(t), "--clients", "40", "--channels", "1,10", "--deliveries", "2000",
		"--times", "1", "--paced", "100ms", "--idle", "10ms", "--write", folder,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), o, []int{0}, &out); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"failed", "NaN"} {
		if strings.Contains(out.String(), s) {
			t.Errorf("%q in the report:\n%s", s, out.String())
		}
	}
	written, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(written), "before\n") || !strings.HasSuffix(string(written), "after\n") ||
		strings.Contains(string(written), "old\n") || !strings.Contains(string(written), "googollee") {
		t.Errorf("the page is now:\n%s", written)
	}
	plot, err := os.Open(filepath.Join(folder, "performance.svg"))
	if err != nil {
		t.Fatal(err)
	}
	defer plot.Close()
	for d := xml.NewDecoder(plot); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal("performance.svg: ", err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, args := range [][]string{
		{"--clients", "0"},
		{"--clients", "five"},
		{"--clients", "100000000"},
		{"--times", "0"},
		{"more"},
	} {
		if _, err := parse(args); err == nil {
			t.Errorf("parse(%q) is no error", args)
		}
	}
	o, err := parse(nil)
	if err != nil && !strings.Contains(err.Error(), "descriptors") {
		t.Error(err)
	}
	if len(o.clients) != 2 || len(o.channels) != 2 || o.times != 3 {
		t.Errorf("parse(nil) = %+v", o)
	}
}

func TestRatiosAreThoseOfARound(t *testing.T) {
	r := newResults()
	floor, ours := cell{floorName, 10, 1}, cell{"epoll", 10, 1}
	for round, cpu := range []float64{10, 20, 30} { // the machine gets slower
		r.add(floor, "cpu", round, cpu)
		r.add(ours, "cpu", round, cpu*1.5)
	}
	r.add(ours, "cpu", 3, 1000) // a round without the floor
	if got := r.ratio(ours, "cpu", floorName, "cpu"); got != 1.5 {
		t.Errorf("ratio = %v, want 1.5", got)
	}
	if got := r.median(floor, "cpu"); got != 20 {
		t.Errorf("median = %v, want 20", got)
	}
	if got := r.median(floor, "nothing"); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v, want NaN", got)
	}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		value, most float64
		want        string
	}{{1.1, 1.15, "met"}, {0, 0, "met"}, {1.2, 1.15, "missed"}, {math.NaN(), 1, "not measured"}} {
		if got := verdict(goal{value: tt.value, most: tt.most}); got != tt.want {
			t.Errorf("verdict(%v of %v) = %q, want %q", tt.value, tt.most, got, tt.want)
		}
	}
}

func TestReplaceGenerated(t *testing.T) {
	for _, page := range []string{"", markBegin, markEnd} {
		if _, err := replaceGenerated(page, "new"); err == nil {
			t.Errorf("replaceGenerated(%q) is no error", page)
		}
	}
}

// What a process costs is read while it works, and what its collector did.
func TestProcess(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := spawn(nil, []string{self, "floor", "sendto", "none"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	before, err := p.cpu()
	if err != nil {
		t.Fatal(err)
	}
	to := linePublisher{p.stdin}
	for range 20_000 { // nobody hears it
		if err := to.Publish("x", []byte(`{}`)); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		after, err := p.cpu()
		cycles, last := p.cycle()
		if err == nil && after > before && cycles > 0 && last.cpu > 0 && last.all >= last.cpu {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("CPU from %v to %v (%v), %d cycles, the last %v", before, after, err, cycles, last)
		}
	}
	if resident, err := p.memory("VmRSS"); err != nil || resident < 1<<20 {
		t.Errorf("VmRSS = %v, %v", resident, err)
	}
}

// The floors and the generator understand each other.
func TestFloorByRedis(t *testing.T) {
	redis, err := startRedis(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer redis.stop()
	all, _, err := subjects("none")
	if err != nil {
		t.Fatal(err)
	}
	s := all[1]
	p, err := spawn(nil, s.args(redis.address))
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	swarm, _, err := load.Connect(context.Background(), load.Config{URL: "http://" + p.address, Protocol: s.protocol, Clients: 5, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer swarm.Close()
	to, err := s.publisher(p, redis.address)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	r, err := swarm.Saturate(t.Context(), to, 3, load.Limit{Messages: 100})
	if err != nil || r.Delivered != 250 || r.Faults.Any() {
		t.Errorf("Saturate = %+v, %v, want 250 delivered", r, err)
	}
}
