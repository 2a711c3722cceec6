package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"
)

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
	return nil, fmt.Errorf("%s: %w", b.target.addr, plain(err))
}

// plain is err without the addresses that package net puts around it.
func plain(err error) error {
	var op *net.OpError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	case errors.As(err, &op):
		return op.Err
	}
	return err
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
