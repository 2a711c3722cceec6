package socketio

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// RedisAdapterOptions say where the Redis is by which nodes share broadcasts.
// The fields are those of go-socket.io.
type RedisAdapterOptions struct {
	Addr       string // host:port; 127.0.0.1:6379
	Host, Port string // in place of Addr
	Prefix     string // of the Redis channel; "socket.io"
	Network    string // "tcp", which is the default and the only one
	Password   string
	DB         int
}

const (
	adapterTag     = "broadcast"
	adapterQueue   = 1000            // broadcasts that wait for Redis
	adapterTimeout = 5 * time.Second // for Redis to confirm, and for one broadcast
)

// An adapter carries broadcasts to the other nodes, over one Redis channel, in
// the order in which this node made them. It is what the broker reports to.
type adapter struct {
	// Constant.
	server *Server
	node   string // tells our own envelopes from those of others
	broker *redis.Broker
	cancel context.CancelFunc // ends Run and forwarding
	queue  chan queued        // never closed

	live     chan struct{} // closed when Redis has confirmed first
	liveOnce sync.Once
	running  sync.WaitGroup
}

type queued struct {
	namespace *namespace // that hears of the fault
	data      []byte
}

// An envelope is a broadcast on its way to the other nodes.
type envelope struct {
	Node        string          `json:"node"`
	Namespace   string          `json:"nsp"`
	Rooms       []string        `json:"rooms"` // null: everybody
	Except      []string        `json:"except,omitempty"`
	Volatile    bool            `json:"volatile,omitempty"`
	Event       string          `json:"event,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"` // the array of an event
	Attachments [][]byte        `json:"attachments,omitempty"`
	Clear       string          `json:"clear,omitempty"` // a room that everybody leaves
}

// Adapter makes broadcasts to rooms and namespaces, and ClearRoom, reach the
// clients of every server that has an Adapter on the same Redis and Prefix; nil
// means the default options. It returns when Redis has confirmed, or with the
// error that keeps it from that. While Redis is away later, what is broadcast
// reaches the clients of this node alone, and OnError hears of it.
//
// RoomLen, Rooms, ForEach and Count stay those of this node.
func (s *Server) Adapter(opts *RedisAdapterOptions) (bool, error) {
	if opts == nil {
		opts = &RedisAdapterOptions{}
	}
	if opts.Network != "" && opts.Network != "tcp" {
		return false, fmt.Errorf("socketio: adapter: network %q is not supported", opts.Network)
	}
	addr := opts.Addr
	if addr == "" && opts.Host != "" {
		addr = net.JoinHostPort(opts.Host, cmp.Or(opts.Port, "6379"))
	}
	u := url.URL{Scheme: "redis", Host: cmp.Or(addr, "127.0.0.1:6379"), Path: "/" + strconv.Itoa(opts.DB)}
	if opts.Password != "" {
		u.User = url.UserPassword("", opts.Password)
	}
	broker, err := redis.New(redis.Config{
		URL: u.String(), Prefix: cmp.Or(opts.Prefix, "socket.io") + "#", Log: logrus.StandardLogger(),
	})
	if err != nil {
		return false, fmt.Errorf("socketio: adapter: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &adapter{
		server: s, node: rand.Text(), broker: broker, cancel: cancel,
		queue: make(chan queued, adapterQueue), live: make(chan struct{}),
	}
	if err := a.start(ctx); err != nil {
		a.close()
		return false, err
	}
	s.mu.Lock()
	taken := s.adapter != nil
	if !taken {
		s.adapter = a
	}
	s.mu.Unlock()
	if taken {
		a.close()
		return false, errors.New("socketio: there is an adapter already")
	}
	return true, nil
}

// start runs the adapter until ctx ends.
func (a *adapter) start(ctx context.Context) error {
	confirm, cancel := context.WithTimeout(ctx, adapterTimeout)
	defer cancel()
	if err := a.broker.Ping(confirm); err != nil {
		return fmt.Errorf("socketio: adapter: %w", err)
	}
	a.broker.Listen(adapterTag)
	a.running.Go(func() { _ = a.broker.Run(ctx, a) }) // an error ends the Live that is waited for
	a.running.Go(func() { a.publish(ctx) })
	select {
	case <-a.live:
		return nil
	case <-confirm.Done():
		return errors.New("socketio: adapter: Redis does not confirm the subscription")
	}
}

func (a *adapter) close() {
	a.cancel()
	a.running.Wait()
	a.broker.Close()
}

// forward sends an envelope to the other nodes, if there is an adapter. It does
// not wait.
func (s *Server) forward(e envelope) {
	s.mu.Lock()
	a, n := s.adapter, s.namespaces[e.Namespace]
	s.mu.Unlock()
	if a == nil {
		return
	}
	e.Node = a.node
	data, err := json.Marshal(e)
	if err != nil {
		n.fail(nil, fmt.Errorf("socketio: adapter: %w", err))
		return
	}
	select {
	case a.queue <- queued{n, data}:
	default:
		n.fail(nil, errors.New("socketio: adapter: too many broadcasts wait for Redis: one is lost"))
	}
}

// publish sends what is queued, one after the other.
func (a *adapter) publish(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case q := <-a.queue:
			limited, cancel := context.WithTimeout(ctx, adapterTimeout)
			if _, err := a.broker.Publish(limited, adapterTag, q.data); err != nil && ctx.Err() == nil {
				q.namespace.fail(nil, fmt.Errorf("socketio: adapter: %w", err))
			}
			cancel()
		}
	}
}

// Message delivers what another node has broadcast. What is no envelope, or not
// for a namespace of ours, is ignored.
func (a *adapter) Message(_ string, data []byte) int {
	var e envelope
	if !utf8.Valid(data) || json.Unmarshal(data, &e) != nil || e.Node == a.node {
		return 0
	}
	n := a.server.find(e.Namespace)
	if n == nil {
		return 0
	}
	if e.Clear != "" {
		n.clear(e.Clear)
		return 0
	}
	// What clients would not understand would end their sessions.
	if len(e.Data) == 0 || e.Data[0] != '[' || packet.Placeholders(e.Data, len(e.Attachments)) != nil {
		return 0
	}
	b := Broadcast{server: a.server, namespace: n, rooms: e.Rooms, except: e.Except, volatile: e.Volatile}
	return b.send(message(n.name, e.Event, noID, e.Data, e.Attachments), nil)
}

// Durable does nothing: broadcasts are not kept.
func (*adapter) Durable(string, []byte, string) int { return 0 }

// Missed does nothing, likewise.
func (*adapter) Missed(string, ...string) {}

// Live says that broadcasts of others arrive from now on.
func (a *adapter) Live(string) { a.liveOnce.Do(func() { close(a.live) }) }

// Lost says that they may be missed. The broker has logged it.
func (*adapter) Lost(string, ...string) {}
