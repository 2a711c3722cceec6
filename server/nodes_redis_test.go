package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels/redis"
	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
)

const (
	clusterKey = "cluster key of the tests"
	newerKey   = "newer key of the tests"
)

// startNode runs a node of a cluster.
func startNode(t *testing.T, r *redistest.Server, keys ...string) *node {
	t.Helper()
	return startNodeWith(t, r, server.Config{NodeTimeout: patience}, keys...)
}

func startNodeWith(t *testing.T, r *redistest.Server, config server.Config, keys ...string) *node {
	t.Helper()
	logs.allow(r.Addr())
	b, err := redis.New(redis.Config{URL: r.URL(), Prefix: "sb:", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	config.Broker, config.Identity = b, tokens()
	config.Canary = -1 // it subscribes too, and the number of subscriptions is waited for
	for _, key := range keys {
		config.ClusterKeys = append(config.ClusterKeys, []byte(key))
	}
	n := start(t, config)
	eventually(t, "the node hears the others", func() bool { _, confirmed := b.Subscriptions(); return confirmed == 2*min(len(keys), 1) })
	return n
}

const both = `"nodes":2,"answered":2`

func TestOperatorsOnEveryNode(t *testing.T) {
	r := redistest.Start(t)
	one, two := startNode(t, r, clusterKey, newerKey), startNode(t, r, newerKey, clusterKey) // in a rotation
	a, b, guest := one.open(t, as(t, "m")), two.open(t, as(t, "m")), two.open(t, client.Options{})
	a.hear("both", "one")
	b.hear("both", "two")
	guest.hear("both")

	one.wantAnswer(t, "GET", "/api/channels/both", "", 200, `{"channel":"both","sessions":3,"members":1,`+both+`}`)
	one.wantAnswer(t, "GET", "/api/channels/two", "", 200, `{"channel":"two","sessions":1,"members":1,`+both+`}`)
	one.wantAnswer(t, "GET", "/api/channels", "", 200,
		`{"channels":[{"channel":"both","sessions":3},{"channel":"one","sessions":1},{"channel":"two","sessions":1}],`+both+`}`)
	one.wantAnswer(t, "GET", "/api/channels?limit=1&after=both", "", 200, `{"channels":[{"channel":"one","sessions":1}],"next":"one",`+both+`}`)
	status, text := one.operate(t, "GET", "/api/members/m", "")
	var member struct {
		Sessions []struct {
			ID, Node string
			Channels []string
		}
		Nodes, Answered int
	}
	if err := json.Unmarshal([]byte(text), &member); err != nil || status != 200 || len(member.Sessions) != 2 || member.Answered != 2 ||
		member.Sessions[0].Node == member.Sessions[1].Node || member.Sessions[0].ID >= member.Sessions[1].ID {
		t.Errorf("GET /api/members/m = %d %s, want one session on each of two nodes", status, text)
	}

	one.wantAnswer(t, "POST", "/api/unsubscribe", `{"member":"m","channel":"two"}`, 200, `{"sessions":1,`+both+`}`)
	b.want("$expired", `{"channel":"two","reason":"operator"}`)
	one.wantAnswer(t, "POST", "/api/disconnect", fmt.Sprintf(`{"session":%q}`, guest.session.ID), 200, `{"sessions":1,`+both+`}`)
	guest.wantEnd()
	one.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m"}`, 200, `{"sessions":2,`+both+`}`)
	a.wantEnd()
	b.wantEnd()
	one.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m"}`, 404,
		`{"sessions":0,`+both+`,"error":{"code":"not_found","message":"there is no such session"}}`)

	if got := one.metric(t, "stream_messages_in_total"); got != 0 {
		t.Errorf("%v messages came to a node for which nothing was published but what nodes say", got)
	}

	// A node with another key is counted, and neither believed nor obeyed.
	const ask = `"error":{"code":"unavailable","message":"not every node has answered: ask again"}`
	stranger := startNodeWith(t, r, server.Config{NodeTimeout: time.Second}, "a key of somebody else")
	here, there := stranger.open(t, as(t, "m")), one.open(t, as(t, "m"))
	stranger.wantAnswer(t, "GET", "/api/channels", "", 200, `{"channels":[],"nodes":3,"answered":1}`)
	stranger.wantAnswer(t, "GET", "/api/channels/x", "", 503, `{"channel":"x","sessions":0,"members":0,"nodes":3,"answered":1,`+ask+`}`)
	stranger.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m"}`, 503, `{"sessions":1,"nodes":3,"answered":1,`+ask+`}`)
	here.wantEnd()
	there.hear("x") // is there still
}

// Without the key a node speaks for itself, says so, and believes nobody.
func TestOperatorsWithoutClusterKey(t *testing.T) {
	const alone = `"nodes":1,"answered":1,"alone":"other nodes are asked only with --cluster-key"`
	r := redistest.Start(t)
	one, two, with := startNode(t, r), startNode(t, r), startNode(t, r, clusterKey)
	a, b := one.open(t, as(t, "m")), two.open(t, as(t, "m"))
	a.hear("x")
	b.hear("x", "y")
	one.wantAnswer(t, "GET", "/api/channels", "", 200, `{"channels":[{"channel":"x","sessions":1}],`+alone+`}`)
	one.wantAnswer(t, "GET", "/api/channels/y", "", 404,
		`{"channel":"y","sessions":0,"members":0,`+alone+`,"error":{"code":"not_found","message":"nobody hears this channel"}}`)
	with.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m"}`, 404,
		`{"sessions":0,"nodes":1,"answered":1,"error":{"code":"not_found","message":"there is no such session"}}`)
	one.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m"}`, 200, `{"sessions":1,`+alone+`}`)
	a.wantEnd()
	redisPublish(t, r.Addr(), "sb:y", "1")
	b.want("y", "1")

	r.Kill()
	c := with.open(t, as(t, "m"))
	const away = `"nodes":1,"answered":1,"alone":"the broker cannot be reached"`
	const ask = `"error":{"code":"unavailable","message":"not every node has answered: ask again"}`
	with.wantAnswer(t, "GET", "/api/channels", "", 200, `{"channels":[],`+away+`}`)
	with.wantAnswer(t, "GET", "/api/members/nobody", "", 503, `{"member":"nobody","sessions":[],`+away+`,`+ask+`}`)
	with.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m"}`, 503, `{"sessions":1,`+away+`,`+ask+`}`)
	c.wantEnd()
}

