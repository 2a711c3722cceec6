package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
)

// A visitor makes connections at a constant rate, each of which has to succeed.
type visitor struct {
	made   atomic.Int64
	failed chan string // what went wrong
	stop   func()      // ends it, and fails the test for what went wrong
}

// visitors begins to make 800 connections a second.
func visitors(t *testing.T, address string) *visitor {
	v := &visitor{failed: make(chan string, 4)}
	ctx, stop := context.WithCancel(t.Context())
	var visiting sync.WaitGroup
	for range cap(v.failed) {
		visiting.Go(func() { v.visit(ctx, address) }) // ends with ctx
	}
	v.stop = func() {
		stop()
		visiting.Wait()
		close(v.failed)
		for what := range v.failed {
			t.Errorf("a connection failed: %s", what)
		}
	}
	return v
}

// visit asks for /healthz until ctx ends, every request on a connection of its
// own.
func (v *visitor) visit(ctx context.Context, address string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := ask(address); err != nil {
			v.failed <- err.Error()
			return
		}
		v.made.Add(1)
	}
}

func ask(address string) error {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		err = fmt.Errorf("the answer is %q", answer)
	}
	return err
}

// startForNext is start of a server that the next may take over from at once.
func startForNext(t *testing.T, flags ...string) *process {
	t.Helper()
	p := start(t, flags...)
	eventually(t, "it waits for the next process", func() bool { return p.said("the next process may come") })
	return p
}

// TestTakeover: two processes after each other take over while connections come
// all the time. None is refused and none is reset; the clients of the old
// process are let go at its pace.
func TestTakeover(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flags := []string{"--redis=redis://" + redistest.Start(t).Addr(), "--takeover=" + filepath.Join(dir, "s"), "--drain=500ms"}
	old := startForNext(t, flags...)
	address := old.address

	v := visitors(t, address)
	for range 2 {
		list, all := connect(t, old, 20)
		before := v.made.Load()
		next := startForNext(t, flags...) // and it is the same address, which --listen=127.0.0.1:0 is not otherwise
		if next.address != address {
			t.Fatalf("the next process listens on %s, want %s", next.address, address)
		}
		told := time.Now()
		all.Wait()
		if code := old.wait(patience); code != 0 {
			t.Errorf("the old process ended with %d, want 0", code)
		}
		for _, l := range list {
			if l.closed.Before(told.Add(-patience)) {
				t.Error("a client was gone before")
			}
		}
		now := v.made.Load()
		eventually(t, "connections are made after it", func() bool { return v.made.Load() > now+20 })
		t.Logf("%d connections while one process took over from the other", now-before)
		old = next
	}
	v.stop()
	old.signal(syscall.SIGTERM)
	if code := old.wait(patience); code != 0 {
		t.Errorf("the last process ended with %d, want 0", code)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%v is left behind, %v; want nothing", left, err)
	}
}

// TestTakeoverEmbedded: web servers that publish to the embedded broker come to
// the new process, with the clients.
func TestTakeoverEmbedded(t *testing.T) {
	t.Parallel()
	flags := []string{"--takeover=" + filepath.Join(t.TempDir(), "s"), "--drain=1m"}
	old := startForNext(t, flags...)
	_, all := connect(t, old, 5)
	v := visitors(t, old.address)
	next := start(t, flags...)
	if next.broker != old.broker {
		t.Fatalf("the next broker listens on %s, want %s", next.broker, old.broker)
	}
	all.Wait() // at once: nothing that is published would reach them
	if code := old.wait(patience); code != 0 {
		t.Errorf("the old process ended with %d, want 0", code)
	}
	v.stop()
	list, _ := connect(t, next, 1)
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if sent := publish(ctx, next.broker, "sb:feed"); len(sent) < 2 {
		t.Errorf("%d messages were published, want more", len(sent))
	}
	list[0].conn.Close()
}

