package embedded

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/streams"
)

var _ channels.Keeper = (*Broker)(nil)

// XADD answers as Redis does, and what it takes is delivered and kept.
func TestXADD(t *testing.T) {
	b, s := start(t, Config{MaxPublish: 1000})
	conn := dial(t, b)
	for _, tt := range []struct {
		command string
		want    string // of the answer; "-" and the beginning of an error
	}{
		{"XADD sb:stream NOMKSTREAM * channel x data 0", "<nil>"},
		{"XLEN sb:stream", "0"},
		{"XADD sb:stream 5-1 channel x data 1", "5-1"},
		{"xadd sb:stream 5-* channel x data 2", "5-2"},
		{"XADD sb:stream:{3} NOMKSTREAM MAXLEN ~ 100 LIMIT 5 7 data 3 by me channel y", "7-0"},
		{"XADD sb:stream MAXLEN = 100 8-* channel x data 4", "8-0"},
		{"XADD sb:stream MINID ~ 5-2 8-1 channel x data 5", "8-1"},
		{"XADD sb:stream 8-1 channel x data 6", "-ERR The ID specified in XADD is equal or smaller"},
		{"XADD sb:stream 7-* channel x data 6", "-ERR The ID specified in XADD is equal or smaller"},
		{"XADD sb:stream 0-0 channel x data 6", "-ERR The ID specified in XADD must be greater than 0-0"},
		{"XADD sb:stream x channel x data 6", "-ERR Invalid stream ID"},
		{"XADD sb:stream *-* channel x data 6", "-ERR Invalid stream ID"},
		{"XADD sb:stream 5-1-* channel x data 6", "-ERR Invalid stream ID"},
		{"XADD sb:stream 18446744073709551616-0 channel x data 6", "-ERR Invalid stream ID"},
		{"XADD sb:stream MAXLEN x * channel x data 6", "-ERR value is not an integer"},
		{"XADD sb:stream MAXLEN -1 * channel x data 6", "-ERR value is not an integer"},
		{"XADD sb:stream MAXLEN 1 LIMIT 1 * channel x data 6", "-ERR syntax error, LIMIT"},
		{"XADD sb:stream MINID x * channel x data 6", "-ERR Invalid stream ID"},
		{"XADD sb:stream MAXLEN ~", "-ERR wrong number of arguments"},
		{"XADD sb:stream * channel x data", "-ERR wrong number of arguments"},
		{"XADD sb:stream *", "-ERR wrong number of arguments"},
		{"XADD", "-ERR wrong number of arguments"},
		{"XADD sb:other * channel x data 6", "-ERR this broker keeps the stream sb:stream alone"},
		{"XADD stream * channel x data 6", "-ERR this broker keeps the stream sb:stream alone"},
		{"XADD sb:stream: * channel x data 6", "-ERR this broker keeps the stream sb:stream alone"},
		{"XADD sb:stream * text hello by me", "-ERR a durable message takes two fields"},
		{"XADD sb:stream * channel x text hello", "-ERR a durable message takes two fields"},
		{"XADD sb:stream * channel $nodes data 6", "-ERR a channel's name starts with neither"},
		{"XLEN sb:stream", "4"},
		{"XLEN sb:other", "0"},
		{"XRANGE sb:stream - +", "[[5-2 [channel x data 2]] [7-0 [channel y data 3]] [8-0 [channel x data 4]] [8-1 [channel x data 5]]]"},
		{"XRANGE sb:stream 7 8-0", "[[7-0 [channel y data 3]] [8-0 [channel x data 4]]]"},
		{"XRANGE sb:stream 5 + COUNT 1", "[[5-2 [channel x data 2]]]"},
		{"XRANGE sb:stream 9 +", "[]"},
		{"XRANGE sb:stream 8 5", "[]"},
		{"XRANGE sb:other - +", "[]"},
		{"XRANGE sb:stream - + COUNT", "-ERR syntax error"},
		{"XRANGE sb:stream - + LIMIT 1", "-ERR syntax error"},
		{"XRANGE sb:stream ? +", "-ERR Invalid stream ID"},
		{"XADD sb:stream MAXLEN 0 9-0 channel x data 7", "9-0"},
		{"XLEN sb:stream", "0"},
		{"XADD sb:stream 18446744073709551615-18446744073709551615 channel x data 8", "18446744073709551615-18446744073709551615"},
		{"XADD sb:stream * channel x data 9", "-ERR The stream has exhausted the last possible ID"},
	} {
		words := strings.Fields(tt.command)
		answer, err := conn.Do(words[0], redis.Args{}.AddFlat(words[1:])...)
		got := show(answer)
		if err != nil {
			got = "-" + err.Error()
		}
		if got != tt.want && !(strings.HasPrefix(tt.want, "-") && strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s = %q, want %q", tt.command, got, tt.want)
		}
	}
	want := []string{"x 1 5-1", "x 2 5-2", "y 3 7-0", "x 4 8-0", "x 5 8-1", "x 7 9-0", "x 8 18446744073709551615-18446744073709551615"}
	if !slices.Equal(s.seen(), want) {
		t.Errorf("the sink got %q, want %q", s.seen(), want)
	}
}

