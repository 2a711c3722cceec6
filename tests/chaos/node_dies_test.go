package chaos

import (
	"fmt"
	"testing"
	"time"
)

// size is one of the short form, or of the long.
func size(short, full int) int {
	if *long {
		return full
	}
	return short
}

// F6: one of two nodes is killed. Its clients come back to the other.
func TestF6NodeDies(t *testing.T) {
	beside(t)
	clients := size(50, 500)
	r := report(t, row{
		id: "F6", what: fmt.Sprintf("one of two nodes killed, %d clients", clients),
		goal: "all back within 5 s; durable, and plain that a living node also hears: 0 lost, 0 twice; plain known to no other node: told",
		peer: "back at p99 4.2 s",
	})
	s := setScene(t, cast{nodes: 2, clients: clients, polling: clients / 10, shims: 6})
	s.publish(perChannel())
	<-time.After(warmUp())

	killed := time.Now()
	s.nodes[0].kill()
	var moved []*listener
	eventually(t, patience, "the clients of the node have noticed", func() bool {
		moved = s.moved(killed)
		return len(moved) >= clients/3
	})
	away := func() (all []*listener) {
		for _, l := range s.moved(killed) {
			if l.back(killed).IsZero() {
				all = append(all, l)
			}
		}
		return all
	}
	eventually(t, patience, "all are back", func() bool { return len(away()) == 0 })
	for _, l := range away() {
		t.Logf("not back: %s", l)
	}
	<-time.After(3 * time.Second)
	by := s.settle()
	moved = s.moved(killed)
	var slowest time.Duration
	for _, l := range moved {
		slowest = max(slowest, l.back(killed).Sub(killed))
	}
	r.atMost(t, fmt.Sprintf("all %d back in", len(moved)), slowest, 5*time.Second)
	r.judge(t, by, plainShared, durableShared, durableSingle)
}

// perChannel is how many messages a second each of the four channels of a
// client gets: 10 in all, and half of them on channels that it alone hears. In
// the short form they are twice as many, because it warms up for half as long.
func perChannel() float64 { return 2.5 * float64(size(2, 1)) }

// warmUp is how long all is well before a fault: a node places the positions of
// others by the eight messages before them, if it has heard those for 2 s.
func warmUp() time.Duration { return time.Duration(size(4, 8)) * time.Second }

// beside lets the rows of the short form run at once, which are no load.
func beside(t *testing.T) {
	if !*long {
		t.Parallel()
	}
}

// moved are the clients whose connection ended after a time.
func (s *scene) moved(after time.Time) (moved []*listener) {
	for _, l := range s.listeners {
		_, dropped := l.times()
		if n := len(dropped); n > 0 && dropped[n-1].After(after) {
			moved = append(moved, l)
		}
	}
	return moved
}
