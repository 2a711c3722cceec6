package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// as is the options of a client that is this member.
func as(t *testing.T, member string) client.Options {
	t.Helper()
	claims := jwt.MapClaims{"sub": member, "exp": time.Now().Add(time.Hour).Unix()}
	return client.Options{Auth: map[string]any{"token": token(t, jwtKey, claims)}}
}

// operate sends a request of an operator, with headers in pairs, and returns the
// status and the answer.
func (n *node) operate(t *testing.T, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, n.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(answer))
}

// wantAnswer fails the test unless the operator gets this.
func (n *node) wantAnswer(t *testing.T, method, path, body string, status int, answer string) {
	t.Helper()
	if gotStatus, got := n.operate(t, method, path, body); gotStatus != status || got != answer {
		t.Errorf("%s %s %s = %d %s, want %d %s", method, path, body, gotStatus, got, status, answer)
	}
}

// wantEnd fails the test unless the client is disconnected next, and told so.
func (b *browser) wantEnd() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	e, err := b.Next(ctx)
	if !errors.Is(err, client.ErrClosed) || !strings.Contains(err.Error(), "the server disconnected us") {
		b.t.Fatalf("got event %s %s, %v; want to be disconnected", e.Name, e.Args, err)
	}
}

// lone is what every answer says of a server that has no other nodes.
const lone = `"nodes":1,"answered":1`

func startLone(t *testing.T) *node {
	t.Helper()
	return start(t, server.Config{Identity: tokens(), Redis: server.Redis{Embedded: true}})
}

func TestDisconnect(t *testing.T) {
	n := startLone(t)
	first, second, other := n.open(t, as(t, "m/7")), n.open(t, as(t, "m/7")), n.open(t, client.Options{})
	for _, b := range []*browser{first, second, other} {
		b.hear("x")
	}
	n.wantAnswer(t, "POST", "/api/disconnect", fmt.Sprintf(`{"session":%q}`, first.session.ID), 200, `{"sessions":1,`+lone+`}`)
	first.wantEnd()
	if got := redisPublish(t, n.broker, "sb:x", "1"); got != 2 {
		t.Errorf("PUBLISH reaches %d sessions after one of three was disconnected, want 2", got)
	}
	second.want("x", "1")
	other.want("x", "1")
	n.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m/7"}`, 200, `{"sessions":1,`+lone+`}`)
	second.wantEnd()
	const nobody = `{"sessions":0,` + lone + `,"error":{"code":"not_found","message":"there is no such session"}}`
	n.wantAnswer(t, "POST", "/api/disconnect", `{"member":"m/7"}`, 404, nobody)
	n.wantAnswer(t, "POST", "/api/disconnect", fmt.Sprintf(`{"session":%q}`, second.session.ID), 404, nobody)
	n.wantAnswer(t, "POST", "/api/disconnect", fmt.Sprintf(`{"member":%q}`, other.session.Member), 200, `{"sessions":1,`+lone+`}`)
	other.wantEnd()
	eventually(t, "both maps are empty", func() bool {
		heard, _ := n.Channels().Len()
		return n.Sessions().Len() == 0 && heard == 0
	})
}

// A session that polls is told by its next poll; nothing that was published
// after the answer is in it.
func TestDisconnectWhilePolling(t *testing.T) {
	n := startLone(t)
	path := "/socket.io/?EIO=4&transport=polling"
	_, open := n.operate(t, "GET", path, "")
	var handshake struct{ SID string }
	if err := json.Unmarshal([]byte(open[1:]), &handshake); err != nil {
		t.Fatal(err)
	}
	path += "&sid=" + handshake.SID
	for _, packet := range []string{"40", `42["subscribe","x"]`} {
		if status, answer := n.operate(t, "POST", path, packet); answer != "ok" {
			t.Fatalf("POST %s = %d %s", packet, status, answer)
		}
	}
	eventually(t, "the channel is heard", func() bool { return redisPublish(t, n.broker, "sb:x", `"before"`) == 1 })
	polled := ""
	eventually(t, "the message is polled", func() bool { // in the first answer, or the second
		_, answer := n.operate(t, "GET", path, "")
		polled += answer
		return strings.Contains(polled, `"before"`)
	})
	var session struct{ ID string }
	_, rest, _ := strings.Cut(polled, `42["$session",`)
	text, _, _ := strings.Cut(rest, "]")
	if err := json.Unmarshal([]byte(text), &session); err != nil {
		t.Fatalf("polls brought %q, %v", polled, err)
	}
	n.wantAnswer(t, "POST", "/api/disconnect", fmt.Sprintf(`{"session":%q}`, session.ID), 200, `{"sessions":1,`+lone+`}`)
	if got := redisPublish(t, n.broker, "sb:x", `"after"`); got != 0 {
		t.Errorf("PUBLISH after the answer reaches %d sessions, want 0", got)
	}
	n.wantAnswer(t, "POST", "/api/disconnect", fmt.Sprintf(`{"session":%q}`, session.ID), 404,
		`{"sessions":0,`+lone+`,"error":{"code":"not_found","message":"there is no such session"}}`)
	_, last := n.operate(t, "GET", path, "")
	_, end := n.operate(t, "GET", path, "")
	if !strings.HasPrefix(last, "41") || strings.Contains(last+end, "after") {
		t.Errorf("the last polls brought %q and %q, want DISCONNECT and no message", last, end)
	}
}

