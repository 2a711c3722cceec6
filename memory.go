package main

import (
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// gcPercent is the garbage that may lie beside what lives, in percent of it.
// Sessions live long and messages make little garbage, so that less than Go's
// 100 costs next to nothing and is a quarter of the memory.
const gcPercent = 50

// setMemory makes the Go runtime keep within the limit of the container, and
// returns how many bytes there are: GOMEMLIMIT, the container's limit, or the
// machine's memory. GOGC and GOMEMLIMIT in the environment have the last word.
func setMemory() int64 {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
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
