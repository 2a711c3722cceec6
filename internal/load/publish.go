package load

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// A Publisher sends messages without waiting for what becomes of them. An
// error may be that of a message before.
type Publisher interface {
	Publish(channel string, data []byte) error // data is not kept
	Close() error                              // after the last message was sent
}

// RedisPublisher publishes to a Redis, or to what speaks its protocol. prefix
// stands before each channel's name; settings are for rediss://, or nil.
func RedisPublisher(url, prefix string, settings *tls.Config) (Publisher, error) {
	conn, err := redis.DialURL(url, redis.DialTLSConfig(settings), redis.DialConnectTimeout(publishTimeout),
		redis.DialReadTimeout(publishTimeout), redis.DialWriteTimeout(publishTimeout))
	if err != nil {
		return nil, fmt.Errorf("load: publisher: %w", err)
	}
	if _, err := conn.Do("PING"); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("load: publisher: %w", err)
	}
	return &redisPublisher{conn: conn, prefix: prefix}, nil
}

const publishTimeout = 5 * time.Second

// unread is how many replies may wait: they are read late, so that reading
// them takes no waiting.
const unread = 64

type redisPublisher struct {
	conn    redis.Conn
	prefix  string
	replies int // that have not been read
}

func (p *redisPublisher) Publish(channel string, data []byte) error {
	if err := p.conn.Send("PUBLISH", p.prefix+channel, data); err != nil {
		return fmt.Errorf("load: publish: %w", err)
	}
	if err := p.conn.Flush(); err != nil {
		return fmt.Errorf("load: publish: %w", err)
	}
	if p.replies++; p.replies < unread {
		return nil
	}
	return p.read(unread / 2)
}

func (p *redisPublisher) read(n int) error {
	for range n {
		if _, err := p.conn.Receive(); err != nil {
			return fmt.Errorf("load: publish: %w", err)
		}
		p.replies--
	}
	return nil
}

func (p *redisPublisher) Close() error {
	err := p.read(p.replies)
	_ = p.conn.Close()
	return err
}

// HTTPPublisher publishes by POST /api/publish with the bearer key. One request
// is under way at a time, with all messages that came meanwhile.
func HTTPPublisher(url, key string) Publisher {
	p := &httpPublisher{
		url: strings.TrimSuffix(url, "/") + "/api/publish", key: key,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	go p.post() // ends with Close
	return p
}

// maxPost is how many messages one request carries.
const maxPost = 100

type httpPublisher struct {
	url, key string
	wake     chan struct{} // closed by Close
	done     chan struct{} // closed by post

	mu    sync.Mutex
	queue []publication // guarded by mu
	err   error         // guarded by mu; the first
}

type publication struct {
	Channel string          `json:"channel"`
	Data    json.RawMessage `json:"data"`
}

func (p *httpPublisher) Publish(channel string, data []byte) error {
	p.mu.Lock()
	p.queue = append(p.queue, publication{channel, bytes.Clone(data)})
	err := p.err
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return err
}

func (p *httpPublisher) Close() error {
	close(p.wake)
	<-p.done
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *httpPublisher) post() {
	defer close(p.done)
	for open := true; open; {
		_, open = <-p.wake
		for batch := p.take(); len(batch) > 0; batch = p.take() {
			if err := p.send(batch); err != nil {
				p.mu.Lock()
				p.err = err
				p.mu.Unlock()
				return
			}
		}
	}
}

func (p *httpPublisher) take() []publication {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.queue), maxPost)
	batch := p.queue[:n:n]
	p.queue = p.queue[n:]
	return batch
}

func (p *httpPublisher) send(batch []publication) error {
	body, err := json.Marshal(batch)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("load: publish: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+p.key)
	request.Header.Set("Content-Type", "application/json")
	client := http.Client{Timeout: publishTimeout}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("load: publish: %w", err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("load: publish: %s: %s", response.Status, bytes.TrimSpace(text))
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return nil
}
