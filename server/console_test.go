package server_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
)

// A view is what the console is answered.
type view struct {
	Self string
	On   []struct {
		Node        string
		Kinds       []struct{ Protocol, Sessions int }
		Members     int
		Channels    int
		MessagesIn  int `json:"messages_in"`
		MessagesOut int `json:"messages_out"`
		Broker      bool
		Delivered   [][2]float64
		Ended       []struct {
			Reason   string
			Sessions int
		}
	}
	Heard, Busy []struct {
		Channel  string
		Sessions int
		Rate     float64
	}
	Nodes, Answered int
}

// console asks for it.
func (n *node) console(t *testing.T, query string) (v view) {
	t.Helper()
	status, answer := n.operate(t, "GET", "/api/console"+query, "")
	if err := json.Unmarshal([]byte(answer), &v); err != nil || status != 200 {
		t.Fatalf("GET /api/console%s = %d %s, %v", query, status, answer, err)
	}
	return v
}

func TestConsole(t *testing.T) {
	n := startLone(t)
	member, guest, other := n.open(t, as(t, "m")), n.open(t, client.Options{}), n.open(t, client.Options{})
	member.hear("few", "all")
	guest.hear("all")
	for range 3 {
		redisPublish(t, n.broker, "sb:few", "1")
	}
	redisPublish(t, n.broker, "sb:all", "1")
	other.Close()
	eventually(t, "the console shows all of it", func() bool {
		v := n.console(t, "")
		on := v.On[0]
		return len(v.On) == 1 && on.Node == v.Self && v.Nodes == 1 && v.Answered == 1 && on.Broker &&
			len(on.Kinds) == 1 && on.Kinds[0].Protocol == 4 && on.Kinds[0].Sessions == 2 && on.Members == 1 && on.Channels == 2 &&
			len(on.Delivered) > 9 && slices.Equal(on.Delivered[len(on.Delivered)-1:], [][2]float64{{-1, 4}}) &&
			on.MessagesIn == 4 && on.MessagesOut == 5 && len(on.Ended) == 1 && on.Ended[0].Sessions == 1 &&
			len(v.Heard) == 2 && v.Heard[0].Channel == "all" && v.Heard[0].Sessions == 2 && v.Heard[1].Sessions == 1 &&
			len(v.Busy) == 2 && v.Busy[0].Channel == "few" && v.Busy[0].Rate == 0.3 && v.Busy[1].Rate == 0.1
	})
}

func TestConsoleOfNodes(t *testing.T) {
	r := redistest.Start(t)
	one, two := startNode(t, r, clusterKey), startNode(t, r, clusterKey)
	a, b := one.open(t, client.Options{}), two.open(t, client.Options{})
	a.hear("both")
	b.hear("both", "two")
	redisPublish(t, r.Addr(), "sb:both", "1")
	eventually(t, "each node shows both", func() bool {
		v := one.console(t, "")
		return len(v.On) == 2 && v.On[0].Node < v.On[1].Node && v.Nodes == 2 && v.Answered == 2 &&
			len(v.Heard) == 2 && v.Heard[0].Channel == "both" && v.Heard[0].Sessions == 2 &&
			len(v.Busy) == 1 && v.Busy[0].Sessions == 2 && v.Busy[0].Rate == 0.1 // not twice: both heard the same message
	})
	if v := two.console(t, "?of=node"); len(v.On) != 1 || v.On[0].Node != v.Self || v.Nodes != 1 || v.On[0].Kinds[0].Sessions != 1 {
		t.Errorf("of=node: %+v, want the node that was asked alone", v)
	}
	status, answer := one.operate(t, "GET", "/api/sessions/"+b.session.ID, "")
	want := fmt.Sprintf(`{"member":%q,"session":{"id":%q,"transport":"websocket","protocol":4,"channels":["both","two"],"node":`, b.session.Member, b.session.ID)
	if status != 200 || !strings.HasPrefix(answer, want) {
		t.Errorf("a session of another node is %d %s, want %s", status, answer, want)
	}
	one.wantAnswer(t, "GET", "/api/sessions/nobody", "", 404, `{`+both+`,"error":{"code":"not_found","message":"there is no such session"}}`)
}

