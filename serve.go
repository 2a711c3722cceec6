package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/channels/dialect"
	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/internal/takeover"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/identity"
)

// serve is the command that runs the server.
type serve struct {
	Config configFile `placeholder:"FILE" help:"YAML in which any of these flags may stand, without the dashes; the command line and the environment come first. Read again upon SIGHUP."`

	brokerFlags
	dialectFlags
	edgeFlags

	BrokerDir   string   `placeholder:"DIR" help:"Where the embedded broker keeps durable messages across restarts."`
	Listen      string   `default:":8080" placeholder:"ADDR" help:"HTTP address."`
	Path        string   `default:"/socket.io/" help:"Path of Socket.IO."`
	PublishKey  []string `reload:"" secret:"" placeholder:"KEY" help:"Bearer keys of /api/publish; with the embedded broker a random one is made if there is none."`
	OperatorKey []string `reload:"" secret:"" placeholder:"KEY" help:"Bearer keys of the other /api/ calls; none means this machine only."`
	Origins     []string `reload:"" placeholder:"ORIGIN" help:"Further origins of pages, such as https://app.example; * is any, without credentials."`
	NoConsole   bool     `help:"Show no console at /."`
	identityFlags
	takeoverFlags
	ClusterKey   []string      `reload:"" secret:"" placeholder:"SECRET" help:"Signs what the nodes say to each other: the same on every node, at least 16 bytes. The first signs, all are believed."`
	NodeAddress  string        `placeholder:"URL" help:"Where the other nodes reach this one, such as http://10.0.0.5:8080; with --redis and --cluster-key. Sticky sessions are not needed then."`
	PingInterval time.Duration `default:"25s" help:"Between heartbeats."`
	PingTimeout  time.Duration `default:"20s" help:"That a heartbeat may take."`
	MaxMessage   size          `default:"64KiB" placeholder:"SIZE" help:"The largest message of a client."`
	ClientQueue  size          `default:"1MiB" placeholder:"SIZE" help:"What may wait for one client before it is closed as slow."`
	TotalQueue   size          `placeholder:"SIZE" help:"What may wait for all clients together; a quarter of the memory if not set."`
	Latest       []string      `placeholder:"PATTERN" help:"Channels, such as score:*, of which a slow client gets only the newest message."`
	Compress     bool          `help:"Offer WebSockets compression: messages from 1 KiB on are compressed, once for all."`
	MaxChannels  int           `reload:"" default:"128" help:"Channels that one client may hear."`

	MaxSessions     int `reload:"" default:"0" help:"Sessions at once; 0 is no limit."`
	MaxPerMember    int `reload:"" default:"20" help:"Sessions of one member at once, guests not counted; 0 is no limit."`
	MaxPerAddress   int `reload:"" default:"0" help:"Sessions of one address at once; 0 is no limit, as behind a proxy that is not among the trusted."`
	MessageRate     int `reload:"" default:"50" help:"Events a second of one client, twice as many at once; 0 is no limit."`
	SubscribeRate   int `reload:"" default:"20" help:"Channels a second that one client may subscribe to, all that it may hear at once; 0 is no limit."`
	RatesPerMember  int `reload:"" default:"20" help:"What all sessions of a member may do together, times these rates; 0 is no limit."`
	RatesPerAddress int `reload:"" default:"0" help:"What all sessions of an address may do together, times these rates; 0 is no limit."`

	History      int           `default:"300" help:"Messages of each channel that are kept for clients who come back; 0 is none."`
	HistoryAge   time.Duration `default:"5m" help:"How long they are kept."`
	HistoryBytes size          `default:"256MiB" placeholder:"SIZE" help:"What those of all channels may take."`

	Drain     time.Duration `default:"10s" help:"Over how long SIGTERM lets the clients go; the process ends at most 5s later."`
	Linger    time.Duration `default:"60s" help:"How long a channel is listened to after its last client left."`
	Sockets   string        `default:"epoll" enum:"epoll,goroutine" help:"The socket layer: epoll, on Linux, or goroutine."`
	LogLevel  string        `reload:"" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error."`
	LogFormat string        `default:"auto" enum:"auto,text,json" help:"text or json; auto is text on a terminal."`

	OTLPEndpoint string `name:"otlp-endpoint" placeholder:"URL" help:"Send traces of what /api/publish takes to this collector, OTLP over HTTP, such as http://127.0.0.1:4318."`

	clustered bool // --redis is a Cluster
}

