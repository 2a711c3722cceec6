package redis

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	redigo "github.com/gomodule/redigo/redis"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// A counter is a sink that counts, and is waited for.
type counter struct {
	messages, live atomic.Int64
	goal           atomic.Int64
	reached        chan struct{}
}

func (c *counter) count(n *atomic.Int64) {
	if n.Add(1) == c.goal.Load() {
		c.reached <- struct{}{}
	}
}

func (c *counter) Message(string, []byte) int         { c.count(&c.messages); return 1 }
func (c *counter) Live(string)                        { c.count(&c.live) }
func (c *counter) Durable(string, []byte, string) int { return 0 }
func (c *counter) Missed(string, ...string)           {}
func (c *counter) Lost(string, ...string)             {}

// subjects are the Redises that are measured: one, with connections in number,
// and a Cluster.
func subjects(b *testing.B, f func(b *testing.B, config Config, owner func(channel string) string)) {
	for _, connections := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("connections=%d", connections), func(b *testing.B) {
			r := redistest.Start(b)
			f(b, Config{URL: r.URL(), Connections: connections}, func(string) string { return r.Addr() })
		})
	}
	b.Run("cluster=3", func(b *testing.B) {
		set := redistest.StartCluster(b, 3)
		f(b, Config{URL: set.URL()}, func(channel string) string {
			owner, _ := set.Owner(channel)
			return owner.Addr()
		})
	})
}

// listening is a Broker that runs, with this many channels live.
func listening(b *testing.B, config Config, channels int) (*Broker, *counter) {
	config.Log, _ = logtest.NewNullLogger()
	config.Prefix = "sb:"
	broker, err := New(config)
	if err != nil {
		b.Fatal(err)
	}
	c := &counter{reached: make(chan struct{}, 1)}
	c.goal.Store(int64(channels))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = broker.Run(ctx, c) }) // ends with the benchmark
	b.Cleanup(func() { cancel(); running.Wait() })
	for i := range channels {
		broker.Listen(fmt.Sprint("channel ", i))
	}
	<-c.reached
	return broker, c
}

// BenchmarkMessages is of messages of 128 bytes on 64 channels, from web servers
// that do not wait for each answer, to the sink.
func BenchmarkMessages(b *testing.B) {
	const channels, each = 64, 50
	data := strings.Repeat("x", 128)
	subjects(b, func(b *testing.B, config Config, owner func(string) string) {
		_, c := listening(b, config, channels)
		command := "PUBLISH"
		if strings.HasPrefix(config.URL, "redis-cluster") {
			command = "SPUBLISH"
		}
		conns, names := make(map[string]redigo.Conn), make(map[string][]string)
		for i := range channels {
			name := fmt.Sprint("sb:channel ", i)
			addr := owner(name)
			if conns[addr] == nil {
				conn, err := redigo.Dial("tcp", addr)
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { conn.Close() })
				conns[addr] = conn
			}
			names[addr] = append(names[addr], name)
		}
		for b.Loop() {
			c.goal.Store(c.messages.Load() + channels*each)
			var publishing sync.WaitGroup
			for addr, conn := range conns {
				publishing.Go(func() {
					for range each {
						for _, name := range names[addr] {
							_ = conn.Send(command, name, data)
						}
					}
					if _, err := conn.Do(""); err != nil {
						b.Error(err)
					}
				})
			}
			publishing.Wait()
			<-c.reached
		}
		b.ReportMetric(float64(b.N*channels*each)/b.Elapsed().Seconds(), "messages/s")
	})
}

// BenchmarkSubscriptions is of channels that become live, 10,000 at a time.
func BenchmarkSubscriptions(b *testing.B) {
	const channels = 10_000
	subjects(b, func(b *testing.B, config Config, _ func(string) string) {
		broker, c := listening(b, config, 1)
		for b.Loop() {
			c.goal.Store(c.live.Load() + channels)
			for i := range channels {
				broker.Listen(fmt.Sprint("many ", i))
			}
			<-c.reached
			for i := range channels {
				broker.Unlisten(fmt.Sprint("many ", i))
			}
		}
		b.ReportMetric(float64(b.N*channels)/b.Elapsed().Seconds(), "channels/s")
	})
}