// However long the names are and however many there are, the answer is short.
func TestConsoleIsBounded(t *testing.T) {
	n := start(t, server.Config{Redis: server.Redis{Embedded: true}, MaxPublish: 4 << 10})
	b := n.open(t, client.Options{})
	for i := range 100 {
		tag := fmt.Sprintf("%03d%s", i, strings.Repeat("<", 250)) // six bytes of JSON each
		b.hear(tag)
		redisPublish(t, n.broker, "sb:"+tag, "1")
	}
	_, answer := n.operate(t, "GET", "/api/console", "")
	if v := n.console(t, ""); len(answer) > 32<<10 || len(v.Heard) == 0 || len(v.Heard) > 10 || len(v.Busy) == 0 || len(v.Busy) > 10 || v.On[0].Channels != 100 {
		t.Errorf("the answer has %d bytes, %d and %d channels", len(answer), len(v.Heard), len(v.Busy))
	}
}

// What the console asks takes the operator key, if there is one, and else this machine.
func TestConsoleKeys(t *testing.T) {
	open, locked := startLone(t), start(t, server.Config{OperatorKeys: []string{"operator"}})
	for _, path := range []string{"/api/console", "/api/sessions/x", "/api/channels/x/sessions"} {
		for _, tt := range []struct {
			name    string
			n       *node
			headers []string
			refused int
		}{
			{"this machine", open, nil, 0},
			{"another name", open, []string{"Host", "foreign.example"}, 403},
			{"another origin", open, []string{"Origin", "https://foreign.example"}, 403},
			{"no key", locked, nil, 401},
			{"a wrong key", locked, []string{"Authorization", "Bearer x"}, 401},
			{"the key", locked, []string{"Authorization", "Bearer operator"}, 0},
		} {
			if status, answer := tt.n.operate(t, "GET", path, "", tt.headers...); status != tt.refused && (tt.refused != 0 || status == 401 || status == 403) {
				t.Errorf("%s: GET %s = %d %s, want %d", tt.name, path, status, answer, tt.refused)
			}
		}
	}
}

func TestNoConsole(t *testing.T) {
	n := start(t, server.Config{NoConsole: true})
	for path, want := range map[string]int{
		"/": 404, "/console/page.js": 404, "/console/": 404, "/api/console": 404, "/sb.js": 200, "/api/stats": 200,
	} {
		if status, _ := n.get(path); status != want {
			t.Errorf("GET %s = %d, want %d", path, status, want)
		}
	}
}

// The pages of a channel are its sessions, each once.
func TestSessionsOfAChannel(t *testing.T) {
	n := startLone(t)
	var want []string
	for i := range 25 {
		opts := client.Options{}
		if i == 0 {
			opts = as(t, "m")
		}
		b := n.open(t, opts)
		b.hear("x")
		want = append(want, b.session.ID+" "+b.session.Member)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 7, 25, 100} {
		var got []string
		for after, pages := "", 0; ; pages++ {
			status, answer := n.operate(t, "GET", fmt.Sprintf("/api/channels/x/sessions?limit=%d&after=%s", limit, after), "")
			var page struct {
				Total    int
				Sessions []struct{ ID, Member string }
				Next     string
			}
			if err := json.Unmarshal([]byte(answer), &page); err != nil || status != 200 || page.Total != 25 || len(page.Sessions) > limit || pages > 25 {
				t.Fatalf("page %d of %d = %d %s, %v", pages, limit, status, answer, err)
			}
			for _, s := range page.Sessions {
				got = append(got, s.ID+" "+s.Member)
			}
			if after = page.Next; after == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d have %d sessions, want the %d in order", limit, len(got), len(want))
		}
	}
	n.wantAnswer(t, "GET", "/api/channels/nobody/sessions", "", 404,
		`{"channel":"nobody","total":0,"sessions":[],`+lone+`,"error":{"code":"not_found","message":"nobody hears this channel"}}`)
	for _, path := range []string{"/api/channels/%24nodes/sessions", "/api/channels/x/sessions?limit=0", "/api/channels/x/sessions?prefix=a", "/api/sessions/%ff"} {
		if status, answer := n.operate(t, "GET", path, ""); status != 400 {
			t.Errorf("GET %s = %d %s, want 400", path, status, answer)
		}
	}
}
