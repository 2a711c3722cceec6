package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
)

// Clients of all kinds poll one node after the other, as if they were one.
func TestPollsGoToTheirNode(t *testing.T) {
	r := redistest.Start(t)
	nodes := []*node{startPeer(t, r, server.Config{}), startPeer(t, r, server.Config{}), startPeer(t, r, server.Config{})}
	passed := func() (n float64) {
		for _, node := range nodes {
			n += node.metric(t, "stream_forwarded_total")
		}
		return n
	}
	for _, tt := range []struct {
		name, handshake   string
		from, to, path    string
		connect           string // is sent; nothing where the server connects by itself
		subscribe, ok     string
		subscribed, heard string
	}{
		{
			"4", "/socket.io/?EIO=4&transport=polling", `"sid":"`, `"`, "/socket.io/?EIO=4&transport=polling&sid=%s",
			"40", `420["subscribe","x"]`, "ok", `430[{"ok":true`, `42["x",{"goal":1}`,
		},
		{
			"3", "/socket.io/?EIO=3&transport=polling", `"sid":"`, `"`, "/socket.io/?EIO=3&transport=polling&sid=%s",
			"", `20:420["subscribe","x"]`, "ok", `430[{"ok":true`, `42["x",{"goal":1}`,
		},
		{
			"3 with JSONP", "/socket.io/?EIO=3&transport=polling&j=0&b64=1", `\"sid\":\"`, `\"`,
			"/socket.io/?EIO=3&transport=polling&j=1&b64=1&sid=%s",
			"", `20:420["subscribe","x"]`, "ok", `430[{\"ok\":true`, `42[\"x\",{\"goal\":1}`,
		},
		{
			"0.9", "/socket.io/1/", "", ":", "/socket.io/1/xhr-polling/%s?t=1",
			"", `5:1+::{"name":"subscribe","args":["x"]}`, "1", `6:::1+[{"ok":true`, `5:::{"name":"x","args":[{"goal":1}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := passed()
			c := &tour{t: t, nodes: nodes, path: tt.handshake}
			c.begin(tt.from, tt.to, tt.path)
			if tt.connect != "" {
				c.want(tt.connect, "ok")
			}
			c.want(tt.subscribe, tt.ok)
			c.hear(tt.subscribed)
			for range nodes {
				if got := redisPublish(t, r.Addr(), "sb:x", `{"goal":1}`); got < 1 {
					t.Fatalf("PUBLISH reached %d nodes", got)
				}
				c.hear(tt.heard)
			}
			if n := passed() - before; n < float64(c.next)/2 || n > float64(c.next) {
				t.Errorf("%v of %d requests were passed on, want two in three", n, c.next)
			}
		})
	}
	for _, n := range nodes {
		for _, reason := range []string{"unconfigured", "no_lease", "unreachable", "broken", "refused"} {
			if got := n.metric(t, `stream_forward_failed_total{reason="`+reason+`"}`); got != 0 {
				t.Errorf("%v requests could not be passed on: %s", got, reason)
			}
		}
	}
}

// An upgrade goes to its node as well, and both directions and the end of the
// WebSocket go through.
func TestUpgradeGoesToItsNode(t *testing.T) {
	r := redistest.Start(t)
	owner, front := startPeer(t, r, server.Config{}), startPeer(t, r, server.Config{})
	dial := func(c *tour) net.Conn {
		t.Helper()
		url := strings.Replace(front.url+strings.Replace(c.path, "polling", "websocket", 1), "http", "ws", 1)
		conn, reader, _, err := ws.Dial(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if reader != nil {
			t.Fatal("the server speaks first")
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		say(t, conn, "2probe", "3probe")
		say(t, conn, "5", "")
		say(t, conn, `421["subscribe","y"]`, `431[{"ok":true`)
		redisPublish(t, r.Addr(), "sb:y", `"`+strings.Repeat("long", 10_000)+`"`)
		say(t, conn, "", `42["y","longlong`)
		return conn
	}
	c := connected(t, owner)
	first := dial(c)
	if got := front.metric(t, "stream_forwarded_total"); got != 0 {
		t.Errorf("%v requests have been passed on, want none before the end of the WebSocket", got)
	}
	if status, answer := c.ask(""); status != http.StatusBadRequest || answer != `{"code":3,"message":"Bad request"}` {
		t.Errorf("a poll after the upgrade = %d %s", status, answer)
	}
	// The client leaves.
	first.Close()
	eventually(t, "the session ends with its WebSocket", func() bool { return owner.Sessions().Len() == 0 })
	eventually(t, "it has been passed on", func() bool { return front.metric(t, "stream_forwarded_total") == 1 })
	// The session's node ends.
	second := dial(connected(t, owner))
	owner.stop()
	for {
		if _, err := wsutil.ReadServerText(second); err != nil {
			break
		}
	}
	front.stop()
}

// say sends a text, if there is one, and waits for one that begins so.
func say(t *testing.T, conn net.Conn, text, want string) {
	t.Helper()
	if text != "" {
		if err := wsutil.WriteClientText(conn, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for want != "" {
		got, err := wsutil.ReadServerText(conn)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if strings.HasPrefix(string(got), want) {
			return
		}
	}
}

// When its node has gone a client is told at once that its session has, as by
// the node that it was on.
func TestNodeOfSessionGone(t *testing.T) {
	const unknown = `{"code":1,"message":"Session ID unknown"}`
	r := redistest.Start(t)
	owner, front := startPeer(t, r, server.Config{}), startPeer(t, r, server.Config{})
	failed := func(reason string) float64 {
		return front.metric(t, `stream_forward_failed_total{reason="`+reason+`"}`)
	}
	gone := func(c *tour, reason string) {
		t.Helper()
		before, began := failed(reason), time.Now()
		if status, answer := c.ask(""); status != http.StatusBadRequest || answer != unknown || time.Since(began) > time.Second {
			t.Errorf("a poll is answered with %d %s after %v", status, answer, time.Since(began))
		}
		if n := failed(reason) - before; n != 1 {
			t.Errorf("%v more requests failed because of %s, want 1", n, reason)
		}
	}
	c := connected(t, owner, front)
	c.nodes = []*node{front}
	polled := make(chan string, 1)
	go func() { // ends with owner
		_, answer := c.ask("")
		polled <- answer
	}()
	eventually(t, "the poll waits", func() bool { return front.metric(t, "stream_forwarding") == 1 })
	owner.stop()
	if answer := <-polled; answer != "1" {
		t.Errorf("a poll that waits is answered with %q when its node ends, want the end of the session", answer)
	}
	gone(c, "unreachable") // the address is remembered, and nobody is there
	gone(c, "no_lease")

	c.path = "/socket.io/1/xhr-polling/" + c.path[strings.Index(c.path, "&sid=")+5:]
	if status, answer := c.ask(""); status != http.StatusOK || answer != "7:::1+0" {
		t.Errorf("a poll of 0.9 is answered with %d %s", status, answer)
	}
	for _, sid := range []string{
		"abcdefgh-ABCDEFGHIJKLMNOPQRSTUVW", // of no node
		"abcdefgh-ABCDEFGHIJKLMNOPQRSTUV", "abcdefg-ABCDEFGHIJKLMNOPQRSTUVWX", "ABCDEFGH-ABCDEFGHIJKLMNOPQRSTUVW",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "-", "x", "..%2f..%2f-ABCDEFGHIJKLMNOPQRSTUVW",
	} {
		c.path = "/socket.io/?EIO=4&transport=polling&sid=" + sid
		if status, answer := c.ask(""); status != http.StatusBadRequest || answer != unknown {
			t.Errorf("a poll of %s is answered with %d %s", sid, status, answer)
		}
	}
	if n := failed("no_lease"); n != 3 {
		t.Errorf("%v requests were of nodes without a lease, want 3", n)
	}
}

// Without a cluster key nothing is passed on, and the log says how to mend it.
func TestStickySessionsNeeded(t *testing.T) {
	r := redistest.Start(t)
	owner, other := startOnRedis(t, r, "sb:"), startOnRedis(t, r, "sb:")
	c := connected(t, owner)
	c.nodes = []*node{other}
	said := logs.count(needed)
	for range 3 {
		if status, _ := c.ask(""); status != http.StatusBadRequest {
			t.Errorf("a poll at another node is answered with %d", status)
		}
	}
	if n := other.metric(t, `stream_forward_failed_total{reason="unconfigured"}`); n != 3 || logs.count(needed) != said+1 {
		t.Errorf("%v requests failed, and the log says it %d times; want 3, and once", n, logs.count(needed)-said)
	}
	c.nodes = []*node{owner}
	c.want(`42["x"]`, "ok") // the session is there still
}

const needed = "a client came with a session of another node: --node-address and --cluster-key on each node have it passed on; " +
	"else the balancer has to keep each client on one node"

// What a client may send is the same everywhere.
func TestLimitsOfWhatIsPassedOn(t *testing.T) {
	r := redistest.Start(t)
	limit := server.Config{MaxMessage: 1 << 10}
	owner, front := startPeer(t, r, limit), startPeer(t, r, limit)
	for _, n := range []*node{owner, front} {
		c := connected(t, owner)
		c.nodes = []*node{n}
		if status, _ := c.ask(`42["x","` + strings.Repeat("x", 1<<10-9) + `"]`); status != http.StatusRequestEntityTooLarge {
			t.Errorf("a POST over the limit is answered with %d", status)
		}
		c.want(`42["x","`+strings.Repeat("x", 1<<10-10)+`"]`, "ok")
		c.want(`42["x"]`, "ok")
		c.path += "&x=" + strings.Repeat("x", 8<<10-len(c.path)-2)
		if status, _ := c.ask(`42["x"]`); status != http.StatusRequestURITooLong {
			t.Errorf("a URL over the limit is answered with %d", status)
		}
		c.path = c.path[:8<<10-1]
		c.want(`42["x"]`, "ok")
	}
}

// A node that ends lets go of what it passes on; the session lives on elsewhere.
func TestFrontEnds(t *testing.T) {
	r := redistest.Start(t)
	owner, front := startPeer(t, r, server.Config{}), startPeer(t, r, server.Config{})
	c := connected(t, owner)
	conn, err := net.Dial("tcp", strings.TrimPrefix(front.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", c.path)
	eventually(t, "the poll waits", func() bool { return front.metric(t, "stream_forwarding") == 1 })
	began := time.Now()
	front.stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the node took %v to end", took)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	answer, _ := io.ReadAll(bufio.NewReader(conn))
	if len(answer) > 0 && !bytes.HasPrefix(answer, []byte("HTTP/1.1 400 ")) {
		t.Errorf("the poll is answered with %q", answer)
	}
}
