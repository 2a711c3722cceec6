package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// A durable message stands in the stream of its channel, of which the oldest go.
func TestDurable(t *testing.T) {
	r := redistest.Start(t)
	conn, err := redis.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, tt := range []struct {
		partitions int
		key        string
	}{
		{0, "sb:stream"},
		{1, "sb:stream"},
		{4, "sb:stream:{1}"}, // crc16 of the name is 22925
	} {
		p := publisher(t, Config{URL: r.URL(), Partitions: tt.partitions, StreamMax: 300})
		for i := range 1000 {
			if err := p.Stream(t.Context(), "feed:football:fantasy", map[string]int{"goal": i}, Durable()); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := redis.Int(conn.Do("XLEN", tt.key)); err != nil || n < 300 || n > 500 {
			t.Errorf("XLEN %s = %d, %v, want about 300", tt.key, n, err)
		}
		entries, err := redis.Values(conn.Do("XREVRANGE", tt.key, "+", "-", "COUNT", 1))
		if err != nil || len(entries) != 1 {
			t.Fatalf("XREVRANGE = %v, %v", entries, err)
		}
		if got, want := fmt.Sprintf("%s", entries[0].([]any)[1]), `[channel feed:football:fantasy data {"goal":999}]`; got != want {
			t.Errorf("the newest entry is %s, want %s", got, want)
		}
		if _, err := conn.Do("DEL", tt.key); err != nil {
			t.Fatal(err)
		}
	}
	p := publisher(t, Config{URL: r.URL()})
	if err := p.Stream(t.Context(), "$x", 1, Durable()); !errors.Is(err, ErrChannel) {
		t.Errorf("a bad channel: %v, want %v", err, ErrChannel)
	}
	if err := p.Stream(t.Context(), "x", json.RawMessage("{"), Durable()); !errors.Is(err, ErrData) {
		t.Errorf("bad data: %v, want %v", err, ErrData)
	}
	if _, err := conn.Do("SET", "sb:stream", "in the way"); err != nil {
		t.Fatal(err)
	}
	if err := p.Stream(t.Context(), "x", 1, Durable()); err == nil || !strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("Stream where XADD fails = %v, want its error", err)
	}
}

func TestDurableConfig(t *testing.T) {
	for _, config := range []Config{{Partitions: -1}, {Partitions: 257}, {StreamMax: -1}} {
		if _, err := New(config); err == nil {
			t.Errorf("New(%+v) = nil, want an error", config)
		}
	}
	t.Setenv("SB_STREAM_PARTITIONS", "4")
	t.Setenv("SB_STREAM_MAX", "1000")
	p, err := fromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.streams != 4 || p.most != 1000 {
		t.Errorf("%d partitions of %d messages, want 4 of 1000", p.streams, p.most)
	}
	for _, wrong := range []string{"0", "-1", "four", "300"} {
		t.Setenv("SB_STREAM_PARTITIONS", wrong)
		if _, err := fromEnvironment(); err == nil {
			t.Errorf("SB_STREAM_PARTITIONS=%s = nil, want an error", wrong)
		}
	}
}
