package load_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/internal/leaktest"
	"github.com/sb-stream/stream-server/internal/load"
	"github.com/sb-stream/stream-server/server"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

const publishKey = "the key of these tests"

// serve starts a stream server and returns its URL and that of its broker.
func serve(t *testing.T) (url, broker string) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	b, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Prefix: "sb:", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(); err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(server.Config{Broker: b, Log: log, PublishKeys: []string{publishKey}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, listener) }() // ends with the test
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + listener.Addr().String(), "redis://" + b.Addr().String()
}

func engineIO(t *testing.T, version int) *load.Protocol {
	t.Helper()
	p, err := load.EngineIO(version, "/socket.io/", "")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAgainstTheServer(t *testing.T) {
	url, broker := serve(t)
	redis := func() load.Publisher {
		p, err := load.RedisPublisher(broker, "sb:", nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, tt := range []struct {
		name     string
		version  int
		channels int
		to       func() load.Publisher
	}{
		{"version 4, Redis", 4, 1, redis},
		{"version 3, Redis", 3, 7, redis},
		{"version 4, HTTP", 4, 7, func() load.Publisher { return load.HTTPPublisher(url, publishKey) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const clients = 30
			s, connected, err := load.Connect(t.Context(), load.Config{
				URL: url, Protocol: engineIO(t, tt.version), Clients: clients, Channels: tt.channels,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if connected.Clients != clients || connected.PerSecond() <= 0 {
				t.Errorf("connected: %+v", connected)
			}
			to := tt.to()
			messages := s.Messages(600)
			r, err := s.Saturate(t.Context(), to, 4, load.Limit{Messages: messages})
			if err != nil || r.Published != int64(messages) || r.Delivered < 500 || r.Faults.Any() || r.Stalls > 0 {
				t.Errorf("Saturate = %+v, %v, want %d messages without faults", r, err, messages)
			}
			r, err = s.Pace(t.Context(), to, 10_000, load.Limit{Duration: 50 * time.Millisecond})
			if err != nil || r.Delivered < 400 || r.Faults.Any() || r.Latency(100) <= 0 || r.Took < 40*time.Millisecond {
				t.Errorf("Pace = %+v, %v, want about 500 without faults", r, err)
			}
			if err := s.Idle(t.Context(), time.Millisecond); err != nil {
				t.Error(err)
			}
			if err := to.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDeafClients(t *testing.T) {
	url, broker := serve(t)
	s, _, err := load.Connect(t.Context(), load.Config{
		URL: url, Protocol: engineIO(t, 4), Clients: 20, Deaf: 2, Size: 4096,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	to, err := load.RedisPublisher(broker, "sb:", nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Saturate(t.Context(), to, 1, load.Limit{Messages: 500})
	if err != nil || r.Delivered != 18*500 || r.Faults.Any() {
		t.Errorf("Saturate = %+v, %v, want %d without faults", r, err, 18*500)
	}
	if err := to.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefusals(t *testing.T) {
	url, _ := serve(t)
	config := load.Config{URL: url, Protocol: engineIO(t, 4), Clients: 3}
	for _, tt := range []struct {
		name   string
		change func(c *load.Config)
		want   string
	}{
		{"no address", func(c *load.Config) { c.URL = "localhost:80" }, "no address"},
		{"no clients", func(c *load.Config) { c.Clients = 0 }, "clients"},
		{"channels nobody reads", func(c *load.Config) { c.Channels = 4 }, "channels"},
		{"another path", func(c *load.Config) { c.Protocol = &load.Protocol{Path: "/nothing/"} }, "client 1 of 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config
			tt.change(&c)
			_, _, err := load.Connect(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Connect = %v, want %q", err, tt.want)
			}
		})
	}
	to := load.HTTPPublisher(url, "another key")
	_ = to.Publish("bench:0", []byte("1"))
	if err := to.Close(); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong key is %v, want 401", err)
	}
	if _, err := load.RedisPublisher("redis://127.0.0.1:1", "", nil); err == nil {
		t.Error("a Redis that is not there is no error")
	}
}

func TestPark(t *testing.T) {
	url, broker := serve(t)
	parked, err := load.Park(t.Context(), load.Config{URL: url, Clients: 20}, "/socket.io/")
	if err != nil {
		t.Fatal(err)
	}
	defer parked.Close()
	to, err := load.RedisPublisher(broker, "sb:", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = to.Publish(load.ChannelName(0), []byte("1"))
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if n := parked.Ended(); n != 0 {
		t.Errorf("%d clients ended", n)
	}
}
