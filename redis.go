package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/dialect"
	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/internal/redisnet"
	"github.com/sb-stream/stream-server/server/identity"
)

// dialectFlags say how else web servers publish.
type dialectFlags struct {
	Dialects          []string `placeholder:"NAME" help:"Other systems whose web servers publish here too: socket.io (its Redis emitter and adapter), laravel (its Redis broadcaster)."`
	SocketIOKey       string   `name:"socketio-key" default:"socket.io" placeholder:"TEXT" help:"Key of the Socket.IO servers' Redis adapter."`
	SocketIOEverybody string   `name:"socketio-everybody" default:"everybody" placeholder:"CHANNEL" help:"Channel of what they send to no room."`
	LaravelPrefix     string   `default:"laravel_database_" placeholder:"TEXT" help:"Laravel's Redis prefix, before the names of its channels."`
}

// dialects are those that the flags ask for.
func (s *serve) dialects(log logrus.FieldLogger) (*dialect.Set, error) {
	set, err := dialect.New(dialect.Config{
		Prefix: s.RedisPrefix, Dialects: s.Dialects, Key: s.SocketIOKey, Everybody: s.SocketIOEverybody,
		LaravelPrefix: s.LaravelPrefix, MaxPublish: int(s.MaxPublish), Log: log,
	})
	if err != nil {
		return nil, usageError{err}
	}
	return set, nil
}

// brokerFlags say where messages come from; publish and bench use them too.
type brokerFlags struct {
	Redis            string   `secret:"" placeholder:"URL" help:"Redis to listen to: redis://, redis-sentinel:// or redis-cluster://, or rediss… with TLS; none means the embedded broker."`
	RedisCA          string   `name:"redis-ca" placeholder:"FILE" help:"Certificates, in PEM, that vouch for rediss://; those of the system if not set."`
	RedisCert        string   `placeholder:"FILE" help:"Certificate to show to Redis, in PEM; with --redis-key."`
	RedisKey         string   `placeholder:"FILE" help:"Key of --redis-cert, in PEM."`
	BrokerListen     string   `default:"127.0.0.1:6380" placeholder:"ADDR" help:"Where the embedded broker takes Redis clients."`
	BrokerPassword   []string `secret:"" placeholder:"SECRET" help:"AUTH for the embedded broker; required beyond loopback. Two while one replaces the other."`
	RedisConnections int      `default:"2" placeholder:"N" help:"Connections that subscribe, each channel on one of them; a Redis Cluster has one for each of its primaries."`

	RedisPrefix string `default:"sb:" placeholder:"TEXT" help:"Before every channel's name in Redis."`
	MaxPublish  size   `default:"1MiB" placeholder:"SIZE" help:"The largest message."`

	StreamPartitions int `default:"1" placeholder:"N" help:"Streams that durable messages are spread over; the same for all who publish and deliver."`
}

// secure reports whether a URL asks for TLS: rediss://, rediss-sentinel:// or
// rediss-cluster://.
func secure(address string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(address), "://")
	return strings.HasPrefix(scheme, "rediss")
}

// redisTLS is what the files of the flags say, for those of the addresses that
// ask for it; nil if there is none. Files that no address uses are wrong
// usage: somebody believes in a TLS that is not there.
func (f *brokerFlags) redisTLS(addresses ...string) (*tls.Config, error) {
	used := false
	for _, address := range addresses {
		used = used || secure(address)
	}
	files := redisnet.Files{CA: f.RedisCA, Cert: f.RedisCert, Key: f.RedisKey}
	if !used {
		if files != (redisnet.Files{}) {
			return nil, usageError{errors.New("--redis-ca, --redis-cert and --redis-key take a Redis at rediss://, rediss-sentinel:// or rediss-cluster://")}
		}
		return nil, nil
	}
	config, err := files.Config()
	if errors.Is(err, redisnet.ErrPair) {
		return nil, usageError{errors.New("--redis-cert and --redis-key go together")}
	}
	return config, err
}

// redisConfig is how to reach the Redis at an address.
func (f *brokerFlags) redisConfig(address string, config *tls.Config, log logrus.FieldLogger) redis.Config {
	c := redis.Config{
		URL: address, Prefix: f.RedisPrefix, MaxPublish: int(f.MaxPublish), Log: log,
		Connections: f.RedisConnections, StreamPartitions: f.StreamPartitions,
	}
	if secure(address) {
		c.TLS = config
	}
	return c
}

// redisPublisher is a Redis broker that only publishes; the embedded broker
// speaks the same protocol.
func (f *brokerFlags) redisPublisher() (*redis.Broker, error) {
	address, config, err := f.publishURL()
	if err != nil {
		return nil, err
	}
	log := logrus.New()
	log.SetOutput(io.Discard) // Publish returns what goes wrong
	broker, err := redis.New(f.redisConfig(address, config, log))
	if err != nil {
		return nil, usageError{err}
	}
	return broker, nil
}

// publishURL is the Redis to publish to, --redis or the embedded broker, and
// what TLS with it takes.
func (f *brokerFlags) publishURL() (string, *tls.Config, error) {
	config, err := f.redisTLS(f.Redis)
	if err != nil || f.Redis != "" {
		return f.Redis, config, err
	}
	host, port, err := net.SplitHostPort(f.BrokerListen)
	if err != nil {
		return "", nil, usageError{err}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	u := url.URL{Scheme: "redis", Host: net.JoinHostPort(host, port)}
	if len(f.BrokerPassword) > 0 {
		u.User = url.UserPassword("", f.BrokerPassword[0])
	}
	return u.String(), nil, nil
}

// sessionStore is where web servers keep their sessions: --session-redis, or
// the Redis of the messages. Without either, and without a cookie that asks for
// it, it is nil. One that was named must answer, or the server does not start.
func (s *serve) sessionStore(ctx context.Context, config *tls.Config, log logrus.FieldLogger) (identity.Store, error) {
	if s.SessionCookie == "" {
		if s.SessionRedis != "" {
			return nil, usageError{errors.New("--session-redis takes the name of the cookie, --session-cookie")}
		}
		return nil, nil
	}
	address := cmp.Or(s.SessionRedis, s.Redis)
	if address == "" {
		return nil, nil
	}
	store, err := redis.NewStore(s.redisConfig(address, config, log))
	if err != nil {
		return nil, usageError{err}
	}
	if s.SessionRedis != "" {
		if err := store.Ping(ctx); err != nil {
			return nil, err
		}
	}
	return store, nil
}