// Who may publish may not thereby disconnect anybody, whatever they have heard,
// nor learn anything.
func TestPublishersAreNoOperators(t *testing.T) {
	r := redistest.Start(t)
	one, two := startNodeWith(t, r, server.Config{NodeTimeout: 2 * time.Second}, clusterKey), startNode(t, r, clusterKey)
	conn, err := redigo.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	spy := redigo.PubSubConn{Conn: conn}
	defer spy.Close()
	if err := spy.PSubscribe("sb:$*"); err != nil {
		t.Fatal(err)
	}
	if _, ok := spy.Receive().(redigo.Subscription); !ok {
		t.Fatal("PSUBSCRIBE was not confirmed")
	}
	two.open(t, as(t, "m"))
	// Redis counts the spy too, and nobody can tell it from a node that is slow.
	one.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m"}`, 503,
		`{"sessions":1,"nodes":3,"answered":2,"error":{"code":"unavailable","message":"not every node has answered: ask again"}}`)
	question, ok := spy.ReceiveWithTimeout(patience).(redigo.Message)
	if !ok || question.Channel != "sb:$nodes" || !strings.Contains(string(question.Data), `"kind":"disconnect"`) {
		t.Fatalf("the spy heard %s %s, want the question", question.Channel, question.Data)
	}
	answer, ok := spy.ReceiveWithTimeout(patience).(redigo.Message)
	if !ok || !strings.HasPrefix(answer.Channel, "sb:$node:") {
		t.Fatalf("the spy heard %s %s, want the answer", answer.Channel, answer.Data)
	}
	if err := spy.PUnsubscribe(); err != nil {
		t.Fatal(err)
	}
	if _, ok := spy.ReceiveWithTimeout(patience).(redigo.Subscription); !ok {
		t.Fatal("PUNSUBSCRIBE was not confirmed")
	}

	back := two.open(t, as(t, "m"))
	back.hear("x")
	before := one.metric(t, "stream_node_messages_refused_total") + two.metric(t, "stream_node_messages_refused_total")
	_, message, _ := strings.Cut(string(question.Data), `"message":`)
	later := strings.Replace(string(question.Data), `"id":"`, `"id":"A`, 1)
	sent := 0.0
	for _, m := range [][2]string{
		{"sb:$nodes", string(question.Data)}, // again
		{"sb:$nodes", strings.TrimSuffix(message, "}")},
		{"sb:$nodes", later},
		{"sb:$nodes", `{"mac":"","message":{"kind":"disconnect","body":{"member":"m"}}}`},
		{"sb:$nodes", "goal!"},
		{"sb:$nodes", ""},
		{answer.Channel, string(answer.Data)},
		{answer.Channel, string(question.Data)},
		{"sb:$gap", `{"channel":"x"}`},
	} {
		sent += float64(redisPublish(t, r.Addr(), m[0], m[1]))
	}
	eventually(t, "all of it is refused", func() bool {
		return one.metric(t, "stream_node_messages_refused_total")+two.metric(t, "stream_node_messages_refused_total") == before+sent
	})
	redisPublish(t, r.Addr(), "sb:x", "1")
	back.want("x", "1")
	one.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m"}`, 200, `{"sessions":1,`+both+`}`)
	back.wantEnd()
}

