package chaos

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// F8: one client stops reading while 100 MB are published to it, and F9: a
// thousand do at once. The others do not notice.
func TestF8SlowClient(t *testing.T) {
	longOnly(t)
	for _, polling := range []bool{false, true} {
		name := "WebSocket"
		if polling {
			name = "polling"
		}
		t.Run(name, func(t *testing.T) {
			r := report(t, row{
				id: "F8", what: "a client stops reading, 100 MB published to it: " + name,
				goal: "at most +10 MB; closed within 1 s of passing its budget; others' p99 at most 20 ms",
				peer: "+216 and +225 MB, gone after 45 s",
			})
			flood := flood{slow: 1, polling: polling, size: 64 << 10, messages: 1600, perSecond: 320, flags: nil}
			// Once without the slow client, for what it adds: another client hears
			// the same both times, so that the history is kept both times.
			without := flood
			without.slow = 0
			before, after := without.run(t), flood.run(t)
			grown := after.grown - before.grown
			r.expect(t, grown <= 10<<20, "%+.1f MB (at most +10; the node grew by %.1f MB without it, the history of 300 messages of 64 KiB among them)",
				float64(grown)/(1<<20), float64(before.grown)/(1<<20))
			r.atMost(t, "closed within", after.closed, time.Second)
			r.atMost(t, "others' p99", after.p99, 20*time.Millisecond)
			r.judge(t, after.by, plainShared, plainSingle, durableShared, durableSingle)
		})
	}
}

func TestF9ManySlowClients(t *testing.T) {
	longOnly(t)
	const budget = 64 << 20
	r := report(t, row{
		id: "F9", what: "1,000 clients stop reading at once", goal: "under the global budget; healthy p99 at most 50 ms", peer: "as F8",
	})
	flood := flood{
		slow: 1000, size: 16 << 10, messages: 300, perSecond: 20,
		flags: []string{fmt.Sprintf("--total-queue=%d", budget)},
	}
	without := flood
	without.slow = 0
	before, after := without.run(t), flood.run(t)
	grown := after.grown - before.grown
	r.expect(t, grown <= budget, "%+.1f MB, of a budget of %d (%.0f MB with what clients share counted for each)",
		float64(grown)/(1<<20), budget>>20, float64(after.queued)/(1<<20))
	r.atMost(t, "healthy p99", after.p99, 50*time.Millisecond)
	r.judge(t, after.by, plainShared, plainSingle, durableShared, durableSingle)
}

// A flood is messages to clients that do not read, beside others that do.
type flood struct {
	slow      int
	polling   bool
	size      int
	messages  int
	perSecond int
	flags     []string
}

// A flooded is what it did.
type flooded struct {
	grown  int           // bytes resident, at most, over before
	queued int           // bytes that waited for all clients, at most
	closed time.Duration // from when the slow client's budget was passed to when it was closed
	p99    time.Duration // of the others
	by     [kinds]verdict
}

// kernel is what the buffers of a connection may hold on the way, which is over
// and above the budget of a client.
const kernel = 6 << 20

func (f flood) run(t *testing.T) (result flooded) {
	s := setScene(t, cast{nodes: 1, clients: 20, flags: f.flags})
	n := s.nodes[0]
	heard := s.readerOf(n, "flood")
	for range f.slow {
		s.deafTo(n, "flood", f.polling)
	}
	eventually(t, patience, "the slow clients hear", func() bool {
		return int(n.metrics()["stream_sessions"]) == f.slow+21
	})
	s.publish(2.5)
	<-time.After(time.Second)
	conn, err := dialRedis(s.redis.Addr())()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	data := `"` + strings.Repeat("x", f.size) + `"`
	sampled := n.sample(f.slow)
	var passed time.Time
	began := time.Now()
	for i := range f.messages {
		if _, err := conn.Do("PUBLISH", prefix+"flood", data); err != nil {
			t.Fatal(err)
		}
		if passed.IsZero() && i*f.size > 1<<20+kernel {
			passed = time.Now()
		}
		<-time.After(time.Until(began.Add(time.Duration(i+1) * time.Second / time.Duration(f.perSecond))))
	}
	<-time.After(time.Second)
	result, closed := sampled()
	eventually(t, patience, "the one who reads has heard all", func() bool { return heard.Load() == int64(f.messages) })
	result.closed = -1
	if !closed.IsZero() {
		result.closed = max(0, closed.Sub(passed))
	}
	result.by = s.settle()
	result.p99 = s.p99()
	return result
}

