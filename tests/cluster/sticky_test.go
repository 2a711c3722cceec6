package cluster

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// setting is the value of an environment variable, or a default.
func setting[T any](t *testing.T, name string, parse func(string) (T, error), value T) T {
	t.Helper()
	if text := os.Getenv(name); text != "" {
		var err error
		if value, err = parse(text); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return value
}

// Each client hears a message in this time.
const every = 2 * time.Second

// Clients that poll through a balancer that gives each request to the next node
// hear everything, once and in order, and meet no error.
func TestSticky(t *testing.T) {
	clients := setting(t, "STICKYCLIENTS", strconv.Atoi, 100)
	duration := setting(t, "STICKYTIME", time.ParseDuration, 5*time.Second)
	channels := max(4, clients/50)
	r := redistest.Start(t)
	nodes := startNodes(t, r, 3)
	address := startNginx(t, nodes)
	to, err := redis.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()

	a := &tally{began: time.Now()}
	pollers := make([]*poller, clients)
	var running sync.WaitGroup
	defer func() {
		a.quitted.Store(true)
		for _, p := range pollers {
			if p != nil {
				p.conn.Close()
			}
		}
		running.Wait()
	}()
	for i := range pollers {
		p, err := dial(address, channel(i%channels), a)
		if err != nil {
			t.Fatalf("client %d: %v", i, err)
		}
		pollers[i] = p
		running.Go(p.run) // ends with its connection
	}
	cpu := sum(t, nodes, "process_cpu_seconds_total")
	resident, goroutines := sum(t, nodes, "process_resident_memory_bytes"), sum(t, nodes, "go_goroutines")

	published := make([]int64, channels)
	began := time.Now()
	for i := 0; time.Since(began) < duration; i++ {
		c := i % channels
		published[c]++
		text := fmt.Sprintf(`{"n":%d,"t":%d}`, published[c], time.Since(a.began))
		if reached, err := redis.Int(to.Do("PUBLISH", "sb:"+channel(c), text)); err != nil || reached < 1 {
			t.Fatalf("PUBLISH = %d, %v", reached, err)
		}
		<-time.After(time.Until(began.Add(time.Duration(i+1) * every / time.Duration(channels))))
	}
	took := time.Since(began)
	lost := func() (n int64) {
		for i, p := range pollers {
			n += published[i%channels] - p.last.Load()
		}
		return n
	}
	for deadline := time.Now().Add(patience); lost() > 0 && a.errors.Load() == 0 && time.Now().Before(deadline); {
		<-time.After(10 * time.Millisecond)
	}
	cpu = sum(t, nodes, "process_cpu_seconds_total") - cpu
	fmt.Printf("sticky: %d clients polled %d nodes through nginx for %v: %d polls, %d messages delivered, %d errors, %d lost, p50 %v, p99 %v; "+
		"%.0f requests passed on, %.0f not; the nodes together %.0f MB, %.0f goroutines, %.2f CPU\n",
		clients, len(nodes), took.Round(time.Second), a.polls.Load(), a.heard.Load(), a.errors.Load(), lost(), a.percentile(500), a.percentile(990),
		sum(t, nodes, "stream_forwarded_total"), sum(t, nodes, "stream_forward_failed_total"), resident/1e6, goroutines, cpu/took.Seconds())
	if fault := a.fault.Load(); fault != nil {
		t.Errorf("%d clients met errors; the first: %s", a.errors.Load(), *fault)
	}
	if n := lost(); n != 0 {
		t.Errorf("%d messages were lost", n)
	}
	if n := sum(t, nodes, "stream_forward_failed_total"); n != 0 {
		t.Errorf("%v requests could not be passed on", n)
	}
	if n := sum(t, nodes, "stream_forwarded_total"); n < float64(a.polls.Load())/2 {
		t.Errorf("%v requests were passed on, of %d polls: want most", n, a.polls.Load())
	}
}

func channel(i int) string { return "sticky:" + strconv.Itoa(i) }
