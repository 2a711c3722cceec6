package server_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server"
)

// A stream that is not read is closed at its limit, and nobody else waits.
func TestEventsSlow(t *testing.T) {
	const messages, size = 100, 64 << 10
	for _, path := range []string{"/events/x", "/events/x,y"} {
		n := start(t, server.Config{ClientQueue: 256 << 10})
		slow, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		// What is on its way to it would grow to some megabytes.
		if err := slow.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(slow, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
		eventually(t, "the slow client hears the channel", func() bool { return n.Channels().Clients("x") == 1 })
		healthy := n.listen(t, "x").hears()
		data := `"` + strings.Repeat("x", size) + `"`
		for range messages {
			redisPublish(t, n.broker, "sb:x", data)
			healthy.want(data)
		}
		eventually(t, "the slow client is gone from both maps", func() bool {
			return n.Channels().Clients("x") == 1 && n.Sessions().Len() == 1
		})
		if got := n.metric(t, "stream_slow_clients_closed_total"); got != 1 {
			t.Errorf("%s: %v slow clients were counted, want 1", path, got)
		}
		if got := n.metric(t, "stream_queued_bytes"); got != 0 {
			t.Errorf("%s: %v bytes wait, want 0", path, got)
		}
	}
}

// A slow stream of --latest channels is not closed: when it reads on, it gets whole
// events with their ids, in order, and the newest last.
func TestEventsLatest(t *testing.T) {
	const messages, size = 120, 64 << 10
	for _, path := range []string{"score:1", "score:1,other"} {
		n := start(t, server.Config{ClientQueue: 256 << 10, Latest: []string{"score:*"}})
		slow, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer slow.Close()
		// What is on its way to it would grow to some megabytes.
		if err := slow.(*net.TCPConn).SetReadBuffer(256 << 10); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(slow, "GET /events/%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
		eventually(t, "the slow client hears the channel", func() bool { return n.Channels().Clients("score:1") == 1 })
		for i := range messages {
			redisPublish(t, n.broker, "sb:score:1", fmt.Sprintf(`{"n":%d,"pad":"%s"}`, i, strings.Repeat("x", size)))
			if i%10 == 0 && path != "score:1" {
				redisPublish(t, n.broker, "sb:other", "1")
			}
		}
		if closed, replaced := n.metric(t, "stream_slow_clients_closed_total"), n.metric(t, "stream_replaced_messages_total"); closed != 0 || replaced == 0 {
			t.Errorf("%s: %v were closed and %v messages replaced, want none and some", path, closed, replaced)
		}
		s := &stream{t: t, lines: bufio.NewReader(slow)}
		ids := map[string]bool{}
		for last, others := -1, 0; last < messages-1; {
			e := s.next()
			if strings.HasPrefix(e.name, "$") {
				continue
			}
			if ids[e.id] {
				t.Fatalf("%s: the id %q stands at two events", path, e.id)
			}
			ids[e.id] = true
			var data struct{ N int }
			switch {
			case e.name == "other":
				others++
			case json.Unmarshal([]byte(e.data), &data) != nil || data.N <= last:
				t.Fatalf("%s: after %d came %.40s, of %d bytes", path, last, e.data, len(e.data))
			default:
				last = data.N
			}
		}
	}
}
