package main

import (
	"context"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// memoryLimit makes the Go runtime keep within the limit of the container, and
// returns how many bytes there are: GOMEMLIMIT, the container's limit, or the
// machine's memory; 0 if nobody can tell.
func memoryLimit() int64 {
	// No limit and no cgroup are errors of memlimit, and all right here.
	_, _ = memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup))
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return limit
	}
	if size, err := memlimit.FromSystem(); err == nil && size < math.MaxInt64 {
		return int64(size)
	}
	return 0
}

// A trimmer decides when memory is given back to the system. A wave of clients
// that connect leaves several times the memory that they keep: requests, buffers
// and stacks of net/http. An idle server would have it for minutes.
type trimmer struct {
	allocated uint64    // bytes that had been allocated when it was asked last
	trimmed   uint64    // likewise, when it said yes last
	at        time.Time // when that was
}

const (
	trimCheck = time.Second // between two looks
	trimEvery = time.Minute // between two times, at least
)

// due reports whether it is time, with so many bytes live and so many allocated
// since the start: when there was a wave, and it is over. It costs a collection
// or two, so it is no more often than those of their own.
func (t *trimmer) due(now time.Time, live, allocated uint64) bool {
	quiet := allocated-t.allocated < live/64+256<<10
	wave := allocated-t.trimmed > live/2+4<<20
	t.allocated = allocated
	if !quiet || !wave || !t.at.IsZero() && now.Sub(t.at) < trimEvery {
		return false
	}
	t.trimmed, t.at = allocated, now
	return true
}

// headroom is how many bytes of garbage there may be before a collection. Go's
// own rule, as much as lives, makes it run very often while little does.
const headroom = 8 << 20

// percent is what makes Go leave the headroom beside so many bytes that live,
// and never less than its default.
func percent(live uint64) int {
	const most = 100 * headroom / (4 << 20) // 4 MiB is the least that Go counts with
	return int(min(max(100*headroom/max(live, 1), 100), most))
}

// tendMemory leaves the collector its headroom and gives memory back after each
// wave, until ctx ends. With GOGC in the environment it leaves all to that.
func tendMemory(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	set := percent(0)
	debug.SetGCPercent(set)
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	looks := time.NewTicker(trimCheck)
	defer looks.Stop()
	for t := (trimmer{}); ; {
		select {
		case <-ctx.Done():
			return
		case now := <-looks.C:
			metrics.Read(samples)
			live, allocated := samples[0].Value.Uint64(), samples[1].Value.Uint64()
			if t.due(now, live, allocated) {
				runtime.GC() // each collection halves the stacks that are larger than need be
				debug.FreeOSMemory()
			}
			if p := percent(live); p < set*9/10 || p > set*11/10 { // setting it stops everything for a moment
				set = p
				debug.SetGCPercent(set)
			}
		}
	}
}
