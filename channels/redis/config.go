package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"
)

// Config is how a [Broker] behaves. Zero means the default. The times are
// those of RELIABILITY.md sections 1 and 2.
type Config struct {
	URL        string             // redis:// or rediss://, user:password@host:port/database; required
	Prefix     string             // before every tag; none
	MaxPublish int                // bytes of one message; 1 MiB
	TLS        *tls.Config        // for rediss://; the roots of the system
	Log        logrus.FieldLogger // required

	DialTimeout    time.Duration // until a new connection has answered; 3 s
	PublishTimeout time.Duration // of a Publish whose context has no deadline; 2 s
	PingInterval   time.Duration // between PINGs on the connection that subscribes; 3 s
	PingTimeout    time.Duration // that one may take, before the connection is dead; 5 s
	MinRedial      time.Duration // before the connection is made again; 50 ms
	MaxRedial      time.Duration // as MinRedial, after many tries; 1 s
	CheckInterval  time.Duration // between looks at what is wanted and not confirmed; 5 s
}

func (c Config) withDefaults() Config {
	c.MaxPublish = cmp.Or(c.MaxPublish, 1<<20)
	c.DialTimeout = cmp.Or(c.DialTimeout, 3*time.Second)
	c.PublishTimeout = cmp.Or(c.PublishTimeout, 2*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 3*time.Second)
	c.PingTimeout = cmp.Or(c.PingTimeout, 5*time.Second)
	c.MinRedial = cmp.Or(c.MinRedial, 50*time.Millisecond)
	c.MaxRedial = cmp.Or(c.MaxRedial, time.Second)
	c.CheckInterval = cmp.Or(c.CheckInterval, 5*time.Second)
	return c
}

// Validate reports every fault at once.
func (c Config) Validate() error {
	c = c.withDefaults()
	_, err := parseURL(c.URL)
	faults := []error{err}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf("redis: "+format, args...))
		}
	}
	check(c.Log != nil, "no log")
	check(c.MaxPublish > 0, "the largest message must be above zero, not %d bytes", c.MaxPublish)
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"dial timeout", c.DialTimeout},
		{"publish timeout", c.PublishTimeout},
		{"ping interval", c.PingInterval},
		{"ping timeout", c.PingTimeout},
		{"shortest redial", c.MinRedial},
		{"check interval", c.CheckInterval},
	} {
		check(d.value > 0, "%s %v must be above zero", d.name, d.value)
	}
	check(c.MaxRedial >= c.MinRedial, "longest redial %v must be at least the shortest, %v", c.MaxRedial, c.MinRedial)
	return errors.Join(faults...)
}

// A target is what a URL says.
type target struct {
	addr, host     string // host:port, and the host alone, for TLS
	user, password string
	database       int
	tls            bool
}

// parseURL reads a URL. Its errors never quote it: it may hold a password, and
// one with a stray # or ? ends up in any part of it.
func parseURL(raw string) (target, error) {
	if raw == "" {
		return target{}, errors.New("redis: no URL")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" {
		return target{}, errors.New("redis: the URL is not of the form redis://user:password@host:port/database; " +
			"special characters in the password are percent-encoded")
	}
	switch u.Scheme {
	case "redis", "rediss":
	case "redis-sentinel", "redis-cluster":
		return target{}, fmt.Errorf("redis: %s:// is not supported yet; use redis:// or rediss://", u.Scheme)
	default:
		return target{}, errors.New("redis: the URL must begin with redis:// or rediss://")
	}
	t := target{host: cmp.Or(u.Hostname(), "localhost"), tls: u.Scheme == "rediss"}
	t.addr = net.JoinHostPort(t.host, cmp.Or(u.Port(), "6379"))
	if password, ok := u.User.Password(); ok {
		t.user, t.password = u.User.Username(), password
	} else {
		t.password = u.User.Username() // as redis-cli -u has it
	}
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		if t.database, err = strconv.Atoi(path); err != nil || t.database < 0 {
			return target{}, errors.New("redis: what follows the host in the URL must be the number of a database")
		}
	}
	return t, nil
}

// dial makes a connection that has shown that Redis answers and that this user
// is let in. An error says where it went and what happened.
func (b *Broker) dial(ctx context.Context) (redis.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, b.config.DialTimeout)
	defer cancel()
	conn, err := redis.DialContext(ctx, "tcp", b.target.addr,
		redis.DialContextFunc(b.dialSocket),
		redis.DialUsername(b.target.user),
		redis.DialPassword(b.target.password),
		redis.DialDatabase(b.target.database),
		redis.DialWriteTimeout(b.config.PingTimeout),
	)
	if err == nil {
		if _, err = redis.DoContext(conn, ctx, "PING"); alive(err) {
			return conn, nil
		}
		_ = conn.Close()
	}
	return nil, fmt.Errorf("redis: %s: %w", b.target.addr, err)
}

// alive reports whether this answer to PING is one of a Redis that will serve:
// while it loads its data or runs a script, SUBSCRIBE waits or works.
func alive(err error) bool {
	var reply redis.Error
	return err == nil || errors.As(err, &reply) &&
		(strings.HasPrefix(string(reply), "LOADING") || strings.HasPrefix(string(reply), "BUSY"))
}

// dialSocket connects, with TLS if the URL says so, for as long as ctx lasts.
func (b *Broker) dialSocket(ctx context.Context, network, addr string) (net.Conn, error) {
	var dialer net.Dialer
	if !b.target.tls {
		return dialer.DialContext(ctx, network, addr)
	}
	config := b.config.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.ServerName = cmp.Or(config.ServerName, b.target.host)
	return (&tls.Dialer{NetDialer: &dialer, Config: config}).DialContext(ctx, network, addr)
}
