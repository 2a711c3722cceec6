package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/internal/tags"
)

// publish is the command that sends one message, as a web server would.
type publish struct {
	brokerFlags

	Channel string `arg:"" help:"Such as feed:football:fantasy."`
	Data    string `arg:"" help:"JSON; anything else goes as a JSON string."`
}

// publishTimeout is for all of it, the connection included.
const publishTimeout = 5 * time.Second

// Run publishes and prints how many were reached: sessions by the embedded
// broker, subscribed nodes by Redis.
func (p *publish) Run(ctx context.Context) error {
	if err := tags.Check(p.Channel); err != nil {
		return usageError{err}
	}
	broker, err := p.connect()
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	n, err := broker.Publish(ctx, p.Channel, []byte(p.Data))
	if err != nil {
		return err
	}
	fmt.Println(n)
	return nil
}

// connect is a Redis broker that only publishes; the embedded broker speaks
// the same protocol.
func (p *publish) connect() (*redis.Broker, error) {
	address, err := p.publishURL()
	if err != nil {
		return nil, err
	}
	log := logrus.New()
	log.SetOutput(io.Discard) // Publish returns what goes wrong
	return redis.New(redis.Config{URL: address, Prefix: p.RedisPrefix, MaxPublish: int(p.MaxPublish), Log: log})
}

// publishURL is the Redis to publish to: --redis, or the embedded broker.
func (f *brokerFlags) publishURL() (string, error) {
	if f.Redis != "" {
		return f.Redis, nil
	}
	host, port, err := net.SplitHostPort(f.BrokerListen)
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	u := url.URL{Scheme: "redis", Host: net.JoinHostPort(host, port)}
	if f.BrokerPassword != "" {
		u.User = url.UserPassword("", f.BrokerPassword)
	}
	return u.String(), nil
}
