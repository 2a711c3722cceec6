package chaos

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"
)

// F2: clients subscribe while Redis is being reconnected to, with 100 ms of
// latency. None may stay deaf.
func TestF2SubscribeWhileReconnecting(t *testing.T) {
	longOnly(t)
	const rounds, tries = 10, 100
	r := report(t, row{
		id: "F2", what: "1,000 subscribes while Redis reconnects, 100 ms of latency",
		goal: "0 silent", peer: "20 of 20 silent for good",
	})
	s := setScene(t, cast{nodes: 1, clients: 1, flags: []string{"--max-channels=200", "--max-sessions=0"}})
	s.links[0].slow(100)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for round := range rounds {
		s.links[0].cut()
		for i := range tries {
			l := newListener(s.nodes[0].url, s.channel(fmt.Sprintf("try:%d:%d", round, i), plainSingle))
			s.listeners = append(s.listeners, l)
			s.listens.Go(func() { l.run(ctx) }) // ends with ctx
			<-time.After(5 * time.Millisecond)  // until the reconnect is over
		}
	}
	eventually(t, patience, "all are answered", func() bool {
		return !slices.ContainsFunc(s.listeners, func(l *listener) bool { return l.connects.Load() == 0 })
	})
	s.publish(2)
	<-time.After(3 * time.Second)
	s.quit()
	<-time.After(time.Second)
	cancel()
	silent := 0
	for _, l := range s.listeners[1:] {
		for _, h := range l.heard {
			if h.seen() == 0 {
				silent++
			}
		}
	}
	s.quit = nil
	r.expect(t, silent == 0, "%d of %d silent", silent, len(s.listeners)-1)
}