// The pages of a list that two nodes share are the whole list, also when an
// answer has room for little.
func TestPagesOfTwoNodes(t *testing.T) {
	r := redistest.Start(t)
	small := server.Config{MaxPublish: 1 << 10, NodeTimeout: patience}
	nodes := []*node{startNodeWith(t, r, small, clusterKey), startNodeWith(t, r, small, clusterKey)}
	want := map[string]int{}
	for i, n := range nodes {
		for range 2 {
			var tags []string
			for j := range 100 {
				tag := fmt.Sprintf("%s:%d", []string{"a", "é", "z"}[j%3], j+50*i)
				tags = append(tags, tag)
				want[tag]++
			}
			n.open(t, as(t, "m")).hear(tags...)
		}
	}
	for _, limit := range []int{7, 1000} {
		got := map[string]int{}
		for after, more := "", true; more; {
			_, text := nodes[0].operate(t, "GET", fmt.Sprintf("/api/channels?limit=%d&after=%s", limit, url.QueryEscape(after)), "")
			var answer struct {
				Channels []struct {
					Channel  string
					Sessions int
				}
				Next     string
				Answered int
			}
			if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Answered != 2 || len(answer.Channels) > limit {
				t.Fatalf("the page after %q is %.200s, %v", after, text, err)
			}
			for _, c := range answer.Channels {
				if c.Channel <= after {
					t.Fatalf("%q comes after %q", c.Channel, after)
				}
				after = c.Channel
				got[c.Channel] += c.Sessions
			}
			if more = answer.Next != ""; more && answer.Next != after {
				t.Fatalf("next is %q, and the last is %q", answer.Next, after)
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("by %d: %d channels, want %d, or others: %v", limit, len(got), len(want), slices.Sorted(maps.Keys(got)))
		}
	}
	sessions := 0
	for after, more := "", true; more; {
		_, text := nodes[0].operate(t, "GET", "/api/members/m?after="+after, "")
		var answer struct {
			Sessions []struct {
				ID       string
				Channels []string
				Omitted  int
			}
			Next     string
			Answered int
		}
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.Answered != 2 {
			t.Fatalf("the page after %q is %.200s, %v", after, text, err)
		}
		for _, s := range answer.Sessions {
			if len(s.Channels) == 0 || len(s.Channels)+s.Omitted != 100 || s.ID <= after {
				t.Fatalf("after %q comes session %s with %d channels and %d omitted, want 100 in all", after, s.ID, len(s.Channels), s.Omitted)
			}
			after = s.ID
			sessions++
		}
		more = answer.Next != ""
	}
	if sessions != 4 {
		t.Errorf("the member has %d sessions, want 4", sessions)
	}
}
