package chaos

import (
	"fmt"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// F1: Redis is killed, and comes back after a while with all that it accepted.
func TestF1RedisAway(t *testing.T) {
	beside(t)
	for _, away := range []time.Duration{time.Second, 5 * time.Second, 20 * time.Second} {
		t.Run(away.String(), func(t *testing.T) {
			if away > time.Second {
				longOnly(t)
			}
			r := report(t, row{
				id: "F1", what: fmt.Sprintf("Redis killed, away %v", away),
				goal: "durable: 0 lost, 0 twice; plain: every subscriber told; first delivery 200 ms after our connection is back, 1.3 s after Redis is",
				peer: "9 to 73 lost, nobody told",
			})
			const clients, rate = 20, 200
			s := setScene(t, cast{nodes: 2, clients: clients, shims: 6, redis: durableRedis})
			s.publish(rate / float64(len(s.channels)))
			<-time.After(warmUp())
			killed := time.Now()
			s.redis.Kill()
			<-time.After(away)
			s.redis.Restart()
			returned := time.Now()
			connected := s.subscribed(returned)
			<-time.After(3 * time.Second)

			by := s.settle()
			r.judge(t, by, durableShared, durableSingle)
			told, of := s.told(killed)
			r.expect(t, told == of, "%d of %d plain subscriptions told", told, of)
			first := s.firstMessage(returned)
			r.atMost(t, "first delivery after Redis answers", first, 1300*time.Millisecond)
			r.atMost(t, "and after our connection is back", max(0, first-connected), 200*time.Millisecond)
			r.expect(t, s.disconnects() == 0, "%d clients disconnected", s.disconnects())
		})
	}
}

// subscribed waits until a node is subscribed at Redis again, and returns when
// that was.
func (s *scene) subscribed(since time.Time) time.Duration {
	s.t.Helper()
	conn, err := dialRedis(s.redis.Addr())()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	eventually(s.t, patience, "a node is subscribed at Redis again", func() bool {
		list, err := redis.Strings(conn.Do("PUBSUB", "CHANNELS", prefix+"all"))
		return err == nil && len(list) > 0
	})
	return time.Since(since)
}
