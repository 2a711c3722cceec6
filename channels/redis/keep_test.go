package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/internal/streams"
	"github.com/sb-stream/stream-server/internal/tags"
)

var _ channels.Keeper = (*Broker)(nil)

// data is what of kept is asked for.
func data(kept []channels.Kept) []string {
	var list []string
	for _, k := range kept {
		list = append(list, string(k.Data))
	}
	return list
}

func TestSince(t *testing.T) {
	const partitions = 3
	r := redistest.Start(t)
	b := newBroker(t, Config{URL: r.URL(), Prefix: "sb:", StreamPartitions: partitions, MaxPublish: 1000, StreamMax: 1_000_000})
	keep := func(tag, data string) string {
		t.Helper()
		id, err := b.Keep(t.Context(), tag, []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	since := func(name, id string, limit int, complete bool, want ...string) {
		t.Helper()
		kept, ok, err := b.Since(t.Context(), "x", id, limit)
		if got := data(kept); err != nil || ok != complete || !slices.Equal(got, want) {
			t.Errorf("%s: Since = %.200q, %v, %v, want %.200q, %v", name, got, ok, err, want, complete)
		}
	}
	first := keep("x", "1")
	since("nothing after it", first, 10, true)
	var others []string
	for i := range 1500 { // several pages, with others between
		keep("y", "not for x")
		others = append(others, fmt.Sprint(i))
		keep("x", others[i])
	}
	since("all", first, 1500, true, others...)
	since("more than the limit", first, 1499, false, others[:1499]...)
	since("before all", "0-0", 10, false)
	since("never was", "1-1", 10, false)
	since("not yet", "9999999999999-0", 10, false)
	since("no id", "x", 10, false)
	conn := dial(t, r)
	key := streams.Key("sb:", "x", partitions)
	if entries, err := redigo.Values(conn.Do("XRANGE", key, first, first)); err != nil || len(entries) != 1 {
		t.Fatalf("the message is not in %s: %v, %v", key, entries, err)
	}
	do(t, conn, "XADD "+key+" * neither one")
	last := keep("x", "last")
	since("an entry that is none", first, 2000, true, append(others, "last")...)
	do(t, conn, "XADD "+key+" * channel x data", strings.Repeat("x", 1001))
	since("one too large", last, 10, false)
	do(t, conn, "XTRIM "+key+" MAXLEN 2")
	since("what was trimmed", first, 2000, false)
	if n := do(t, conn, "XDEL "+key, last); n != "" {
		t.Errorf("XDEL = %q", n)
	}
	since("what was deleted", last, 10, false)
	if _, err := b.Keep(t.Context(), "x", make([]byte, 1001)); err == nil {
		t.Error("Keep over MaxPublish reports no error")
	}
	kept, ok, err := newBroker(t, Config{URL: r.URL()}).Since(t.Context(), "x", last, 10)
	if kept != nil || ok || err != nil {
		t.Errorf("Since without streams = %v, %v, %v, want nothing", kept, ok, err)
	}
	r.Kill()
	if _, _, err := b.Since(t.Context(), "x", last, 10); err == nil {
		t.Error("Since without Redis reports no error")
	}
	if _, err := b.Keep(t.Context(), "x", nil); err == nil {
		t.Error("Keep without Redis reports no error")
	}
}

// Keep leaves about as many entries as it was told.
func TestKeepTrims(t *testing.T) {
	r := redistest.Start(t)
	b := newBroker(t, Config{URL: r.URL(), Prefix: "sb:", StreamMax: 500})
	for i := range 1200 {
		if _, err := b.Keep(t.Context(), "x", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := redigo.Int(dial(t, r).Do("XLEN", "sb:stream")); n < 500 || n > 700 || err != nil {
		t.Errorf("XLEN = %d, %v, want about 500", n, err)
	}
}

// Whoever answers in Redis' place takes no memory by an answer to XREAD, and
// the messages come once Redis itself answers.
func TestHostileStream(t *testing.T) {
	r := redistest.Start(t)
	for _, tt := range []struct{ name, command, text, endless string }{
		{"2 GiB", "XREAD", "*1\r\n$2147483648\r\n", "x"},
		{"a billion elements", "XREAD", "*1\r\n*999999999\r\n", "*9\r\n"},
		{"arrays in arrays", "XREAD", "", "*1\r\n"},
		{"a number", "XREAD", ":1\r\n", ""},
		{"a number in a list", "XRANGE", "*1\r\n:1\r\n", ""},
		{"info of nothing", "XINFO", "*0\r\n", ""},
		{"info with a bad id", "XINFO", "*4\r\n+length\r\n:1\r\n$17\r\nlast-generated-id\r\n$1\r\nx\r\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLiar(t, tt.command, lie{text: tt.text, endless: tt.endless}, r.Addr())
			var b *running
			took := allocated(func() {
				config := quick("redis://"+l.addr, 1)
				config.PingTimeout = 200 * time.Millisecond
				b = run(t, config)
				eventually(t, "it is tried again", func() bool { return len(l.lied()) >= 3 })
			})
			if took > enough {
				t.Errorf("%d bytes were allocated, want at most %d", took, enough)
			}
			l.honest.Store(true)
			l.mu.Lock()
			for c := range l.conns {
				c.Close()
			}
			l.mu.Unlock()
			b.Listen("x")
			b.waitLive(t, "x")
			eventually(t, "it is ready", b.Up)
			do(t, dial(t, r), "XADD sb:stream * channel x data real")
			b.waitDurable(t, "x", "real")
		})
	}
}

// words are what a made up reply holds.
var words = []string{"channel", "data", "1-1", "1-2", "2-0", "x", "$nodes", "", "sb:stream", strings.Repeat("x", 51), "last-generated-id", "length", "first-entry"}

// build makes a reply of bytes, of which each says what comes next.
func build(in []byte, depth int) (reply any, rest []byte) {
	if len(in) == 0 {
		return nil, nil
	}
	kind, n, in := in[0]%4, int(in[0]/4), in[1:]
	switch {
	case kind == 0 && n%2 == 0:
		return int64(n), in
	case kind == 1:
		return []byte(words[n%len(words)]), in
	case kind > 1 && depth < 6:
		list := make([]any, n%8)
		for i := range list {
			list[i], in = build(in, depth+1)
		}
		return list, in
	}
	return nil, in
}

// What is read of any answer is messages, and whole.
func FuzzEntries(f *testing.F) {
	const array, text = 2, 1
	f.Add([]byte{1<<2 | array, 2<<2 | array, 8<<2 | text, 1<<2 | array, 2<<2 | array, 2<<2 | text, 4<<2 | array, text, 5<<2 | text, 1<<2 | text, 5<<2 | text})
	f.Add([]byte{1<<2 | array, 2<<2 | array, 8<<2 | text, 2<<2 | array, 2<<2 | array, 2<<2 | text, 4<<2 | array, text, 5<<2 | text, 1<<2 | text, 9<<2 | text, 2 << 2})
	f.Add([]byte{2<<2 | array, 2<<2 | array, 8<<2 | text, array, 6 << 2})
	f.Add([]byte{4<<2 | array, 10<<2 | text, 3<<2 | text, 11<<2 | text, 6 << 2})
	f.Fuzz(func(t *testing.T, in []byte) {
		reply, _ := build(in, 0)
		list, err := readStreams(reply, 50)
		if err != nil && (list != nil || !errors.Is(err, errOutOfStep)) {
			t.Fatalf("%v = %v, %v", reply, list, err)
		}
		for i, s := range list {
			for j, e := range s.entries {
				switch {
				case e.fault == cut:
					t.Errorf("%v: an entry that did not come whole", reply)
				case e.fault == noFault && (tags.Check(e.tag) != nil || e.data == nil || len(e.data) > 50):
					t.Errorf("%v: %+v is no message", reply, e)
				case e.id.IsZero():
					t.Errorf("%v: entry %d of stream %d has no id", reply, j, i)
				}
			}
		}
		if info, err := readInfo(reply); err == nil && info.length < 0 {
			t.Errorf("%v: %+v", reply, info)
		}
	})
}
