package soak

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	connectEvery = 5 * time.Millisecond // 200 connects a second
	publishEvery = 4 * time.Millisecond
	settleWithin = 5 * time.Second
	trimWithin   = 150 * time.Second

	// Before memory can be compared: for two minutes somebody who has left may come
	// back, and the recorder of why fills.
	shortestWarmUp = 4 * time.Second
	longestWarmUp  = 150 * time.Second
)

// TestSoak lets clients of all kinds come and go, on both socket layers: a few
// others hear every message meanwhile, and then all is as it was (RELIABILITY.md
// L2).
func TestSoak(t *testing.T) {
	length := 20 * time.Second
	if text := os.Getenv("SOAKTIME"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	path := build(t)
	for _, sockets := range []string{"epoll", "goroutine"} {
		t.Run(sockets, func(t *testing.T) { soak(t, path, sockets, length/2) })
	}
}

// A run is the churn of one server.
type run struct {
	*process
	publisher redis.Conn
	witnesses []*witness
	published int           // to the witnesses
	others    int           // published to the others
	connects  atomic.Uint64 // of clients that churn
	failed    atomic.Uint64
}

func soak(t *testing.T, path, sockets string, length time.Duration) {
	r := &run{process: start(t, path, 4096, "--sockets="+sockets, "--linger=1s",
		"--ping-interval="+pingInterval.String(), "--ping-timeout="+pingTimeout.String())}
	var err error
	if r.publisher, err = redis.Dial("tcp", r.broker); err != nil {
		t.Fatal(err)
	}
	defer r.publisher.Close()
	r.witness()

	began := r.figures()
	warming := max(length/10, min(length/2, longestWarmUp), shortestWarmUp)
	r.churn(warming)
	warm := r.usual(began)
	r.churn(length - warming)
	end, took := r.settle(warm)

	// What is freed goes back to the system little by little: a run of seconds does
	// not wait for that.
	most, within := 5.0, trimWithin
	if length < time.Minute {
		most, within = 15, settleWithin
	}
	var grown float64
	for began := time.Now(); ; time.Sleep(time.Second / 2) {
		end.resident = r.figures().resident
		grown = 100 * (float64(end.resident)/float64(warm.resident) - 1)
		if freed := time.Since(began); grown <= most || freed > within {
			fmt.Printf("soak: %s: %+.1f %% of memory, %v after the last client\n", sockets, grown, freed.Round(time.Second))
			break
		}
	}
	if grown > most {
		t.Errorf("resident memory has grown by %.1f %%, from %d KiB to %d KiB", grown, warm.resident>>10, end.resident>>10)
	}
	for _, line := range r.lines() {
		if strings.Contains(line, "panic") || strings.Contains(line, `"level":"error"`) {
			t.Errorf("the log says %s", line)
		}
	}
	for _, w := range r.witnesses {
		w.close()
	}
	fmt.Printf("soak: %s, %v: %d connects, %d messages, %d to each of %d witnesses; as before after %v: "+
		"sessions %d/%d, channels %d/%d, goroutines %d/%d, descriptors %d/%d, resident %.1f/%.1f MiB (%+.1f %%)\n",
		sockets, length, r.connects.Load(), r.others, r.published, len(r.witnesses), took.Round(time.Millisecond),
		warm.sessions, end.sessions, warm.channels, end.channels, warm.goroutines, end.goroutines,
		warm.descriptors, end.descriptors, float64(warm.resident)/(1<<20), float64(end.resident)/(1<<20), grown)
}

// figures are what a run must leave as it was.
type figures struct {
	sessions, channels, goroutines, descriptors int

	resident int // bytes
}

func (r *run) figures() figures {
	r.t.Helper()
	m := r.metrics()
	return figures{
		sessions:    int(m["stream_sessions"]),
		channels:    int(m["stream_channels"] + m["stream_channels_lingering"]),
		goroutines:  int(m["go_goroutines"]),
		descriptors: r.descriptors(),
		resident:    r.resident(),
	}
}

// usual is what there is once sessions and channels are as before: the highest
// that goroutines and descriptors are within a second, because a witness that
// polls has now one more and now one less.
func (r *run) usual(before figures) figures {
	r.t.Helper()
	before.goroutines, before.descriptors = math.MaxInt, math.MaxInt
	usual, _ := r.settle(before)
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		now := r.figures()
		usual.goroutines = max(usual.goroutines, now.goroutines)
		usual.descriptors = max(usual.descriptors, now.descriptors)
		usual.resident = now.resident
	}
	return usual
}

// settle waits until no figure but that of memory is above those before, and
// returns what they are.
func (r *run) settle(before figures) (now figures, took time.Duration) {
	r.t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		now, took = r.figures(), time.Since(began)
		switch {
		case now.sessions == before.sessions && now.channels == before.channels &&
			now.goroutines <= before.goroutines && now.descriptors <= before.descriptors:
			return now, took
		case took > settleWithin:
			r.t.Fatalf("after %v there are %+v, want %+v", took, now, before)
		}
	}
}

// churn has clients come and go for some time, and returns when all have left
// and the witnesses have heard all.
func (r *run) churn(length time.Duration) {
	r.t.Helper()
	var clients, publishing sync.WaitGroup
	stop := make(chan struct{})
	publishing.Go(func() { r.publish(stop) }) // ends with stop
	ticks := time.NewTicker(connectEvery)
	defer ticks.Stop()
	for end := time.Now().Add(length); time.Now().Before(end); <-ticks.C {
		n := r.connects.Add(1)
		kind := kinds[n%uint64(len(kinds))]
		clients.Go(func() { // ends within patience
			if err := kind.run(r.address, rand.New(rand.NewPCG(n, 1))); err != nil && r.failed.Add(1) <= 10 {
				r.t.Errorf("client %d, %s: %v", n, kind.name, err)
			}
		})
	}
	clients.Wait()
	close(stop)
	publishing.Wait()
	for _, w := range r.witnesses {
		eventually(r.t, "a witness has heard all", func() bool { return w.heard.Load() == int64(r.published) || w.failed.Load() })
	}
}

// publish publishes to random channels, and now and then to the witnesses.
func (r *run) publish(stop <-chan struct{}) {
	random := rand.New(rand.NewPCG(uint64(r.published), 2))
	ticks := time.NewTicker(publishEvery)
	defer ticks.Stop()
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-ticks.C:
		}
		tag := fmt.Sprintf("random:%d", random.IntN(randomTags))
		size := random.IntN(2000)
		if n%50 == 0 {
			size *= 20
		}
		data := fmt.Sprintf(`["%s","%s"]`, tag, strings.Repeat("x", size))
		if n%4 == 0 {
			r.published++
			tag, data = witnessed, fmt.Sprint(r.published)
		} else {
			r.others++
		}
		if _, err := r.publisher.Do("PUBLISH", "sb:"+tag, data); err != nil {
			r.t.Errorf("PUBLISH: %v", err)
			return
		}
	}
}