// Run serves until it is told to stop.
func (s *serve) Run(ctx context.Context, r *reading) error {
	log, before := s.logger(os.Stderr), r.values()
	hungUp, stop := hangups()
	defer stop()
	if s.NodeAddress != "" && (s.Redis == "" || len(s.ClusterKey) == 0) {
		return usageError{errors.New("--node-address takes --redis and --cluster-key, the same on every node")}
	}
	secure, cert, err := s.edgeFlags.tls(ctx, log)
	if err != nil {
		return usageError{err}
	}
	post, err := s.takePost(log)
	if err != nil {
		return err
	}
	if post != nil {
		defer post.Close()
	}
	web, givenBroker, err := s.activated()
	if err != nil {
		return err
	}
	listener, err := s.listen(ctx, post, web)
	if err != nil {
		return err
	}
	defer listener.Close()
	redisTLS, err := s.redisTLS(s.Redis, s.SessionRedis)
	if err != nil {
		return err
	}
	broker, where, err := s.broker(ctx, redisTLS, post, givenBroker, log)
	if err != nil {
		return err
	}
	sessions, err := s.sessionStore(ctx, redisTLS, log)
	if err != nil {
		return err
	}
	if memory := memoryLimit(); s.TotalQueue == 0 {
		s.TotalQueue = size(max(memory/4, int64(s.ClientQueue)))
	}
	config, err := s.config(sessions)
	if err != nil {
		return usageError{err}
	}
	tracer, err := s.tracer(ctx, log)
	if err != nil {
		return usageError{err}
	}
	key := ""
	if where.Embedded && len(config.PublishKeys) == 0 {
		key = rand.Text()
		config.PublishKeys = []string{key}
	}
	config.Broker, config.Log, config.TLS, config.Redis, config.Tracer = broker, log, secure, where, tracer
	srv, err := server.New(config)
	if err != nil {
		return usageError{err}
	}
	s.greet(os.Stdout, listener.Addr(), where, key)
	go tendMemory(ctx) // ends with it
	again := reloader{server: srv, certificate: cert, publishKeys: config.PublishKeys, log: log, current: r, before: before}
	if key == "" {
		again.publishKeys = nil
	}
	go tell(ctx, srv)         // ends with it
	go again.run(ctx, hungUp) // ends with it
	log.WithFields(logrus.Fields{"listen": listener.Addr().String(), "version": buildVersion()}).Info("serving")
	if err := s.serveUntilTaken(ctx, srv, listener, broker, post, log); err != nil {
		return err
	}
	s.endTraces(tracer, log)
	log.Info("stopped")
	return nil
}

// config is what the flags say, but for the broker, the log and TLS.
func (s *serve) config(sessions identity.Store) (server.Config, error) {
	known, err := s.identity(sessions)
	return server.Config{
		Path: s.Path, PingInterval: s.PingInterval, PingTimeout: s.PingTimeout,
		MaxMessage: int(s.MaxMessage), MaxPublish: int(s.MaxPublish), ClientQueue: int(s.ClientQueue),
		TotalQueue: int(s.TotalQueue), Latest: s.Latest, Compress: s.Compress,
		MaxSessions: s.MaxSessions, MaxPerMember: orNone(s.MaxPerMember), MaxPerAddress: s.MaxPerAddress,
		MessageRate: orNone(s.MessageRate), SubscribeRate: orNone(s.SubscribeRate),
		RatesPerMember: orNone(s.RatesPerMember), RatesPerAddress: s.RatesPerAddress,
		Named: len(s.Dialects) > 0, Echo: slices.Contains(s.Dialects, dialect.Laravel), MaxChannels: s.MaxChannels, Sockets: s.Sockets, Linger: s.Linger, Drain: s.Drain,
		History: orNone(s.History), HistoryAge: s.HistoryAge, HistoryBytes: int(s.HistoryBytes),
		PublishKeys: s.PublishKey, OperatorKeys: s.OperatorKey, Origins: s.Origins,
		Identity: known, Private: s.private(), Public: s.Public, TokenGrace: s.TokenGrace,
		ClusterKeys: secrets(s.ClusterKey), NodeAddress: s.NodeAddress,
		HSTS: s.HSTS, TrustedProxies: s.TrustedProxies, Version: buildVersion(), NoConsole: s.NoConsole,
	}, err
}

// orNone is a limit as server.Config has it: there 0 is the default, and no
// limit is negative.
func orNone(limit int) int {
	if limit == 0 {
		return -1
	}
	return limit
}

// broker opens the one that the flags ask for, or says why it cannot.
func (s *serve) broker(ctx context.Context, config *tls.Config, post *takeover.Post, taken net.Listener, log logrus.FieldLogger) (channels.Broker, server.Redis, error) {
	where := server.Redis{Prefix: s.RedisPrefix}
	if s.RedisPrefix == "" {
		log.Warn("no Redis prefix: a client that may hear a channel of that name can hear every channel of this Redis")
	}
	if slices.Contains(s.Dialects, dialect.Laravel) && s.LaravelPrefix == "" {
		log.Warn("no Laravel prefix: a client that may hear a channel of that name can hear every channel of this Redis")
	}
	dialects, err := s.dialects(log)
	if err != nil {
		return nil, where, err
	}
	if s.Redis == "" {
		if post != nil {
			taken = post.Listener(brokerSocket, s.BrokerListen)
		}
		b, err := embedded.New(embedded.Config{
			Listen: s.BrokerListen, Listener: taken, Passwords: s.BrokerPassword,
			Prefix: s.RedisPrefix, Dialects: dialects, MaxPublish: int(s.MaxPublish), Dir: s.BrokerDir, Log: log,
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
	if s.BrokerDir != "" {
		return nil, where, usageError{errors.New("--broker-dir is that of the embedded broker: there is none with --redis")}
	}
	redisConfig := s.redisConfig(s.Redis, config, log)
	redisConfig.Dialects = dialects
	b, err := redis.New(redisConfig)
	if err != nil {
		return nil, where, usageError{err}
	}
	if err := b.Ping(ctx); err != nil {
		return nil, where, err
	}
	where.Host, where.Port = b.Address()
	s.clustered = b.Clustered()
	return b, where, nil
}

// reachable is a host by which this machine reaches what listens on ip.
func reachable(ip net.IP) string {
	if ip.IsUnspecified() {
		return "127.0.0.1"
	}
	return ip.String()
}
