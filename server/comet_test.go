package server_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/leaktest"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/engineio/packet"
	"github.com/sb-stream/stream-server/server/identity"
)

// The main job: what a web server publishes with Redis' PUBLISH reaches those
// who hear the channel, in both versions of the protocol.
func TestPublishReachesSubscribers(t *testing.T) {
	n := start(t, server.Config{})
	if got := redisPublish(t, n.broker, "sb:score", "0"); got != 0 {
		t.Errorf("PUBLISH to nobody = %d, want 0", got)
	}
	a := n.open(t, client.Options{})
	b := n.open(t, client.Options{Version: packet.V3})
	ack := a.call("subscribe", "score")
	entry, ok := ack.Channels["score"]
	if !ack.OK || !ok || entry.Position == "" || entry.Recovered == nil || *entry.Recovered || entry.Replayed == nil || entry.Live != nil {
		t.Errorf("subscribe = %+v, want ok with position, recovered false, replayed 0", ack)
	}
	b.hear("score", "chat room", "zimmer/é")
	if got := redisPublish(t, n.broker, "sb:score", `{"goal":1}`); got != 2 {
		t.Errorf("PUBLISH to two = %d, want 2", got)
	}
	a.want("score", `{"goal":1}`)
	b.want("score", `{"goal":1}`)
	if got := redisPublish(t, n.broker, "sb:zimmer/é", `{"a":"é😀"}`); got != 1 {
		t.Errorf("PUBLISH to one = %d, want 1", got)
	}
	// In ASCII for this version, PROTOCOL.md 3.4.
	b.want("zimmer/é", `{"a":"\u00e9\ud83d\ude00"}`)
	if got := redisPublish(t, n.broker, "score", "1"); got != 0 {
		t.Errorf("PUBLISH without the prefix = %d, want 0", got)
	}
}

// What is no JSON becomes a JSON string, and nothing that is published can
// break out of its packet.
func TestDataIsJSON(t *testing.T) {
	n := start(t, server.Config{})
	a := n.open(t, client.Options{})
	a.hear("x")
	for _, tt := range []struct{ data, want string }{
		{`{"big":12345678901234567890,"s":"\u00e9"}`, `{"big":12345678901234567890,"s":"\u00e9"}`},
		{"42", "42"},
		{"null", "null"},
		{"goal!", `"goal!"`},
		{"", `""`},
		{"a\x1e42[\"x\",1]", `"a\u001e42[\"x\",1]"`},
		{"\"\xff\"", `"\"` + `\ufffd` + `\""`},
		{"{\"a\":1}\n", "{\"a\":1}\n"},
	} {
		redisPublish(t, n.broker, "sb:x", tt.data)
		if e := a.next(); strings.TrimSpace(string(e.Args[0])) != strings.TrimSpace(tt.want) {
			t.Errorf("published %q, got %s, want %s", tt.data, e.Args[0], tt.want)
		}
	}
}

func TestSubscribeErrors(t *testing.T) {
	n := start(t, server.Config{MaxChannels: 3})
	a := n.open(t, client.Options{})
	for _, tt := range []struct {
		name    string
		args    []any
		code    string
		channel string
	}{
		{"nothing", nil, "bad_request", ""},
		{"null", []any{nil}, "bad_request", ""},
		{"a number", []any{7}, "bad_request", ""},
		{"an empty list", []any{[]string{}}, "bad_request", ""},
		{"a list of numbers", []any{[]int{1}}, "bad_request", ""},
		{"an empty name", []any{""}, "bad_channel", ""},
		{"an event of ours", []any{"$session"}, "bad_channel", "$session"},
		{"a reserved event", []any{"disconnect"}, "bad_channel", "disconnect"},
		{"one bad of two", []any{[]string{"good", "a,b"}}, "bad_channel", "a,b"},
		{"too many", []any{[]string{"a", "b", "c", "d"}}, "too_many_channels", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ack := a.call("subscribe", tt.args...)
			if ack.OK || ack.Error == nil || ack.Error.Code != tt.code || ack.Error.Channel != tt.channel || ack.Error.Message == "" {
				t.Errorf("subscribe(%v) = %+v, want error %s about %q", tt.args, ack, tt.code, tt.channel)
			}
		})
	}
	if heard, _ := n.Channels().Len(); heard != 0 {
		t.Errorf("%d channels are heard after errors alone, want 0", heard)
	}
	a.hear("a", "b")
	a.hear("a") // again is no third channel
	a.hear("c")
	if ack := a.call("subscribe", "d"); ack.Error == nil || ack.Error.Code != "too_many_channels" {
		t.Errorf("the fourth channel = %+v, want too_many_channels", ack)
	}
	a.call("unsubscribe", "a")
	a.hear("d")
}