// Answers stand in the order of the commands, whatever waits for what.
func TestXADDPipeline(t *testing.T) {
	const n = 3000
	b, s := start(t, Config{Dir: t.TempDir()})
	conn := dial(t, b)
	go func() { // ends when all is sent
		for i := range n {
			switch i % 10 {
			case 3:
				_ = conn.Send("PUBLISH", "sb:x", i)
			case 7:
				_ = conn.Send("XADD", "sb:stream", "1-1", "channel", "x", "data", i)
			default:
				_ = conn.Send("XADD", "sb:stream", "*", "channel", "x", "data", i)
			}
		}
		_ = conn.Flush()
	}()
	ids := map[int]string{}
	for i := range n {
		answer, err := conn.Receive()
		switch i % 10 {
		case 3:
			if answer != int64(3) || err != nil {
				t.Fatalf("answer %d = %v, %v, want 3", i, answer, err)
			}
		case 7:
			if err == nil {
				t.Fatalf("answer %d = %v, want an error", i, answer)
			}
		default:
			if ids[i], err = redis.String(answer, err); err != nil {
				t.Fatalf("answer %d: %v", i, err)
			}
		}
	}
	got := s.seen()
	for i := range n {
		want := fmt.Sprint("x ", i)
		switch i % 10 {
		case 3:
		case 7:
			continue
		default:
			want += " " + ids[i]
		}
		if len(got) == 0 || got[0] != want {
			t.Fatalf("delivered %.3q, want %q next", got, want)
		}
		got = got[1:]
	}
}

func TestNextID(t *testing.T) {
	now := time.UnixMilli(100)
	for _, tt := range []struct {
		want wantedID
		last streams.ID
		id   streams.ID
		err  error
	}{
		{wantedID{anyMS: true}, streams.ID{}, streams.ID{MS: 100}, nil},
		{wantedID{anyMS: true}, streams.ID{MS: 99, Seq: 7}, streams.ID{MS: 100}, nil},
		{wantedID{anyMS: true}, streams.ID{MS: 100, Seq: 7}, streams.ID{MS: 100, Seq: 8}, nil},
		{wantedID{anyMS: true}, streams.ID{MS: 500, Seq: 7}, streams.ID{MS: 500, Seq: 8}, nil}, // the clock went back
		{wantedID{anyMS: true}, streams.ID{MS: 500, Seq: math.MaxUint64}, streams.ID{MS: 501}, nil},
		{wantedID{anyMS: true}, streams.Max, streams.ID{}, errNoIDs},
		{wantedID{id: streams.ID{MS: 5}, anySeq: true}, streams.ID{MS: 5, Seq: math.MaxUint64}, streams.ID{}, errSmallID},
		{wantedID{id: streams.ID{MS: 5, Seq: 1}}, streams.ID{MS: 5}, streams.ID{MS: 5, Seq: 1}, nil},
		{wantedID{id: streams.ID{MS: 5}}, streams.ID{MS: 5}, streams.ID{}, errSmallID},
	} {
		if id, err := tt.want.next(tt.last, now); id != tt.id || !errors.Is(err, tt.err) {
			t.Errorf("%+v after %v = %v, %v, want %v, %v", tt.want, tt.last, id, err, tt.id, tt.err)
		}
	}
}

// What parses as an id is written the same way, but for what may be left out.
func FuzzID(f *testing.F) {
	for _, seed := range []string{"*", "5-*", "5-1", "5", "05-1", "*-*", "5-1-*", "18446744073709551615-*", "-"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		w, ok := parseID(text)
		if !ok {
			return
		}
		got := w.id.String()
		switch {
		case w.anyMS:
			got = "*"
		case w.anySeq:
			got = strings.TrimSuffix(got, "0") + "*"
		case !strings.Contains(text, "-"):
			got = strings.TrimSuffix(got, "-0")
		}
		if got != text {
			t.Errorf("parseID(%q) = %+v, which is %q", text, w, got)
		}
	})
}
