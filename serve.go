package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/server"
)

// brokerFlags say where messages come from; publish uses them too.
type brokerFlags struct {
	Redis          string `placeholder:"URL" help:"Redis to listen to, redis:// or rediss://; none means the embedded broker."`
	BrokerListen   string `default:"127.0.0.1:6380" placeholder:"ADDR" help:"Where the embedded broker takes Redis clients."`
	BrokerPassword string `placeholder:"SECRET" help:"AUTH for the embedded broker; required beyond loopback."`
	RedisPrefix    string `default:"sb:" placeholder:"TEXT" help:"Before every channel's name in Redis."`
	MaxPublish     size   `default:"1MiB" placeholder:"SIZE" help:"The largest message."`
}

// serve is the command that runs the server.
type serve struct {
	brokerFlags

	Listen       string        `default:":8080" placeholder:"ADDR" help:"HTTP address."`
	Path         string        `default:"/socket.io/" help:"Path of Socket.IO."`
	PublishKey   []string      `placeholder:"KEY" help:"Bearer keys of /api/publish; with the embedded broker a random one is made if there is none."`
	OperatorKey  []string      `placeholder:"KEY" help:"Bearer keys of the other /api/ calls; none means this machine only."`
	Origins      []string      `placeholder:"ORIGIN" help:"Further origins of pages, such as https://app.example; * is any, without credentials."`
	JWTKey       string        `name:"jwt-key" env:"SB_JWT_KEY" placeholder:"SECRET" help:"HS256 key of members' tokens; none means that everybody is a guest."`
	GuestKey     string        `placeholder:"SECRET" help:"Signs the ids of guests; the same on every node. Random at start if not set."`
	PingInterval time.Duration `default:"25s" help:"Between heartbeats."`
	PingTimeout  time.Duration `default:"20s" help:"That a heartbeat may take."`
	MaxMessage   size          `default:"64KiB" placeholder:"SIZE" help:"The largest message of a client."`
	ClientQueue  size          `default:"1MiB" placeholder:"SIZE" help:"What may wait for one client before it is closed as slow."`
	TotalQueue   size          `placeholder:"SIZE" help:"What may wait for all clients together; a quarter of the memory if not set."`
	Latest       []string      `placeholder:"PATTERN" help:"Channels, such as score:*, of which a slow client gets only the newest message."`
	Compress     bool          `help:"Offer WebSockets compression: messages from 1 KiB on are compressed, once for all."`
	MaxChannels  int           `default:"128" help:"Channels that one client may hear."`
	Linger       time.Duration `default:"60s" help:"How long a channel is listened to after its last client left."`
	Sockets      string        `default:"epoll" enum:"epoll,goroutine" help:"The socket layer: epoll, on Linux, or goroutine."`
	LogLevel     string        `default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat    string        `default:"auto" enum:"auto,text,json" help:"text or json; auto is text on a terminal."`
}

// Run serves until it is told to stop.
func (s *serve) Run(ctx context.Context) error {
	log := s.logger(os.Stderr)
	// No keep-alive of TCP: heartbeats and the limits of HTTP find who is gone.
	listen := net.ListenConfig{KeepAlive: -1}
	listener, err := listen.Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	broker, where, err := s.broker(ctx, log)
	if err != nil {
		return err
	}
	if memory := memoryLimit(); s.TotalQueue == 0 {
		s.TotalQueue = size(max(memory/4, int64(s.ClientQueue)))
	}
	random := false
	if where.Embedded && len(s.PublishKey) == 0 {
		s.PublishKey, random = []string{rand.Text()}, true
	}
	srv, err := server.New(server.Config{
		Broker: broker, Log: log,
		Path: s.Path, PingInterval: s.PingInterval, PingTimeout: s.PingTimeout,
		MaxMessage: int(s.MaxMessage), MaxPublish: int(s.MaxPublish), ClientQueue: int(s.ClientQueue),
		TotalQueue: int(s.TotalQueue), Latest: s.Latest, Compress: s.Compress,
		MaxChannels: s.MaxChannels, Sockets: s.Sockets, Linger: s.Linger,
		PublishKeys: s.PublishKey, OperatorKeys: s.OperatorKey, Origins: s.Origins,
		JWTKey: []byte(s.JWTKey), GuestKey: []byte(s.GuestKey),
		Version: buildVersion(), Redis: where,
	})
	if err != nil {
		return usageError{err}
	}
	key := ""
	if random {
		key = s.PublishKey[0]
	}
	s.greet(os.Stdout, listener.Addr(), where, key)
	go tendMemory(ctx) // ends with it
	log.WithFields(logrus.Fields{"listen": listener.Addr().String(), "version": buildVersion()}).Info("serving")
	if err := srv.Serve(ctx, listener); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// broker opens the one that the flags ask for, or says why it cannot.
func (s *serve) broker(ctx context.Context, log logrus.FieldLogger) (channels.Broker, server.Redis, error) {
	where := server.Redis{Prefix: s.RedisPrefix}
	if s.RedisPrefix == "" {
		log.Warn("no Redis prefix: a client that may hear a channel of that name can hear every channel of this Redis")
	}
	if s.Redis == "" {
		b, err := embedded.New(embedded.Config{
			Listen: s.BrokerListen, Password: s.BrokerPassword,
			Prefix: s.RedisPrefix, MaxPublish: int(s.MaxPublish), Log: log,
		})
		if err != nil {
			return nil, where, usageError{err}
		}
		if err := b.Open(); err != nil {
			return nil, where, err
		}
		addr := b.Addr().(*net.TCPAddr)
		where.Embedded, where.Host, where.Port = true, reachable(addr.IP), addr.Port
		return b, where, nil
	}
	b, err := redis.New(redis.Config{URL: s.Redis, Prefix: s.RedisPrefix, MaxPublish: int(s.MaxPublish), Log: log})
	if err != nil {
		return nil, where, usageError{err}
	}
	if err := b.Ping(ctx); err != nil {
		return nil, where, err
	}
	if u, err := url.Parse(s.Redis); err == nil {
		where.Host, where.Port = u.Hostname(), 6379
		if port, err := strconv.Atoi(u.Port()); err == nil {
			where.Port = port
		}
	}
	return b, where, nil
}

// reachable is a host by which this machine reaches what listens on ip.
func reachable(ip net.IP) string {
	if ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return ip.String()
}

// greet prints where the page is and the two lines that publish to it.
func (s *serve) greet(w io.Writer, addr net.Addr, where server.Redis, key string) {
	tcp := addr.(*net.TCPAddr)
	page := "http://" + net.JoinHostPort(reachable(tcp.IP), strconv.Itoa(tcp.Port)) + "/"
	if tcp.IP.IsLoopback() || tcp.IP.IsUnspecified() {
		page = "http://localhost:" + strconv.Itoa(tcp.Port) + "/"
	}
	if key != "" {
		page += "#key=" + key
	}
	flags := ""
	switch {
	case !where.Embedded:
		flags = " --redis " + withoutPassword(s.Redis)
	case s.BrokerListen != "127.0.0.1:6380":
		flags = " --broker-listen " + net.JoinHostPort(where.Host, strconv.Itoa(where.Port))
	}
	if s.RedisPrefix != "sb:" {
		flags += fmt.Sprintf(" --redis-prefix '%s'", s.RedisPrefix)
	}
	const channel, data = "feed:football:fantasy", `'{"goal":1}'`
	fmt.Fprintf(w, "Open the page:\n\n  %s\n\nand publish to it:\n\n", page)
	fmt.Fprintf(w, "  stream-server publish%s %s %s\n", flags, channel, data)
	fmt.Fprintf(w, "  redis-cli -h %s -p %d PUBLISH %s%s %s\n\n", where.Host, where.Port, s.RedisPrefix, channel, data)
}

func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "URL"
	}
	return u.Redacted()
}

func (s *serve) logger(out *os.File) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(out)
	if level, err := logrus.ParseLevel(s.LogLevel); err == nil {
		log.SetLevel(level)
	}
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	if s.LogFormat == "json" || s.LogFormat == "auto" && !terminal {
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	} else {
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
	}
	return log
}
