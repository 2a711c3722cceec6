package redis

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/internal/streams"
)

// publishDurable adds numbers to channels in turn until the test says stop,
// which returns how many Redis accepted.
func publishDurable(t *testing.T, b *Broker, tags []string) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	accepted := make(chan int)
	go func() { // ends with ctx
		n := 0
		for i := 0; ctx.Err() == nil; i++ {
			limited, done := context.WithTimeout(ctx, time.Second)
			if _, err := b.Keep(limited, tags[i%len(tags)], strconv.AppendInt(nil, int64(i), 10)); err == nil {
				n++
			} else {
				<-time.After(2 * time.Millisecond) // Redis is away
			}
			done()
			if i%8 == 0 {
				<-time.After(time.Millisecond)
			}
		}
		accepted <- n
	}()
	return func() int { cancel(); return <-accepted }
}

// Whatever happens to Redis that keeps its promise, or to the connection: what
// the streams hold was delivered, each message once and in its order, and nobody
// is told of a gap but that of the other messages (RELIABILITY.md F1, F5).
func TestNothingDurableIsLost(t *testing.T) {
	const partitions = 4
	r := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	p := redistest.NewProxy(t, r.Addr())
	b := run(t, quick(p.URL(), partitions))
	publisher := newBroker(t, Config{URL: r.URL(), Prefix: "sb:", StreamPartitions: partitions})
	tags := []string{"a", "b", "c", "feed:football:fantasy", "e", "f"}
	for _, tag := range tags {
		b.Listen(tag)
	}
	b.waitLive(t, tags...)
	stop := publishDurable(t, publisher, tags)
	heard := func() (n int) {
		for _, tag := range tags {
			n += len(b.durable[tag])
		}
		return n
	}
	more := func() {
		t.Helper()
		before := -1
		b.wait(t, "more is heard", func() bool {
			if before < 0 {
				before = heard()
			}
			return heard() > before+20
		})
	}
	for range 3 {
		more()
		p.Cut()
		more()
		r.Kill()
		r.Restart()
		more()
		admin := dial(t, r)
		for _, kind := range []string{"normal", "pubsub"} {
			_, _ = admin.Do("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
		}
		more()
		r.Pause()
		<-time.After(50 * time.Millisecond)
		r.Resume()
	}
	accepted := stop()
	conn := dial(t, r)
	held := map[string][]string{} // channel → ids
	total := 0
	for _, key := range streams.Keys("sb:", partitions) {
		reply, err := conn.Do("XRANGE", key, "-", "+")
		if err != nil {
			t.Fatal(err)
		}
		entries, err := readEntries(reply, 1000, true)
		if err != nil {
			t.Fatal(err)
		}
		for i := range entries {
			held[entries[i].tag] = append(held[entries[i].tag], entries[i].id.String())
			total++
		}
	}
	if total < accepted || accepted == 0 {
		t.Errorf("Redis holds %d messages of the %d that it accepted", total, accepted)
	}
	b.wait(t, "all have come", func() bool { return heard() >= total })
	lost, twice := 0, 0
	for _, tag := range tags {
		got := b.sink.ids[tag]
		if !slices.Equal(got, held[tag]) {
			t.Errorf("%s: %d delivered, %d held, and not the same in the same order", tag, len(got), len(held[tag]))
		}
		for _, id := range held[tag] {
			n := 0
			for _, other := range got {
				if other == id {
					n++
				}
			}
			lost += max(0, 1-n)
			twice += max(0, n-1)
		}
	}
	t.Logf("%d accepted, %d held, %d lost, %d twice", accepted, total, lost, twice)
	for _, loss := range b.losses() {
		if loss != "[broker_lost]" {
			t.Errorf("the sink was told of %s", loss)
		}
	}
}

// away is what happens to a stream while a node is cut off from it, and what
// the clients are told then.
func TestStreamThatChanged(t *testing.T) {
	add := func(conn redigo.Conn, from, to int) {
		for i := from; i <= to; i++ {
			_, _ = conn.Do("XADD", "sb:stream", "*", "channel", "x", "data", i)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(t *testing.T, r *redistest.Server)
		told   string
		want   []string // messages after the first three
	}{
		{"nothing", func(*testing.T, *redistest.Server) {}, "", nil},
		{"more was added", func(t *testing.T, r *redistest.Server) { add(dial(t, r), 4, 6) }, "", []string{"4", "5", "6"}},
		{"what was read is trimmed", func(t *testing.T, r *redistest.Server) { do(t, dial(t, r), "XTRIM sb:stream MAXLEN 0") }, "", nil},
		{"trimmed up to the last that was read", func(t *testing.T, r *redistest.Server) {
			conn := dial(t, r)
			add(conn, 4, 6)
			do(t, conn, "XTRIM sb:stream MAXLEN 4")
		}, "", []string{"4", "5", "6"}},
		{"trimmed beyond", func(t *testing.T, r *redistest.Server) {
			conn := dial(t, r)
			add(conn, 4, 9)
			do(t, conn, "XTRIM sb:stream MAXLEN 2")
		}, reasonTrimmed, []string{"8", "9"}},
		{"trimmed to nothing", func(t *testing.T, r *redistest.Server) {
			conn := dial(t, r)
			add(conn, 4, 9)
			do(t, conn, "XTRIM sb:stream MAXLEN 0")
		}, reasonRestarted, nil},
		{"deleted", func(t *testing.T, r *redistest.Server) { do(t, dial(t, r), "DEL sb:stream") }, reasonRestarted, nil},
		{"deleted and used again", func(t *testing.T, r *redistest.Server) {
			conn := dial(t, r)
			add(conn, 4, 5)
			do(t, conn, "DEL sb:stream")
			<-time.After(10 * time.Millisecond) // ids are times: in the same millisecond they went back
			add(conn, 6, 7)
		}, reasonRestarted, []string{"6", "7"}},
		{"restarted without persistence", func(_ *testing.T, r *redistest.Server) { r.Restart() }, reasonRestarted, nil},
		{"restarted so, and used again", func(t *testing.T, r *redistest.Server) {
			r.Restart()
			add(dial(t, r), 6, 9)
		}, reasonRestarted, []string{"6", "7", "8", "9"}},
		{"an older state", func(t *testing.T, r *redistest.Server) {
			conn := dial(t, r)
			id := do(t, conn, "XADD sb:old 1-1 channel x data 1")
			do(t, conn, "RENAME sb:old sb:stream")
			do(t, conn, "XADD sb:stream 1-2 channel x data 2")
			if id != "1-1" {
				t.Errorf("id = %s", id)
			}
		}, reasonRestarted, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := redistest.Start(t)
			p := redistest.NewProxy(t, r.Addr())
			b := run(t, quick(p.URL(), 1))
			b.Listen("x")
			b.waitLive(t, "x")
			conn := dial(t, r)
			add(conn, 1, 3)
			b.waitDurable(t, "x", "1", "2", "3")
			p.Refuse(true)
			p.Cut()
			b.wait(t, "the cut", func() bool { return len(b.lost) == 1 })
			tt.change(t, r)
			p.Refuse(false)
			told := fmt.Sprintf("[%s x]", tt.told)
			if tt.told != "" {
				b.wait(t, "the loss is told", func() bool { return slices.Contains(b.lost, told) })
			}
			b.waitLive(t, "x")
			eventually(t, "the stream is read again", b.Up)
			b.waitDurable(t, "x", append([]string{"1", "2", "3"}, tt.want...)...)
			do(t, dial(t, r), "XADD sb:stream * channel x data end")
			b.waitDurable(t, "x", slices.Concat([]string{"1", "2", "3"}, tt.want, []string{"end"})...)
			for _, loss := range b.losses() {
				if loss != "[broker_lost]" && loss != told {
					t.Errorf("the sink was told of %s, want %s alone", loss, told)
				}
			}
		})
	}
}

// So it is when it happens to a stream that is being read.
func TestStreamThatChangesUnderway(t *testing.T) {
	r := redistest.Start(t)
	b := run(t, quick(r.URL(), 1))
	b.Listen("x")
	b.waitLive(t, "x")
	conn := dial(t, r)
	do(t, conn, "XADD sb:stream * channel x data 1")
	b.waitDurable(t, "x", "1")
	do(t, conn, "MULTI") // nobody reads in between
	for i := range 6 {
		do(t, conn, "XADD sb:stream MAXLEN 2 * channel x data", i)
	}
	do(t, conn, "EXEC")
	b.wait(t, "trimmed", func() bool { return slices.Contains(b.lost, "[stream_trimmed x]") })
	b.waitLive(t, "x")
	b.waitDurable(t, "x", "1", "4", "5")
	do(t, conn, "DEL sb:stream")
	b.wait(t, "deleted", func() bool { return slices.Contains(b.lost, "[stream_restarted x]") })
	b.waitLive(t, "x")
	do(t, conn, "XADD sb:stream 1-1 channel x data old")
	b.waitDurable(t, "x", "1", "4", "5", "old")
	if got := b.losses(); len(got) != 2 {
		t.Errorf("losses = %q, want two", got)
	}
}
