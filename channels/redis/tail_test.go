package redis

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/internal/streams"
)

// dial is a connection of a web server.
func dial(t *testing.T, r *redistest.Server) redigo.Conn {
	t.Helper()
	conn, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// do runs a command, as it is typed.
func do(t *testing.T, conn redigo.Conn, command string, args ...any) string {
	t.Helper()
	words := strings.Fields(command)
	all := redigo.Args{}.AddFlat(words[1:]).Add(args...)
	reply, err := conn.Do(words[0], all...)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	text, _ := reply.([]byte)
	return string(text)
}

// quick are the times of a test that waits for a break to be noticed.
func quick(url string, partitions int) Config {
	return Config{
		URL: url, StreamPartitions: partitions, MaxPublish: 1000,
		MinRedial: time.Millisecond, MaxRedial: 20 * time.Millisecond, CheckInterval: 50 * time.Millisecond, PingInterval: 100 * time.Millisecond,
	}
}

// got is what was delivered of a durable channel.
func (s *sink) got(tag string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.durable[tag])
}

func (s *sink) waitDurable(t *testing.T, tag string, want ...string) {
	t.Helper()
	s.wait(t, fmt.Sprintf("durable messages %q on %s", want, tag), func() bool { return len(s.durable[tag]) >= len(want) })
	if got := s.got(tag); !slices.Equal(got, want) {
		t.Errorf("durable messages on %s = %.300q, want %.300q", tag, got, want)
	}
}

// What is added comes with its id, in order, and nothing that was there before.
func TestDurable(t *testing.T) {
	r := redistest.Start(t)
	conn := dial(t, r)
	do(t, conn, "XADD sb:stream * channel x data before")
	b := run(t, quick(r.URL(), 1))
	b.Listen("x")
	b.waitLive(t, "x")
	big := strings.Repeat("x", 1000)
	ids := []string{
		do(t, conn, "XADD sb:stream * channel x data 1"),
		do(t, conn, "XADD sb:stream * by me data 2 channel x data 3 channel y"), // the first of each counts
	}
	for _, entry := range []string{
		"some thing", "channel x", "data 1", "channel $nodes data 1", "channel a,b data 1", "channel subscribe data 1",
	} {
		do(t, conn, "XADD sb:stream * "+entry)
	}
	do(t, conn, "XADD sb:stream * channel x data", big+"x")
	ids = append(ids, do(t, conn, "XADD sb:stream * channel x data", big))
	do(t, conn, "XADD sb:stream * channel x data 4 large", big+big+big)
	do(t, conn, "XADD sb:stream * channel x data", "")
	b.waitDurable(t, "x", "1", "2", big, "4", "")
	if got := b.sink.ids["x"][:3]; !slices.Equal(got, ids) {
		t.Errorf("ids = %q, want %q", got, ids)
	}
	b.waitLive(t, "x")
	if got := fmt.Sprint(b.losses()); got != "[[too_large x]]" {
		t.Errorf("losses = %s, want that of the large one alone", got)
	}
	if got := b.logged("redis: an entry of the stream is no message: it takes the fields channel and data"); len(got) != 1 {
		t.Errorf("the log says %q, want one line a minute", got)
	}
	if b.Refused() != 7 {
		t.Errorf("Refused = %d, want 7", b.Refused())
	}
	if _, err := b.Publish(t.Context(), "x", []byte("plain")); err != nil {
		t.Fatal(err)
	}
	b.waitMessage(t, "x", "plain")
}

// A message comes from whichever stream it stands in; one in the wrong stream
// is not called durable.
func TestPartitions(t *testing.T) {
	const partitions = 4
	r := redistest.Start(t)
	b := run(t, quick(r.URL(), partitions))
	var tags []string
	for i := range 20 {
		tags = append(tags, fmt.Sprint("feed:", i))
		b.Listen(tags[i])
	}
	b.waitLive(t, tags...)
	conn := dial(t, r)
	for round := range 3 {
		for _, tag := range tags {
			do(t, conn, "XADD "+streams.Key("sb:", tag, partitions)+" * channel "+tag+" data", round)
		}
	}
	for _, tag := range tags {
		b.waitDurable(t, tag, "0", "1", "2")
	}
	do(t, conn, "XADD sb:stream * channel feed:1 data old")
	b.waitMessage(t, "feed:1", "old")
	wrong := (streams.Partition("feed:1", partitions) + 1) % partitions
	do(t, conn, "XADD "+streams.Keys("sb:", partitions)[wrong]+" * channel feed:1 data wrong")
	b.waitMessage(t, "feed:1", "wrong")
	b.waitDurable(t, "feed:1", "0", "1", "2")
	if got := b.logged("redis: a durable message stands in another stream than its channel's: is --stream-partitions the same everywhere?"); len(got) != 1 {
		t.Errorf("the log says %q, want one line", got)
	}
}

