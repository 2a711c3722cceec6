package server_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
)

// A client that stops reading is closed at its limit and counted; the others
// get every message as if it were not there.
func TestSlowClient(t *testing.T) {
	const messages, size = 400, 64 << 10
	n := start(t, server.Config{ClientQueue: 256 << 10})
	slow := rawWebSocket(t, n)
	fmt.Fprint(slow, maskedText("40"), maskedText(`42["subscribe","x"]`))
	eventually(t, "the slow client hears the channel", func() bool { return n.Channels().Clients("x") == 1 })
	healthy := n.open(t, client.Options{})
	healthy.hear("x")

	data := `"` + strings.Repeat("x", size) + `"`
	var worst time.Duration
	for range messages {
		sent := time.Now()
		redisPublish(t, n.broker, "sb:x", data)
		healthy.want("x", data)
		worst = max(worst, time.Since(sent))
	}
	t.Logf("%d MiB to a client that does not read; the slowest delivery to another took %v", messages*size>>20, worst)
	if worst > time.Second {
		t.Errorf("a delivery to the healthy client took %v", worst)
	}
	eventually(t, "the slow client is gone from both maps", func() bool {
		return n.Channels().Clients("x") == 1 && n.Sessions().Len() == 1
	})
	if got := n.metric(t, "stream_slow_clients_closed_total"); got != 1 {
		t.Errorf("%v slow clients were counted, want 1", got)
	}
}

// rawWebSocket is a WebSocket whose client can stop reading.
func rawWebSocket(t *testing.T, n *node) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprint(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	status, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(status, " 101 ") {
		t.Fatalf("the handshake was answered %q, %v", status, err)
	}
	return conn
}

// maskedText is a client's text frame of at most 125 bytes, with a mask of
// zeros.
func maskedText(text string) string {
	return string([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}) + text
}

// A slow client of a --latest channel is not closed: when it reads on, it gets
// what the kernel held, and then the newest message, and nothing in between.
func TestLatest(t *testing.T) {
	const messages, size = 400, 64 << 10
	n := start(t, server.Config{ClientQueue: 256 << 10, Latest: []string{"score:*"}})
	slow := rawWebSocket(t, n)
	fmt.Fprint(slow, maskedText("40"), maskedText(`42["subscribe","score:1"]`))
	eventually(t, "the slow client hears the channel", func() bool { return n.Channels().Clients("score:1") == 1 })
	healthy := n.open(t, client.Options{})
	healthy.hear("score:1")
	for i := range messages {
		data := fmt.Sprintf(`{"n":%d,"pad":"%s"}`, i, strings.Repeat("x", size))
		redisPublish(t, n.broker, "sb:score:1", data)
		healthy.want("score:1", data)
	}
	if got := n.metric(t, "stream_slow_clients_closed_total"); got != 0 {
		t.Errorf("%v slow clients were closed, want 0", got)
	}
	if got := n.metric(t, "stream_replaced_messages_total"); got == 0 {
		t.Error("no message was replaced")
	}
	// What the client reads is looked at for the numbers alone.
	got, last := 0, -1
	for numbers := bufio.NewReader(slow); last < messages-1; {
		if _, err := numbers.ReadString('{'); err != nil {
			t.Fatal(err)
		}
		var i int
		if _, err := fmt.Fscanf(numbers, `"n":%d`, &i); err != nil {
			continue // of another message
		}
		if i <= last {
			t.Fatalf("message %d came after %d", i, last)
		}
		got, last = got+1, i
	}
	t.Logf("the slow client got %d of %d messages", got, messages)
	if got == messages {
		t.Error("the slow client got every message")
	}
}
