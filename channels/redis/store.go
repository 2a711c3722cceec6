package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Errors of a [Store] to test for with [errors.Is]. They and all others never
// name the key, which is a secret where keys are session ids.
var (
	// ErrValueTooLarge is that of a value of more than 64 KiB.
	ErrValueTooLarge = errors.New("the value has more than 64 KiB")
	// ErrNotString is that of a key under which there is a hash, a list or
	// another type that GET cannot read.
	ErrNotString = errors.New("what is stored is not a string but a hash, a list or the like")
)

// Limits of a Store.
const (
	storeConnections = 16
	storeConnect     = 2 * time.Second // until a new connection has answered
	storeRead        = 2 * time.Second // that an answer may take
	maxValue         = 64 << 10        // bytes
)

// A Store looks values up that others keep in Redis, such as the sessions of a
// web server. It sends PING and GET and nothing else.
//
// Its methods may be called from any goroutine.
type Store struct {
	dialer *dialer
	way    *way
}

// NewStore makes a Store on the Redis of config, of which it takes URL and TLS
// alone: keys have no prefix. It connects when it is used, and again after
// Redis was away.
func NewStore(config Config) (*Store, error) {
	d, err := newDialer(config.URL, config.TLS)
	if err != nil {
		return nil, err
	}
	d.connect, d.read, d.write, d.largest = storeConnect, storeRead, storeRead, maxValue
	// Each connection is tried before it is used: a lookup does not fail
	// because Redis was restarted since the one before.
	return &Store{dialer: d, way: d.way(storeRead, storeConnections, 0)}, nil
}

// Ping reports, as one line, whether Redis can be reached and lets this user
// in; not whether it may read, which takes a key.
func (s *Store) Ping(ctx context.Context) error {
	conn, err := s.dialer.dial(ctx) // of a Cluster: the first node
	if err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return conn.Close()
}

// Get is the value under key, byte for byte; found is false if there is none.
// It takes as long as ctx allows, and 4 s at most.
func (s *Store) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeConnect+storeRead)
	defer cancel()
	value, found, err = s.get(ctx, key)
	if err != nil {
		return nil, false, fmt.Errorf("redis: get: %w", cause(ctx, err))
	}
	return value, found, nil
}

func (s *Store) get(ctx context.Context, key string) ([]byte, bool, error) {
	reply, err := s.way.do(ctx, key, "GET", key)
	var refusal redis.Error
	if errors.As(err, &refusal) && strings.HasPrefix(string(refusal), "WRONGTYPE") {
		return nil, false, ErrNotString
	}
	if err != nil {
		return nil, false, err
	}
	switch reply := reply.(type) {
	case nil:
		return nil, false, nil
	case []byte:
		return reply, true, nil
	case int64: // what redisnet.Dial makes of a string over the limit
		return nil, false, fmt.Errorf("%w: %d bytes", ErrValueTooLarge, reply)
	}
	return nil, false, errOutOfStep
}

// Close ends the connections. Get fails after it.
func (s *Store) Close() {
	s.way.close()
	s.dialer.close()
}
