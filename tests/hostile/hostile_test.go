package hostile

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/engineio"
)

// maxGrowth is by how much the heap may be larger after the corpus.
const maxGrowth = 5 << 20

// TestCorpus plays every input to every kind of server that it means something
// to. Meanwhile and afterwards another client of that server gets its messages
// in time; in the end sessions, goroutines and memory are as before.
func TestCorpus(t *testing.T) {
	inputs := corpus(t)
	targets := []*target{
		start(t, "plain", server.Config{}),
		start(t, "goroutine", server.Config{Sockets: engineio.SocketsGoroutine}),
		start(t, "redis", server.Config{}),
		start(t, "large", server.Config{MaxMessage: 1_000_000}),
		start(t, "deflate", server.Config{Compress: true}),
	}
	slow := startSlow(t, inputs)
	wants := wantsOf(t, inputs, slow)
	settle(t, len(targets)+len(slow.targets()))
	before := measure()
	results, refused := slow.play(), slow.refusedIsClosed()
	for _, in := range inputs {
		if results[in.Name] == nil {
			t.Run(in.Name, func(t *testing.T) {
				for _, n := range targets {
					if want, ok := wants[n.name][in.Name]; ok {
						n.attack(t, in, want)
					}
				}
			})
		}
	}
	for _, in := range inputs {
		if r := results[in.Name]; r != nil {
			t.Run(in.Name, r.check)
		}
	}
	t.Run("a refused token, and nothing after it", refused.check)
	targets = append(targets, slow.targets()...)
	for _, n := range targets {
		eventually(t, n.name+" has the session of the canary alone", func() bool { return n.metric(t, "stream_sessions") == 1 })
		n.log.check(t, n.name)
	}
	checkRedis(t, targets[2])
	before.check(t)
}

// attack plays an input and holds what came of it to what is wanted.
func (n *target) attack(t *testing.T, in input, want string) {
	t.Helper()
	n.canary.mark()
	got, err := n.play(in)
	if err != nil {
		t.Fatalf("on %s: %v", n.name, err)
	}
	if got != want {
		t.Errorf("on %s it came to\n\t%s\nwant\n\t%s", n.name, got, want)
	}
	n.checkCanary(t)
}

// checkCanary holds the messages to another client to their limit, those since
// mark and one more.
func (n *target) checkCanary(t *testing.T) {
	t.Helper()
	worst, err := n.canary.check()
	switch {
	case err != nil:
		t.Fatalf("on %s the canary: %v", n.name, err)
	case worst > echoLimit:
		t.Errorf("on %s a message to another client took %v, want at most %v", n.name, worst, echoLimit)
	}
}

// wantsOf is what is wanted of each server. An input that nothing is wanted of
// fails the test, and so does a want that there is no input for.
func wantsOf(t *testing.T, inputs []input, slow *slowGroup) map[string]map[string]string {
	t.Helper()
	plain := maps.Clone(wantsHTTP)
	maps.Copy(plain, wantsSocket)
	onRedis := make(map[string]string)
	names := make(map[string]int)
	for _, in := range inputs {
		names[in.Name]++
		want, fast := plain[in.Name]
		_, isSlow := slow.wants[in.Name]
		if fast == isSlow {
			t.Errorf("%s is wanted to come to nothing, or to two things", in.Name)
		}
		if slices.Contains([]string{"redis", "channel", "publish"}, in.Category) {
			onRedis[in.Name] = want
		}
	}
	maps.Copy(onRedis, wantsRedis)
	all := map[string]map[string]string{
		"plain": plain, "goroutine": plain, "redis": onRedis, "large": wantsLarge, "deflate": wantsDeflate,
	}
	check := func(name string) {
		if names[name] != 1 {
			t.Errorf("the corpus has %d inputs named %s, want 1", names[name], name)
		}
	}
	for _, table := range all {
		for name := range table {
			check(name)
		}
	}
	for name := range slow.wants {
		check(name)
	}
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// checkRedis: clients have made the server subscribe to channels by their exact
// names, and it has let go of all of them.
func checkRedis(t *testing.T, n *target) {
	t.Helper()
	db, err := redis.Dial("tcp", n.broker)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if patterns, err := redis.Int(db.Do("PUBSUB", "NUMPAT")); patterns != 0 || err != nil {
		t.Errorf("PUBSUB NUMPAT = %d, %v, want 0", patterns, err)
	}
	eventually(t, "the channel of the canary is the only one", func() bool {
		list, err := redis.Strings(db.Do("PUBSUB", "CHANNELS"))
		list = slices.DeleteFunc(list, func(name string) bool { return strings.HasPrefix(name, prefix+"$") }) // the node's own
		return err == nil && slices.Equal(list, []string{prefix + "canary"})
	})
}

// A measurement is what hostile input must not make grow.
type measurement struct {
	goroutines int
	heap       uint64
}

func measure() measurement {
	runtime.GC() // which also drops what pools have kept for one collection
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return measurement{runtime.NumGoroutine(), m.HeapAlloc}
}

// settle waits until so many servers have started all of their goroutines: the
// last are those of their own canaries.
func settle(t *testing.T, servers int) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	eventually(t, "every server has its canary", func() bool {
		text := string(stacks[:runtime.Stack(stacks, true)])
		return strings.Count(text, "server.(*canaryEnd).read(") == servers
	})
}

// check waits until there are no more goroutines than before, and measures the
// heap.
func (before measurement) check(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before.goroutines {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Errorf("%d goroutines, want %d as before:\n%s", runtime.NumGoroutine(), before.goroutines, stacks)
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	after := measure()
	t.Logf("goroutines %d before, %d after; heap %d KB before, %d KB after",
		before.goroutines, after.goroutines, before.heap>>10, after.heap>>10)
	if after.heap > before.heap+maxGrowth {
		t.Errorf("the heap has %d bytes more than before, want at most %d", after.heap-before.heap, maxGrowth)
	}
}
