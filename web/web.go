package web

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redisnet"
	"github.com/sb-stream/stream-server/internal/streams"
	"github.com/sb-stream/stream-server/internal/tags"
)

// Errors to test for with [errors.Is].
var (
	// ErrChannel is that of a name that no channel may have.
	ErrChannel = errors.New("web: bad channel")
	// ErrData is that of data which has no JSON.
	ErrData = errors.New("web: bad data")
	// ErrClosed is that of a Publisher after Close.
	ErrClosed = errors.New("web: the publisher is closed")
)

// Config is how a [Publisher] reaches Redis. Zero means the default.
type Config struct {
	URL     string        // redis:// or rediss://, user:password@host:port/database; redis://127.0.0.1:6380
	Prefix  *string       // before every channel's name, as the stream server's --redis-prefix; "sb:"
	Timeout time.Duration // of a call whose context has no deadline; 2 s
	TLS     *tls.Config   // for rediss://, 1.2 and later; the roots of the system

	Partitions int // streams of durable messages, as the stream server's --stream-partitions; 1
	StreamMax  int // durable messages that Redis keeps in each, about; 100,000
}

// DefaultURL is where a stream server without a Redis takes what web servers
// publish.
const DefaultURL = "redis://127.0.0.1:6380"

// The pool of connections of a Publisher.
const (
	maxIdle     = 16
	maxActive   = 64 // more calls than that wait, as long as their context allows
	idleTimeout = time.Minute
	testAfter   = time.Second // of idleness, a connection is tried before it is used
	dialTimeout = 3 * time.Second
	maxAnswer   = 4 << 10 // bytes; Redis answers with a number
)

// An Option says how a message is sent.
type Option struct{ durable bool }

// Durable has Redis keep the message, so that those who were away get it when
// they come back; without it a message is for those who listen now.
func Durable() Option { return Option{durable: true} }

// A Publisher sends messages through one Redis. It connects when it is first
// used, and again after Redis was away. All its methods may be called at once.
type Publisher struct {
	prefix  string
	timeout time.Duration
	streams int // partitions
	most    int // messages in each
	pool    *redisnet.Pool
	closed  atomic.Bool
}

// New is a Publisher for the Redis of config. It does not connect: an error is
// one of config. Errors never quote the URL, which may hold a password.
func New(config Config) (*Publisher, error) {
	address := cmp.Or(config.URL, DefaultURL)
	u, err := url.Parse(address)
	if err != nil || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		return nil, errors.New("web: the URL is not of the form redis://user:password@host:port/database or rediss://…; " +
			"special characters in the password are percent-encoded")
	}
	secure := u.Scheme == "rediss"
	if !secure && config.TLS != nil {
		return nil, errors.New("web: there is a TLS configuration, and the URL is not rediss://")
	}
	p := &Publisher{
		prefix: "sb:", timeout: cmp.Or(config.Timeout, 2*time.Second),
		streams: cmp.Or(config.Partitions, 1), most: cmp.Or(config.StreamMax, streams.DefaultMax),
	}
	if p.streams < 0 || p.streams > streams.MaxPartitions || p.most < 0 {
		return nil, fmt.Errorf("web: there are 1 to %d partitions, each of one message or more", streams.MaxPartitions)
	}
	if config.Prefix != nil {
		p.prefix = *config.Prefix
	}
	u.Scheme = "redis" // TLS is below
	address = u.String()
	p.pool = redisnet.NewPool(&redis.Pool{
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			return redis.DialURLContext(ctx, address, redis.DialContextFunc(
				func(ctx context.Context, _, addr string) (net.Conn, error) {
					settings := config.TLS
					if secure && settings == nil {
						settings = new(tls.Config)
					}
					return redisnet.Dial(ctx, addr, settings, maxAnswer)
				}))
		},
		TestOnBorrowContext: func(ctx context.Context, conn redis.Conn, used time.Time) error {
			if time.Since(used) < testAfter {
				return nil
			}
			_, err := redis.DoContext(conn, ctx, "PING")
			return err
		},
		MaxIdle:     maxIdle,
		MaxActive:   maxActive,
		Wait:        true,
		IdleTimeout: idleTimeout,
	})
	return p, nil
}

// Stream sends data, as JSON, to everybody who listens to channel. A
// [json.RawMessage] goes as it is, after a check that it is JSON. It takes as
// long as ctx allows, or the Timeout of the Config if ctx has no deadline. One
// option there is: [Durable].
func (p *Publisher) Stream(ctx context.Context, channel string, data any, options ...Option) error {
	if err := tags.Check(channel); err != nil {
		return fmt.Errorf("%w %q: %w", ErrChannel, channel[:min(len(channel), tags.Max)], err)
	}
	message, err := encode(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrData, err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
	switch err := p.send(ctx, channel, message, slices.Contains(options, Durable())); {
	case err == nil:
		return nil
	case p.closed.Load():
		return ErrClosed
	case ctx.Err() != nil:
		return fmt.Errorf("web: %w", ctx.Err()) // rather than what it did to the connection
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("web: %w", context.DeadlineExceeded) // the connection noticed first
	default:
		return fmt.Errorf("web: %w", err)
	}
}

// send is one command.
func (p *Publisher) send(ctx context.Context, channel string, message []byte, durable bool) error {
	conn, err := p.pool.GetContext(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if durable {
		_, err = redis.DoContext(conn, ctx, "XADD", streams.Key(p.prefix, channel, p.streams),
			"MAXLEN", "~", p.most, "*", streams.FieldChannel, channel, streams.FieldData, message)
	} else {
		_, err = redis.DoContext(conn, ctx, "PUBLISH", p.prefix+channel, message)
	}
	return err
}

// encode is the JSON of data. It leaves <, > and & as they are, which only
// matter to JSON that is written into HTML.
func encode(data any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(data); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Close ends the connections. A call that is under way ends as it would.
func (p *Publisher) Close() error {
	p.closed.Store(true)
	return p.pool.Close()
}

// standard is the Publisher of [Stream].
var standard = sync.OnceValues(fromEnvironment)

func fromEnvironment() (*Publisher, error) {
	config := Config{URL: os.Getenv("SB_REDIS")}
	files := redisnet.Files{CA: os.Getenv("SB_REDIS_CA"), Cert: os.Getenv("SB_REDIS_CERT"), Key: os.Getenv("SB_REDIS_KEY")}
	if files != (redisnet.Files{}) {
		var err error
		if config.TLS, err = files.Config(); err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
	}
	for name, value := range map[string]*int{"SB_STREAM_PARTITIONS": &config.Partitions, "SB_STREAM_MAX": &config.StreamMax} {
		if text := os.Getenv(name); text != "" {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("web: %s is no number above zero", name)
			}
			*value = n
		}
	}
	if prefix, ok := os.LookupEnv("SB_REDIS_PREFIX"); ok {
		config.Prefix = &prefix
	}
	return New(config)
}

// Stream sends data, as JSON, to everybody who listens to channel, through the
// Redis of the environment; see [Publisher.Stream].
func Stream(ctx context.Context, channel string, data any, options ...Option) error {
	p, err := standard()
	if err != nil {
		return err
	}
	return p.Stream(ctx, channel, data, options...)
}