func TestUnsubscribeByOperator(t *testing.T) {
	n := startLone(t)
	a, b := n.open(t, as(t, "m")), n.open(t, client.Options{Version: packet.V3, Auth: as(t, "m").Auth})
	a.hear("zimmer/é", "y")
	b.hear("y")
	n.wantAnswer(t, "POST", "/api/unsubscribe", `{"member":"m","channel":"zimmer/é"}`, 200, `{"sessions":1,`+lone+`}`)
	a.want("$expired", `{"channel":"zimmer/é","reason":"operator"}`)
	n.wantAnswer(t, "POST", "/api/unsubscribe", `{"member":"m","channel":"zimmer/é"}`, 200, `{"sessions":0,`+lone+`}`)
	n.wantAnswer(t, "POST", "/api/unsubscribe", `{"member":"m","channel":"y"}`, 200, `{"sessions":2,`+lone+`}`)
	a.want("$expired", `{"channel":"y","reason":"operator"}`)
	b.want("$expired", `{"channel":"y","reason":"operator"}`)
	n.wantAnswer(t, "POST", "/api/unsubscribe", `{"member":"nobody","channel":"y"}`, 404,
		`{"sessions":0,`+lone+`,"error":{"code":"not_found","message":"there is no such session"}}`)
	if got := redisPublish(t, n.broker, "sb:y", "1"); got != 0 {
		t.Errorf("PUBLISH reaches %d sessions after all were unsubscribed, want 0", got)
	}
	a.hear("y") // it is no ban
	redisPublish(t, n.broker, "sb:y", "2")
	a.want("y", "2")
}