// A lot of large messages come whole, though not in one answer.
func TestManyLargeMessages(t *testing.T) {
	const n, size = 60, 400 << 10 // 24 MB
	r := redistest.Start(t)
	p := redistest.NewProxy(t, r.Addr())
	config := quick(p.URL(), 1)
	config.MaxPublish, config.PingTimeout = 1<<20, 5*time.Second
	b := run(t, config)
	b.Listen("x")
	b.waitLive(t, "x")
	conn := dial(t, r)
	do(t, conn, "XADD sb:stream * channel x data begin")
	b.waitDurable(t, "x", "begin")
	p.Refuse(true)
	p.Cut()
	for i := range n {
		do(t, conn, "XADD sb:stream * channel x data", fmt.Sprint(i, strings.Repeat(" ", size)))
	}
	p.Refuse(false)
	b.wait(t, "all have come", func() bool { return len(b.durable["x"]) >= n+1 })
	for i, data := range b.got("x")[1:] {
		if want := fmt.Sprint(i, " "); !strings.HasPrefix(data, want) || len(data) < size {
			t.Fatalf("message %d = %.10q of %d bytes", i, data, len(data))
		}
	}
	if got := b.losses(); len(got) > 1 { // that of the connection that subscribes
		t.Errorf("losses = %q", got)
	}
}

// Who may not read the stream hears the other messages, is told once why, and
// hears all when it may.
func TestForbiddenStream(t *testing.T) {
	r := redistest.Start(t)
	admin := dial(t, r)
	do(t, admin, "ACL SETUSER node on >pass +ping +publish +subscribe +unsubscribe resetchannels &sb:*")
	b := run(t, quick(strings.Replace(r.URL(), "//", "//node:pass@", 1), 1))
	b.Listen("x")
	b.waitLive(t, "x")
	do(t, admin, "XADD sb:stream * channel x data unseen")
	if _, err := b.Publish(t.Context(), "x", []byte("plain")); err != nil {
		t.Fatal(err)
	}
	b.waitMessage(t, "x", "plain")
	if !b.Up() {
		t.Error("Up = false: other messages come")
	}
	const line = "redis: durable messages do not arrive: Redis refuses to let this user read their stream"
	eventually(t, "the log says so", func() bool { return len(b.logged(line)) > 0 })
	// One permission after the other: each that is missing is told, with its name.
	for _, tt := range []struct{ rule, lacking string }{
		{"%R~sb:stream", "xread"},
		{"+xread", "xinfo"},
		{"+xinfo|stream", "xrange"},
	} {
		do(t, admin, "ACL SETUSER node "+tt.rule)
		eventually(t, "the log misses "+tt.lacking, func() bool {
			lines := b.logged(line)
			return len(lines) > 0 && strings.Contains(lines[len(lines)-1], tt.lacking)
		})
	}
	if got := b.losses(); len(got) > 0 {
		t.Errorf("losses = %q, want none before anything is read", got)
	}
	do(t, admin, "ACL SETUSER node +xrange")
	b.wait(t, "the loss is told", func() bool { return slices.Contains(b.lost, "[broker_lost x]") })
	b.waitLive(t, "x")
	do(t, admin, "XADD sb:stream * channel x data seen")
	b.waitDurable(t, "x", "seen")
	if got := b.logged(line); len(got) > 4 || !strings.Contains(got[0], "NOPERM") || !strings.Contains(got[0], "sb:stream") {
		t.Errorf("the log says %q, want a line for each refusal, with NOPERM and the stream", got)
	}
	if len(b.logged("redis: durable messages are read again")) != 1 {
		t.Error("the log does not say that they are read again")
	}
}