// sample watches a node until its result is asked for: what it grows to, and
// when so many slow clients had been closed.
func (n *node) sample(slow int) (stop func() (result flooded, closed time.Time)) {
	base := n.resident()
	var result flooded
	var closed time.Time
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { // ends with ctx
		for ctx.Err() == nil {
			m := n.metrics()
			result.grown = max(result.grown, n.resident()-base)
			result.queued = max(result.queued, int(m["stream_queued_bytes"]))
			if closed.IsZero() && slow > 0 && int(m["stream_slow_clients_closed_total"]) >= slow {
				closed = time.Now()
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return func() (flooded, time.Time) {
		cancel()
		done.Wait()
		return result, closed
	}
}

// readerOf is a client of a node that reads all of a channel, and how many of
// its messages came.
func (s *scene) readerOf(n *node, tag string) *atomic.Int64 {
	s.t.Helper()
	c, err := dial(context.Background(), n.url, false)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, text := range []string{"40", `420["subscribe","` + tag + `"]`} {
		if err := c.send(text); err != nil {
			s.t.Fatal(err)
		}
	}
	var heard atomic.Int64
	var reading sync.WaitGroup
	reading.Go(func() { // ends with the connection
		for event := []byte(`2["` + tag + `"`); ; {
			packet, err := c.receive()
			if err != nil {
				return
			}
			if bytes.HasPrefix(packet, event) {
				heard.Add(1)
			}
		}
	})
	s.t.Cleanup(func() {
		c.close()
		reading.Wait()
	})
	return &heard
}

// deafTo is a client of a node that hears a channel, and reads no more.
func (s *scene) deafTo(n *node, tag string, polling bool) {
	s.t.Helper()
	dialer := net.Dialer{}
	if !polling {
		conn, err := dialer.Dial("tcp", n.addr)
		if err != nil {
			s.t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		s.t.Cleanup(func() { conn.Close() })
		fmt.Fprint(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: "+n.addr+"\r\n"+
			"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		fmt.Fprint(conn, masked("40"), masked(`420["subscribe","`+tag+`"]`))
		answers := bufio.NewReaderSize(conn, 16)
		for line := ""; !strings.Contains(line, `"position"`); { // of the ack, which is the last that is read
			if line, err = answers.ReadString('}'); err != nil {
				s.t.Fatal(err)
			}
		}
		return
	}
	c, err := dial(context.Background(), n.url, true)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.close)
	for _, text := range []string{"40", `420["subscribe","` + tag + `"]`} {
		if err := c.send(text); err != nil {
			s.t.Fatal(err)
		}
		if _, err := c.receive(); err != nil {
			s.t.Fatal(err)
		}
	}
}

// masked is a client's text frame of at most 125 bytes, with a mask of zeros.
func masked(text string) string {
	return string([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}) + text
}

// metrics is what /metrics shows, those of one name with different labels added
// up; nothing if it does not answer.
func (n *node) metrics() map[string]float64 {
	values := make(map[string]float64)
	resp, err := n.web.Get(n.url + "/metrics")
	if err != nil {
		return values
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		name, _, _ = strings.Cut(name, "{")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] += v
		}
	}
	return values
}

// resident is the memory of the process, in bytes; 0 if it has ended.
func (n *node) resident() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", n.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		return 0
	}
	return pages * os.Getpagesize()
}

// p99 is of the time from publishing to callback, of the messages that all
// clients got.
func (s *scene) p99() time.Duration {
	var all []time.Duration
	for _, h := range s.histories(plainKind) {
		sent := h.channel.times()
		for _, e := range h.all() {
			if e.what == message {
				all = append(all, e.at.Sub(sent[e.n-1]))
			}
		}
	}
	if len(all) == 0 {
		return -1
	}
	slices.Sort(all)
	return all[len(all)*99/100]
}
