package server_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
)

// startPeer runs a node that the others reach.
func startPeer(t *testing.T, r *redistest.Server, config server.Config) *node {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logs.allow(r.Addr())
	logs.allow(l.Addr().String())
	b, err := redis.New(redis.Config{URL: r.URL(), Prefix: "sb:", StreamPartitions: 1, Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	config.Broker, config.ClusterKeys = b, [][]byte{[]byte(clusterKey)}
	if config.NodeAddress == "" {
		config.NodeAddress = "http://" + l.Addr().String()
	}
	return startOn(t, config, l)
}

// A tour is a client whose requests go to one node after the other.
type tour struct {
	t     *testing.T
	nodes []*node
	next  int
	path  string // of Socket.IO, with the query; and the sid, after the handshake
}

// url is that of the next request.
func (c *tour) url() string {
	c.next++
	return c.nodes[(c.next-1)%len(c.nodes)].url + c.path
}

// ask makes the next request; a body makes it a POST.
func (c *tour) ask(body string) (status int, answer string) {
	c.t.Helper()
	method, reader := http.MethodGet, io.Reader(nil)
	if body != "" {
		method, reader = http.MethodPost, strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url(), reader)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	r.Header.Set("Origin", c.nodes[0].url) // of the same host
	resp, err := c.nodes[0].http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	allowed := strings.Join(resp.Header["Access-Control-Allow-Origin"], ", ")
	if allowed != c.nodes[0].url && resp.StatusCode != http.StatusRequestURITooLong {
		c.t.Errorf("the answer to %q has the headers %v, want one for the origin", body, resp.Header)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// want makes the next request and holds the answer against what it must have.
func (c *tour) want(body, want string) (answer string) {
	c.t.Helper()
	status, answer := c.ask(body)
	if status != http.StatusOK || !strings.Contains(answer, want) {
		c.t.Fatalf("the answer to %q is %d %q, want %q", body, status, answer, want)
	}
	return answer
}

// begin is the handshake; sid says where in the answer the sid is, and into what
// of the path it goes.
func (c *tour) begin(from, to, into string) {
	c.t.Helper()
	answer := c.want("", from)
	_, rest, _ := strings.Cut(answer, from)
	sid, _, ok := strings.Cut(rest, to)
	if !ok || len(sid) != 32 {
		c.t.Fatalf("the handshake is answered with %q", answer)
	}
	c.path = fmt.Sprintf(into, sid)
}

// hear polls until the answer has what it must have.
func (c *tour) hear(want string) {
	c.t.Helper()
	for all := ""; !strings.Contains(all, want); {
		answer := c.want("", "")
		if all += answer; strings.HasSuffix(answer, "2") {
			c.want("3", "ok")
		}
	}
}

// connected is a session by long-polling, in a channel, whose requests go round.
func connected(t *testing.T, nodes ...*node) *tour {
	t.Helper()
	c := &tour{t: t, nodes: nodes, path: "/socket.io/?EIO=4&transport=polling"}
	c.begin(`"sid":"`, `"`, c.path+"&sid=%s")
	c.want("40", "ok")
	c.want(`420["subscribe","x"]`, "ok")
	c.hear(`430[{"ok":true`)
	return c
}