// Who is where, and the tags and ids that do not look like a part of a path.
func TestWhoIsThere(t *testing.T) {
	n := startLone(t)
	names := []string{"zimmer/é", "a%2Fb", "a/b", "user#42", "what?", "..", "<b>&'\"", "chat room"}
	m, same, guest := n.open(t, as(t, "auth0|a/b%?#")), n.open(t, as(t, "auth0|a/b%?#")), n.open(t, client.Options{})
	m.hear(names...)
	same.hear(names[0])
	guest.hear(names[:2]...)
	for i, tag := range names {
		sessions, members := 1, 1
		switch i {
		case 0:
			sessions = 3
		case 1:
			sessions = 2
		}
		escaped := strings.ReplaceAll(url.PathEscape(tag), ".", "%2E")
		status, answer := n.operate(t, "GET", "/api/channels/"+escaped, "")
		var got struct {
			Channel           string
			Sessions, Members int
		}
		if err := json.Unmarshal([]byte(answer), &got); err != nil || status != 200 ||
			got.Channel != tag || got.Sessions != sessions || got.Members != members {
			t.Errorf("GET /api/channels/%s = %d %s, want %d sessions and %d member", escaped, status, answer, sessions, members)
		}
	}
	n.wantAnswer(t, "GET", "/api/channels/nobody", "", 404,
		`{"channel":"nobody","sessions":0,"members":0,`+lone+`,"error":{"code":"not_found","message":"nobody hears this channel"}}`)

	slices.Sort(names)
	type session struct {
		ID, Transport, Node string
		Protocol            int
		Channels            []string
	}
	var answer struct {
		Member   string
		Sessions []session
		Next     string
	}
	for _, tt := range []struct {
		member, query string
		sessions      []session
		more          bool
	}{
		{"auth0|a/b%?#", "", []session{{ID: m.session.ID, Channels: names}, {ID: same.session.ID, Channels: []string{"zimmer/é"}}}, false},
		{guest.session.Member, "", []session{{ID: guest.session.ID, Channels: []string{"a%2Fb", "zimmer/é"}}}, false},
		{"auth0|a/b%?#", "?after=~", nil, false},
	} {
		slices.SortFunc(tt.sessions, func(a, b session) int { return strings.Compare(a.ID, b.ID) })
		status, text := n.operate(t, "GET", "/api/members/"+url.PathEscape(tt.member)+tt.query, "")
		if err := json.Unmarshal([]byte(text), &answer); err != nil || status != 200 || answer.Member != tt.member || len(answer.Sessions) != len(tt.sessions) {
			t.Fatalf("GET /api/members/%s = %d %s, %v; want %d sessions", tt.member, status, text, err, len(tt.sessions))
		}
		for i, got := range answer.Sessions {
			if want := tt.sessions[i]; got.ID != want.ID || got.Transport != "websocket" || got.Protocol != 4 || got.Node == "" || !slices.Equal(got.Channels, want.Channels) {
				t.Errorf("session %d of %s is %+v, want %+v", i, tt.member, got, want)
			}
		}
	}
	n.wantAnswer(t, "GET", "/api/members/nobody", "", 404,
		`{"member":"nobody","sessions":[],`+lone+`,"error":{"code":"not_found","message":"there is no such member"}}`)
	n.wantAnswer(t, "GET", "/api/members/guest:nobody", "", 404,
		`{"member":"guest:nobody","sessions":[],`+lone+`,"error":{"code":"not_found","message":"there is no such member"}}`)

	// A guest that becomes a member is found as that, and a member by one name only.
	guest.call("identify", as(t, "late").Auth["token"])
	for member, want := range map[string]int{"late": 200, guest.session.Member: 404} {
		if status, text := n.operate(t, "GET", "/api/members/"+member, ""); status != want {
			t.Errorf("GET /api/members/%s after identify = %d %s, want %d", member, status, text, want)
		}
	}
	guest.call("identify", as(t, "later").Auth["token"])
	n.wantAnswer(t, "POST", "/api/disconnect", `{"member":"late"}`, 404,
		`{"sessions":0,`+lone+`,"error":{"code":"not_found","message":"there is no such session"}}`)
}

func TestPages(t *testing.T) {
	n := startLone(t)
	a, b := n.open(t, as(t, "m")), n.open(t, as(t, "m"))
	a.hear("a", "b:1", "b:2", "b:3", "c")
	b.hear("b:2")
	n.wantAnswer(t, "GET", "/api/channels", "", 200, `{"channels":[{"channel":"a","sessions":1},{"channel":"b:1","sessions":1},`+
		`{"channel":"b:2","sessions":2},{"channel":"b:3","sessions":1},{"channel":"c","sessions":1}],`+lone+`}`)
	n.wantAnswer(t, "GET", "/api/channels?prefix=b:&limit=2", "", 200, `{"channels":[{"channel":"b:1","sessions":1},`+
		`{"channel":"b:2","sessions":2}],"next":"b:2",`+lone+`}`)
	n.wantAnswer(t, "GET", "/api/channels?prefix=b:&limit=2&after=b:2", "", 200, `{"channels":[{"channel":"b:3","sessions":1}],`+lone+`}`)
	n.wantAnswer(t, "GET", "/api/channels?prefix=z", "", 200, `{"channels":[],`+lone+`}`)
	ids := []string{a.session.ID, b.session.ID}
	slices.Sort(ids)
	after := ""
	for i := range ids {
		var answer struct {
			Sessions []struct{ ID string }
			Next     string
		}
		_, text := n.operate(t, "GET", "/api/members/m?limit=1&after="+after, "")
		if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Sessions) != 1 || answer.Sessions[0].ID != ids[i] || (answer.Next == "") != (i == 1) {
			t.Fatalf("page %d of the member is %s, want session %s", i, text, ids[i])
		}
		after = answer.Next
	}
}
