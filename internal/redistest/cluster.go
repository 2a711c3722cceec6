package redistest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// slots are those of a Redis Cluster.
const slots = 16384

// A Cluster is a Redis Cluster whose primaries share the slots evenly: node i
// of n begins with those from i*16384/n on.
type Cluster struct {
	Nodes    []*Server // the primaries, as they began
	Replicas []*Server // of Nodes, by their number; none unless asked for

	t testing.TB
}

// StartCluster runs a Cluster of this many primaries until the test ends, and
// returns when all of them know it. args are more options of each.
func StartCluster(t testing.TB, primaries int, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	for i := range primaries {
		c.Nodes = append(c.Nodes, c.node(args...))
		c.Nodes[i].Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
		c.Nodes[i].Do("CLUSTER", "ADDSLOTSRANGE", i*slots/primaries, (i+1)*slots/primaries-1)
	}
	c.meet(c.Nodes[1:]...)
	return c
}

// AddReplicas gives each of the primaries a replica.
func (c *Cluster) AddReplicas(args ...string) {
	c.t.Helper()
	for range c.Nodes {
		c.Replicas = append(c.Replicas, c.node(args...))
	}
	c.meet(c.Replicas...)
	for i, replica := range c.Replicas {
		replica.Do("CLUSTER", "REPLICATE", c.ID(c.Nodes[i]))
	}
	await(c.t, "the replicas have the data", func() bool {
		return !slices.ContainsFunc(c.Replicas, func(replica *Server) bool {
			return !strings.Contains(replica.text("INFO", "replication"), "master_link_status:up")
		}) && !slices.ContainsFunc(c.all(), func(node *Server) bool {
			return strings.Count(node.text("CLUSTER", "NODES"), "slave") != len(c.Replicas)
		})
	})
}

func (c *Cluster) node(args ...string) *Server {
	bus := strconv.Itoa(FreePort(c.t))
	return Start(c.t, append([]string{
		"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "1500",
		"--repl-diskless-sync-delay", "0", "--cluster-allow-replica-migration", "no",
	}, args...)...)
}

func (c *Cluster) all() []*Server { return slices.Concat(c.Nodes, c.Replicas) }

// meet joins nodes with the first, and waits until all see the same whole.
func (c *Cluster) meet(nodes ...*Server) {
	c.t.Helper()
	for _, node := range nodes {
		port, _ := strconv.Atoi(c.bus(node))
		c.Nodes[0].Do("CLUSTER", "MEET", "127.0.0.1", node.port, port)
	}
	await(c.t, "the nodes of the cluster know each other", func() bool {
		return !slices.ContainsFunc(c.all(), func(node *Server) bool {
			list := node.text("CLUSTER", "NODES")
			return !strings.Contains(node.text("CLUSTER", "INFO"), "cluster_state:ok") ||
				strings.Count(list, " connected") != len(c.all()) || strings.Contains(list, "handshake")
		})
	})
}

// bus is the port on which the node speaks to the others.
func (c *Cluster) bus(node *Server) string {
	_, rest, _ := strings.Cut(node.text("CLUSTER", "NODES"), "@")
	port, _, _ := strings.Cut(rest, " ")
	port, _, _ = strings.Cut(port, ",")
	return port
}

// ID is the name of the node in the Cluster.
func (c *Cluster) ID(node *Server) string { return fmt.Sprintf("%s", node.Do("CLUSTER", "MYID")) }

// URL is redis-cluster://host:port,host:port,… of the primaries.
func (c *Cluster) URL() string {
	var hosts []string
	for _, node := range c.Nodes {
		hosts = append(hosts, node.Addr())
	}
	return "redis-cluster://" + strings.Join(hosts, ",")
}

// Owner is the primary that began with the channel's or key's slot.
func (c *Cluster) Owner(name string) (node *Server, slot int) {
	if _, err := fmt.Sscan(fmt.Sprint(c.Nodes[0].Do("CLUSTER", "KEYSLOT", name)), &slot); err != nil {
		c.t.Fatal("redistest: ", err)
	}
	for i := range c.Nodes {
		if slot < (i+1)*slots/len(c.Nodes) {
			return c.Nodes[i], slot
		}
	}
	return nil, slot
}

// Move gives a slot without keys to another primary, as resharding does.
func (c *Cluster) Move(slot int, from, to *Server) {
	c.t.Helper()
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", c.ID(from))
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", c.ID(to))
	to.Do("CLUSTER", "SETSLOT", slot, "NODE", c.ID(to))
	from.Do("CLUSTER", "SETSLOT", slot, "NODE", c.ID(to))
}