// TestTakeoverFails: what goes wrong is said by whoever has it, and the process
// that serves goes on.
func TestTakeoverFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	flags := []string{"--takeover=" + path, "--listen=127.0.0.1:0", "--broker-listen=127.0.0.1:0"}
	refused := func(t *testing.T, want string, flags ...string) {
		t.Helper()
		p := launch(t, flags...)
		if code := p.wait(2 * patience); code != 1 || !p.said(want) {
			t.Errorf("it ended with %d and said %q, want 1 and %q", code, p.lines(), want)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, "is no socket", "--takeover="+file)
	refused(t, "no such file or directory", "--takeover="+filepath.Join(dir, "none", "s"))
	refused(t, "more than", "--takeover=/"+strings.Repeat("x", 100))

	first := startForNext(t, flags...)
	first.signal(syscall.SIGKILL)
	<-first.ended
	p := startForNext(t, flags...) // the file that the first has left does not matter
	if status, _ := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz after a start with a stale file = %d, want 200", status)
	}

	p.signal(syscall.SIGSTOP)
	refused(t, fmt.Sprintf("process %d, which serves at %s, does not answer", p.pid(), path), flags...)
	failures := func() int { return strings.Count(strings.Join(p.lines(), "\n"), "not taken over") }
	p.signal(syscall.SIGCONT)
	eventually(t, "it knows that nobody waits any more", func() bool { return failures() == 1 })

	// A next process that dies half way: the descriptors are on their way.
	half, err := net.Dial("unixpacket", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(half, `{"version":1}`); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it has given its sockets", func() bool { return p.said("is about to take over") })
	refused(t, "another process is taking over just now", flags...)
	eventually(t, "it has refused the other", func() bool { return failures() == 2 })
	half.Close()
	eventually(t, "it notices", func() bool { return failures() == 3 })
	if status, _ := p.get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz after a takeover that failed = %d, want 200", status)
	}
	next := start(t, flags...)
	if code := p.wait(patience); code != 0 {
		t.Errorf("the old process ended with %d, want 0", code)
	}
	if next.address != p.address {
		t.Errorf("the next process listens on %s, want %s", next.address, p.address)
	}
}

// TestTakeoverRecovery: the new process asks the old one, who shares its address
// with it, for what clients have missed.
func TestTakeoverRecovery(t *testing.T) {
	t.Parallel()
	web := redistest.Start(t)
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(redistest.FreePort(t)))
	flags := []string{
		"--listen=" + address, "--node-address=http://" + address, "--cluster-key=0123456789abcdef",
		"--redis=redis://" + web.Addr(), "--takeover=" + filepath.Join(t.TempDir(), "s"), "--drain=500ms",
	}
	old := startForNext(t, flags...)
	c, err := client.Dial(t.Context(), old.url(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Call(t.Context(), "subscribe", "feed"); err != nil {
		t.Fatal(err)
	}
	conn, err := redis.Dial("tcp", web.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for n := range 3 {
		if heard, err := redis.Int(conn.Do("PUBLISH", "sb:feed", n)); heard != 1 {
			t.Fatalf("PUBLISH = %d, %v; want 1", heard, err)
		}
	}
	e, err := c.Next(t.Context())
	for err == nil && e.Name != "feed" {
		e, err = c.Next(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	start(t, flags...)
	eventually(t, "the old process accepts no more", func() bool { return old.said("another process has taken over") })

	back, err := client.Dial(t.Context(), old.url(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	since := map[string]json.RawMessage{"since": e.Args[1]} // that of the first message
	list, err := back.Call(t.Context(), "subscribe", "feed", since)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Channels map[string]struct {
			Recovered bool
			Replayed  int
		}
	}
	if err := json.Unmarshal(list[0], &answer); err != nil {
		t.Fatal(err)
	}
	if got := answer.Channels["feed"]; !got.Recovered || got.Replayed != 2 {
		t.Errorf("subscribe on the new process = %s, want 2 messages recovered", list[0])
	}
	if code := old.wait(patience); code != 0 {
		t.Errorf("the old process ended with %d, want 0", code)
	}
}
