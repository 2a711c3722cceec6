package redistest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"
)

// primary is the name by which Sentinels know what they watch.
const primary = "mymaster"

// A Sentinel is a primary with a replica, and three Sentinels that make the
// replica the primary when that has not answered for half a second.
type Sentinel struct {
	Primary, Replica *Server // as they began
	Sentinels        []*Server

	t testing.TB
}

// StartSentinel runs them until the test ends, and returns when they all know
// each other. args are more options of the primary and the replica.
func StartSentinel(t testing.TB, args ...string) *Sentinel {
	t.Helper()
	s := &Sentinel{t: t}
	args = append([]string{"--repl-diskless-sync-delay", "0"}, args...)
	s.Primary = Start(t, args...)
	s.Replica = Start(t, append([]string{"--replicaof", fmt.Sprint("127.0.0.1 ", s.Primary.port)}, args...)...)
	await(t, "the replica has the data", func() bool {
		return strings.Contains(s.Replica.text("INFO", "replication"), "master_link_status:up")
	})
	for range 3 {
		s.Sentinels = append(s.Sentinels, launch(t, s.options))
	}
	for _, each := range s.Sentinels {
		each.Do("SENTINEL", "DEBUG", "INFO-PERIOD", 200, "PUBLISH-PERIOD", 100, "ASK-PERIOD", 100)
	}
	await(t, "the Sentinels know each other", func() bool {
		for _, each := range s.Sentinels {
			info := each.text("INFO", "sentinel")
			if !strings.Contains(info, "status=ok") || !strings.Contains(info, "slaves=1,sentinels=3") {
				return false
			}
		}
		return true
	})
	return s
}

// options writes the file that a Sentinel needs, unless it is there from before
// a restart.
func (s *Sentinel) options(server *Server) []string {
	path := filepath.Join(server.dir, "sentinel.conf")
	if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text), fmt.Sprintf("port %d\n", server.port)) {
		return []string{path, "--sentinel"}
	}
	text := fmt.Sprintf("port %[1]d\nbind 127.0.0.1\ndir %[2]s\n"+
		"sentinel monitor %[3]s 127.0.0.1 %[4]d 2\nsentinel down-after-milliseconds %[3]s 500\n"+
		"sentinel failover-timeout %[3]s 2000\n", server.port, server.dir, primary, s.Primary.port)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal("redistest: ", err)
	}
	return []string{path, "--sentinel"}
}

// URL is redis-sentinel://host:port,host:port,host:port/name.
func (s *Sentinel) URL() string {
	var hosts []string
	for _, each := range s.Sentinels {
		hosts = append(hosts, each.Addr())
	}
	return "redis-sentinel://" + strings.Join(hosts, ",") + "/" + primary
}

// Promoted waits until the Sentinels have made the replica the primary.
func (s *Sentinel) Promoted() {
	s.t.Helper()
	await(s.t, "the replica is the primary", func() bool {
		for _, each := range s.Sentinels {
			at, err := redis.Strings(each.try("SENTINEL", "GET-MASTER-ADDR-BY-NAME", primary))
			if err != nil || len(at) != 2 || at[0]+":"+at[1] != s.Replica.Addr() {
				return false
			}
		}
		return true
	})
}
