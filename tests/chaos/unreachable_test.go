package chaos

import (
	"testing"
	"time"
)

// F4: Redis cannot be reached any more, and no connection ends.
func TestF4RedisUnreachable(t *testing.T) {
	longOnly(t)
	for _, tt := range []struct {
		name  string
		away  time.Duration
		begin func(s *scene)
		end   func(s *scene)
	}{
		{"partition, 60s", time.Minute, func(s *scene) { each(s.links, (*link).part) }, func(s *scene) { each(s.links, (*link).mend) }},
		{"redis-server stopped, 20s", 20 * time.Second, func(s *scene) { s.redis.Pause() }, func(s *scene) { s.redis.Resume() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, row{
				id: "F4", what: "Redis unreachable: " + tt.name,
				goal: "noticed within 10 s, then as F1", peer: "not noticed",
			})
			s := setScene(t, cast{nodes: 2, clients: 20})
			s.publish(2.5)
			<-time.After(time.Second)
			began := time.Now()
			tt.begin(s)
			noticed := eventually(t, patience, "the node is not ready", func() bool { return !s.nodes[0].ready() })
			<-time.After(tt.away - time.Since(began))
			tt.end(s)
			returned := time.Now()
			connected := eventually(t, patience, "the node is ready again", s.nodes[0].ready)
			<-time.After(3 * time.Second)
			by := s.settle()
			r.atMost(t, "noticed in", noticed, 10*time.Second)
			r.atMost(t, "ready again in", connected, 1300*time.Millisecond)
			told, of := s.told(began)
			r.expect(t, told == of, "%d of %d plain subscriptions told", told, of)
			r.atMost(t, "first delivery in", s.firstMessage(returned), 1300*time.Millisecond)
			r.expect(t, s.disconnects() == 0, "%d clients disconnected", s.disconnects())
			r.judge(t, by, durableShared, durableSingle)
		})
	}
}

func each(links []*link, f func(*link)) {
	for _, l := range links {
		f(l)
	}
}
