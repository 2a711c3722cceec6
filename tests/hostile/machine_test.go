package hostile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// A machine knows how long it has kept the threads of this process waiting for
// a core, because other processes had them: a message cannot be faster than
// that, whatever the server does. A server that keeps its own cores busy does
// not show here: Go has no more threads that want to run than there are cores.
type machine struct {
	mu      sync.Mutex
	users   int           // guarded by mu
	stop    chan struct{} // guarded by mu; closed for the last user
	samples []sample      // guarded by mu; the last of them
}

// A sample is how long threads had waited by then, all together.
type sample struct {
	at     time.Time
	waited time.Duration
}

const (
	sampleEvery = 20 * time.Millisecond
	samplesKept = 3000 // a minute
)

// host is the one there is.
var host machine

// watch begins to look, until every caller has called leave.
func (m *machine) watch() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users++; m.users == 1 {
		m.stop = make(chan struct{})
		go m.run(m.stop) // ends when it is closed
	}
}

func (m *machine) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users--; m.users == 0 {
		close(m.stop)
	}
}

func (m *machine) run(stop chan struct{}) {
	for {
		m.mu.Lock()
		m.samples = append(m.samples, sample{time.Now(), waited()})
		m.samples = m.samples[max(0, len(m.samples)-samplesKept):]
		m.mu.Unlock()
		select {
		case <-stop:
			return
		case <-time.After(sampleEvery):
		}
	}
}

// kept is how long threads have waited since then.
func (m *machine) kept(since time.Time) time.Duration {
	now := waited()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range slices.Backward(m.samples) {
		if s.at.Before(since) {
			return now - s.waited
		}
	}
	return 0
}

// waited is how long the threads of this process have waited for a core since
// they began. Linux says so; elsewhere it is nothing.
func waited() (sum time.Duration) {
	threads, _ := filepath.Glob("/proc/self/task/*/schedstat")
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		var ran, delayed time.Duration
		if _, err := fmt.Sscan(string(text), &ran, &delayed); err == nil {
			sum += delayed
		}
	}
	return sum
}
