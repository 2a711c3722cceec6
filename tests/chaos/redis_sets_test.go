package chaos

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// setGoal is that of the rows of this file. Web servers wait for the replica.
const setGoal = "durable, with WAIT 1: 0 lost, 0 twice; plain: told where something is missing"

// Of Sentinel: the primary is killed, and its replica takes over.
func TestSentinelFailover(t *testing.T) {
	longOnly(t)
	r := report(t, row{
		id: "F1", what: "Sentinel: the primary killed", goal: setGoal + "; every plain subscriber told", peer: "–",
	})
	set := redistest.StartSentinel(t)
	s := setScene(t, cast{nodes: 2, clients: 20, store: &store{
		url: set.URL,
		way: func() way { return &pipeline{dial: dialPrimary(set), wait: true} },
	}})
	s.publish(2.5)
	<-time.After(2 * time.Second)
	killed := time.Now()
	set.Primary.Kill()
	set.Promoted()
	promoted := time.Now()
	host, port, _ := strings.Cut(set.Replica.Addr(), ":")
	set.Primary.Restart()
	set.Primary.Do("REPLICAOF", host, port) // web servers wait for it
	<-time.After(5 * time.Second)
	by := s.settle()
	r.judge(t, by, durableShared, durableSingle)
	told, of := s.told(killed)
	r.expect(t, told == of, "%d of %d plain subscriptions told", told, of)
	r.atMost(t, "first delivery after the failover", s.firstMessage(promoted), 1300*time.Millisecond)
	r.expect(t, s.disconnects() == 0, "%d clients disconnected", s.disconnects())
}

// dialPrimary asks the Sentinels, as web servers do.
func dialPrimary(set *redistest.Sentinel) func() (redis.Conn, error) {
	return func() (redis.Conn, error) {
		for _, sentinel := range set.Sentinels {
			conn, err := dialRedis(sentinel.Addr())()
			if err != nil {
				continue
			}
			at, err := redis.Strings(conn.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"))
			_ = conn.Close()
			if err == nil && len(at) == 2 {
				return dialRedis(at[0] + ":" + at[1])()
			}
		}
		return nil, errors.New("no Sentinel knows a primary")
	}
}

// Of Cluster: a primary is killed, or a slot moves.
func TestCluster(t *testing.T) {
	longOnly(t)
	for _, tt := range []struct {
		name  string
		fault func(c *redistest.Cluster)
	}{
		{"a primary killed, back after 4s", func(c *redistest.Cluster) {
			owner, _ := c.Owner(prefix + "all")
			owner.Kill()
			<-time.After(4 * time.Second)
			owner.Restart() // a replica now, for which web servers wait
		}},
		{"a slot moved", func(c *redistest.Cluster) {
			owner, slot := c.Owner(prefix + "all")
			for _, other := range c.Nodes {
				if other != owner {
					c.Move(slot, owner, other)
					return
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, row{id: "F1", what: "Cluster: " + tt.name, goal: setGoal, peer: "–"})
			set := redistest.StartCluster(t, 3)
			set.AddReplicas()
			s := setScene(t, cast{nodes: 2, clients: 20, store: &store{
				url: set.URL,
				way: func() way { return newSlots(set.Nodes) },
			}})
			s.publish(2.5)
			<-time.After(2 * time.Second)
			began := time.Now()
			tt.fault(set)
			<-time.After(5 * time.Second)
			by := s.settle()
			r.judge(t, by, durableShared, durableSingle)
			told, of := s.told(began)
			r.expect(t, told > 0, "%d of %d plain subscriptions told", told, of)
			r.expect(t, s.disconnects() == 0, "%d clients disconnected", s.disconnects())
		})
	}
}

// slots is the way to a Cluster: each message goes to the primary of its slot,
// found by what the Cluster answers.
type slots struct {
	seeds  []string
	owners map[string]string     // key → address
	conns  map[string]redis.Conn // by address
}

func newSlots(nodes []*redistest.Server) *slots {
	w := &slots{owners: make(map[string]string), conns: make(map[string]redis.Conn)}
	for _, node := range nodes {
		w.seeds = append(w.seeds, node.Addr())
	}
	return w
}

func (w *slots) open() error { return nil }

func (w *slots) send(batch []publication) []bool {
	accepted := make([]bool, len(batch))
	for i, b := range batch {
		if b.channel.kind.durable() {
			key := prefix + "stream"
			accepted[i] = w.do(true, key, "XADD", key, "*", "channel", b.channel.tag, "data", b.data())
		} else {
			accepted[i] = w.do(false, prefix+b.channel.tag, "SPUBLISH", prefix+b.channel.tag, b.data())
		}
	}
	return accepted
}

// do sends a command to the owner of a key, as often as it is sent on. It
// reports whether the owner, and with wait its replica, has done it.
func (w *slots) do(wait bool, key, command string, args ...any) bool {
	for range 2 * len(w.seeds) {
		addr := w.owners[key]
		if addr == "" {
			addr = w.seeds[0]
			w.seeds = append(w.seeds[1:], addr)
		}
		conn := w.conns[addr]
		if conn == nil || conn.Err() != nil {
			var err error
			if conn, err = dialRedis(addr)(); err != nil {
				delete(w.owners, key)
				continue
			}
			w.conns[addr] = conn
		}
		_, err := conn.Do(command, args...)
		if err == nil && wait {
			var n int
			if n, err = redis.Int(conn.Do("WAIT", 1, waitTimeout.Milliseconds())); err == nil && n < 1 {
				err = fmt.Errorf("no replica of %s has it", addr)
			}
		}
		if err == nil {
			w.owners[key] = addr
			return true
		}
		delete(w.owners, key)
		if conn.Err() != nil {
			return false
		}
		if fields := strings.Fields(err.Error()); fields[0] == "MOVED" && len(fields) == 3 {
			w.owners[key] = fields[2]
			continue
		}
		return false // CLUSTERDOWN, TRYAGAIN: a web server would say so
	}
	return false
}

func (w *slots) close() {
	for _, conn := range w.conns {
		_ = conn.Close()
	}
	clear(w.conns)
}
