package chaos

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// F5: the node does not read, and Redis cuts it off for the size of its output.
func TestF5OutputLimit(t *testing.T) {
	longOnly(t)
	r := report(t, row{
		id: "F5", what: "Redis cuts us off: node stopped, 150 MB published",
		goal: "gap told within 1 s; durable 0 lost", peer: "5,599 of 6,000 lost, nobody told",
	})
	const megabytes, size, clients = 150, 10 << 10, 4 // over the limit of 32 MB on each connection of the node
	s := setScene(t, cast{nodes: 1, clients: clients})
	for _, c := range s.channels {
		if !c.kind.durable() {
			c.pad = strings.Repeat("x", size)
		}
	}
	s.publish(2.5)
	<-time.After(time.Second)
	s.nodes[0].signal(syscall.SIGSTOP)
	s.quit()
	s.publish(400)
	began := time.Now()
	flooded := func() (n int) {
		for _, c := range s.channels {
			if !c.kind.durable() {
				n += c.begun() * size
			}
		}
		return n
	}
	eventually(t, 3*patience, "all is published", func() bool { return flooded() > megabytes<<20 })
	s.quit()
	r.figures = append(r.figures, fmt.Sprintf("%d MB in %s", flooded()>>20, short(time.Since(began))))
	s.publish(2.5)
	resumed := time.Now()
	s.nodes[0].signal(syscall.SIGCONT)
	<-time.After(4 * time.Second)
	by := s.settle()
	told, of := s.told(began)
	r.expect(t, told == of, "%d of %d plain subscriptions told", told, of)
	var slowest time.Duration
	for _, h := range s.histories(plainKind) {
		if at := h.first(gap, began); !at.IsZero() {
			slowest = max(slowest, at.Sub(resumed))
		}
	}
	r.atMost(t, "the last of them after", slowest, time.Second)
	r.judge(t, by, durableShared, durableSingle)
}