// The original's way: socket.send(channel), without an ack.
func TestSendSubscribes(t *testing.T) {
	n := start(t, server.Config{})
	a := n.open(t, client.Options{})
	if err := a.Emit("message", "score"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the channel is heard", func() bool { return redisPublish(t, n.broker, "sb:score", "1") == 1 })
	a.want("score", "1")
}

// Both maps, read before and after each step.
func TestTheTwoMaps(t *testing.T) {
	n := start(t, server.Config{})
	expect := func(step string, sessions, channels, clients int) {
		t.Helper()
		eventually(t, "the maps are as after "+step, func() bool {
			heard, _ := n.Channels().Len()
			return n.Sessions().Len() == sessions && heard == channels && n.Channels().Clients("x") == clients
		})
	}
	expect("the start", 0, 0, 0)
	a, b := n.open(t, client.Options{}), n.open(t, client.Options{})
	expect("two connects", 2, 0, 0)
	a.hear("x", "y")
	b.hear("x")
	expect("three subscribes", 2, 2, 2)
	if _, ok := n.Sessions().Find(a.session.ID); !ok {
		t.Errorf("the map of sessions does not hold %q, the id in $session", a.session.ID)
	}
	redisPublish(t, n.broker, "sb:x", "1")
	expect("a publish", 2, 2, 2)
	a.call("unsubscribe", []string{"y", "never heard"})
	expect("an unsubscribe", 2, 1, 2)
	a.Close()
	expect("a disconnect", 1, 1, 1)
	b.Close()
	expect("everybody has left", 0, 0, 0)
}

func token(t *testing.T, key string, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestWhoYouAre(t *testing.T) {
	const key = "0123456789abcdef"
	n := start(t, server.Config{Identity: identity.Config{Keys: [][]byte{[]byte(key)}}})
	later := time.Now().Add(time.Hour).Unix()
	good := token(t, key, jwt.MapClaims{"sub": "member-7", "exp": later})

	for _, version := range []packet.Version{packet.V3, packet.V4} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			member := n.open(t, client.Options{Version: version, Auth: map[string]any{"token": good}})
			if s := member.session; s.Member != "member-7" || s.Guest != "" || len(s.ID) < 22 {
				t.Errorf("$session of a member = %+v, want member-7, no guest, an id", s)
			}
			guest := n.open(t, client.Options{Version: version})
			if s := guest.session; !strings.HasPrefix(s.Member, "guest:") || len(s.Member) < 28 || s.Guest == "" {
				t.Errorf("$session of a guest = %+v, want a random id and a token", s)
			}
			again := n.open(t, client.Options{Version: version, Auth: map[string]any{"guest": guest.session.Guest}})
			if again.session.Member != guest.session.Member || again.session.ID == guest.session.ID {
				t.Errorf("the guest came back as %+v, was %+v: want the same member, another session", again.session, guest.session)
			}
			forged := n.open(t, client.Options{Version: version, Auth: map[string]any{"guest": guest.session.Member + ".AAAA"}})
			if forged.session.Member == guest.session.Member {
				t.Error("a forged guest token was believed")
			}
			for _, tt := range []struct{ name, token, code string }{
				{"garbage", "abc", "bad_token"},
				{"another key", token(t, "another key of 32 bytes or so ...", jwt.MapClaims{"sub": "x", "exp": later}), "bad_token"},
				{"expired", token(t, key, jwt.MapClaims{"sub": "x", "exp": later - 7200}), "expired"},
				{"without exp", token(t, key, jwt.MapClaims{"sub": "x"}), "bad_token"},
				{"without sub", token(t, key, jwt.MapClaims{"exp": later}), "bad_token"},
				{"as a guest", token(t, key, jwt.MapClaims{"sub": "guest:x", "exp": later}), "bad_token"},
				{"alg none", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ.", "bad_token"},
				{"too long", strings.Repeat("a", 8<<10) + "a", "bad_token"},
			} {
				if tt.name == "too long" && version == packet.V3 {
					continue // the URL is refused before
				}
				_, err := client.Dial(t.Context(), n.url, client.Options{Version: version, Auth: map[string]any{"token": tt.token}})
				if got := refusal(t, err); got != tt.code {
					t.Errorf("a token that is %s: code %q, want %q", tt.name, got, tt.code)
				}
			}
		})
	}
	guest := n.open(t, client.Options{})
	guest.hear("x")
	if ack := guest.call("identify", "abc"); ack.OK || ack.Error.Code != "bad_token" {
		t.Errorf("identify with garbage = %+v, want bad_token", ack)
	}
	if ack := guest.call("identify", good); !ack.OK {
		t.Errorf("identify = %+v, want ok", ack)
	}
	guest.want("$session", fmt.Sprintf(`{"id":%q,"member":"member-7"}`, guest.session.ID))
	redisPublish(t, n.broker, "sb:x", "1")
	guest.want("x", "1") // it hears on
}

// 500 clients connect, subscribe and leave, again and again; nothing is left.
func TestChurn(t *testing.T) {
	const clients, rounds = 500, 20
	n := start(t, server.Config{})
	for round := range rounds {
		var wg sync.WaitGroup
		for i := range clients {
			wg.Go(func() {
				conn, err := client.Dial(t.Context(), n.url, client.Options{})
				if err != nil {
					t.Errorf("round %d: %v", round, err)
					return
				}
				defer conn.Close()
				tags := []string{"all", fmt.Sprint("own:", i)}
				if _, err := conn.Call(t.Context(), "subscribe", tags); err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		eventually(t, "both maps are empty", func() bool {
			heard, lingering := n.Channels().Len()
			return n.Sessions().Len() == 0 && heard == 0 && lingering == 0
		})
	}
	if got := redisPublish(t, n.broker, "sb:all", "1"); got != 0 {
		t.Errorf("PUBLISH after everybody has left = %d, want 0", got)
	}
	n.stop()
	http.DefaultClient.CloseIdleConnections()
	if left := leaktest.Left(); left != "" {
		t.Errorf("goroutines left behind:\n%s", left)
	}
}
