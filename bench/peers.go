package main

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/gomodule/redigo/redis"
)

// redisPrefix stands before each channel's name in Redis, for all subjects.
const redisPrefix = "sb:"

// A redisListener hears the channels that the Go peers ask for.
type redisListener struct {
	conn redis.PubSubConn

	mu       sync.Mutex
	channels map[string]chan struct{} // guarded by mu; closed when Redis has confirmed
}

func listenTo(address string, deliver func(channel string, data []byte)) (*redisListener, error) {
	conn, err := redis.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &redisListener{conn: redis.PubSubConn{Conn: conn}, channels: make(map[string]chan struct{})}
	go l.read(deliver) // ends with the process
	return l, nil
}

func (l *redisListener) read(deliver func(channel string, data []byte)) {
	for {
		switch m := l.conn.Receive().(type) {
		case redis.Message:
			deliver(strings.TrimPrefix(m.Channel, redisPrefix), m.Data)
		case redis.Subscription:
			l.mu.Lock()
			close(l.channels[strings.TrimPrefix(m.Channel, redisPrefix)])
			l.mu.Unlock()
		case error:
			fmt.Fprintln(os.Stderr, "bench: redis:", m)
			return
		}
	}
}

// add returns when the channel is heard.
func (l *redisListener) add(channel string) error {
	l.mu.Lock()
	heard, ok := l.channels[channel]
	var err error
	if !ok {
		heard = make(chan struct{})
		l.channels[channel] = heard
		err = l.conn.Subscribe(redisPrefix + channel)
	}
	l.mu.Unlock()
	if err == nil {
		<-heard
	}
	return err
}
