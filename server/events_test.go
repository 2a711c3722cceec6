package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/engineio"
)

// Streams get messages, each once and in order, with one socket layer and the
// other, and go on where they stood.
func TestEvents(t *testing.T) {
	for _, sockets := range []string{engineio.SocketsEpoll, engineio.SocketsGoroutine} {
		t.Run(sockets, func(t *testing.T) {
			n := start(t, server.Config{Sockets: sockets, Linger: time.Minute, PingInterval: 50 * time.Millisecond})
			publish := func(list ...string) {
				for _, one := range list {
					tag, data, _ := strings.Cut(one, " ")
					redisPublish(t, n.broker, "sb:"+tag, data)
				}
			}
			one := n.listen(t, "feed:a").hears()
			several := n.listen(t, "feed:a,zimmer%2F%C3%A9?channel=%F0%9F%98%80").hears()
			named := n.listen(t, "feed:a?named").hears()
			browser := n.open(t, client.Options{})
			browser.hear("feed:a")

			publish("feed:a {\"x\":\n1}", "feed:a [2,\r\n\t3]", "zimmer/é no JSON: 1\n2", "😀 4")
			one.want(`{"x": 1}`, "[2,  \t3]")
			named.want(`feed:a {"x": 1}`, "feed:a [2,  \t3]")
			several.want(`feed:a {"x": 1}`, "feed:a [2,  \t3]", `zimmer/é "no JSON: 1\n2"`, "😀 4")
			browser.want("feed:a", "{\"x\":\n1}")

			// Away, and back with what the last event said.
			positions := []string{one.id, several.id}
			one.closed()
			several.closed()
			eventually(t, "they are gone", func() bool { return n.Sessions().Len() == 2 })
			publish("feed:a 5", "😀 6", "zimmer/é 7", "feed:a 8")
			one = n.listen(t, "feed:a?since=none", "Last-Event-ID", positions[0]) // which counts for more
			one.want("5", "8")
			several = n.listen(t, "%F0%9F%98%80,zimmer%2F%C3%A9,feed:a?since="+positions[1])
			got := map[string]bool{}
			for range 4 {
				e := several.next()
				got[e.name+" "+e.data] = true
			}
			if len(got) != 4 || !got["feed:a 5"] || !got["😀 6"] || !got["zimmer/é 7"] || !got["feed:a 8"] {
				t.Fatalf("it got %v, want the four that it missed", got)
			}
			if one.hears(); len(one.gaps) > 0 || !*one.live.Channels["feed:a"].Recovered || *one.live.Channels["feed:a"].Replayed != 2 {
				t.Errorf("it was told %+v, want that it has missed nothing", one.live)
			}
			if several.hears(); len(several.gaps) > 0 {
				t.Errorf("it was told %v, want no gap", several.gaps)
			}
			publish("feed:a 9")
			one.want("9")
			several.want("feed:a 9")

			// What says nothing of these channels, or nothing at all.
			for _, at := range []string{positions[1], "nonsense", strings.Repeat("x", 4<<10)} {
				s := n.listen(t, "feed:a,feed:b", "Last-Event-ID", at).hears()
				if len(s.gaps) != 2 || s.gaps[0].data != `{"channel":"feed:a","reason":"not_recovered"}` {
					t.Errorf("after %.20s it was told %v, want a gap of both", at, s.gaps)
				}
				s.closed()
			}
		})
	}
}

// A stream that breaks anywhere in what it is replayed has an id with which
// nothing is missed, and nothing comes twice.
func TestEventsBrokenAnywhere(t *testing.T) {
	n := start(t, server.Config{Linger: time.Minute})
	s := n.listen(t, "a,b,c").hears()
	s.closed()
	var all []string
	for i := range 12 {
		tag := string("cab"[i%3])
		redisPublish(t, n.broker, "sb:"+tag, fmt.Sprint(i))
		all = append(all, fmt.Sprint(tag, " ", i))
	}
	for cut := range len(all) {
		got := map[string]int{}
		id := s.id
		for i, count := range []int{cut, len(all) - cut} {
			part := n.listen(t, "a,b,c", "Last-Event-ID", id)
			for range count {
				e := part.next()
				got[e.name+" "+e.data]++
				id = e.id
			}
			if i == 1 {
				if part.hears(); len(part.gaps) > 0 {
					t.Fatalf("cut after %d it was told %v", cut, part.gaps)
				}
			}
			part.closed()
		}
		for _, one := range all {
			if got[one] != 1 {
				t.Fatalf("cut after %d it got %v", cut, got)
			}
		}
	}
}

// A listener that may not is told why, at no cost to anybody.
func TestEventsRefused(t *testing.T) {
	n := start(t, server.Config{
		Identity: tokens(), MaxSessions: 3, MaxPerMember: 1, MaxPerAddress: 2, MaxChannels: 4, Origins: []string{"https://app.example"},
	})
	later := time.Now().Add(time.Hour)
	ann := granted(t, "ann", later, "private:a")
	many := strings.TrimSuffix(strings.Repeat("a,", 5), ",")
	for _, tt := range []struct {
		name, method, path string
		headers            []string
		status             int
		code               string
	}{
		{"no channel's name", "GET", "%24gap", nil, 400, "bad_channel"},
		{"an empty one among others", "GET", "a,,b", nil, 400, "bad_channel"},
		{"too many", "GET", many, nil, 400, "too_many_channels"},
		{"a bad query", "GET", "a?since=%zz", nil, 400, "bad_request"},
		{"private", "GET", "a,private:a", nil, 403, "forbidden"},
		{"another member's", "GET", "member:bob?token=" + ann, nil, 403, "forbidden"},
		{"a bad token", "GET", "a?token=x", nil, 401, "bad_token"},
		{"an expired one", "GET", "a", []string{"Authorization", "Bearer " + granted(t, "ann", time.Now().Add(-time.Hour))}, 401, "expired"},
		{"a foreign page", "GET", "a", []string{"Origin", "https://evil.example"}, 403, ""},
		{"a foreign page's image", "GET", "a", []string{"Sec-Fetch-Site", "cross-site"}, 403, ""},
		{"POST", "POST", "a", nil, 405, "bad_request"},
		{"its own channel", "HEAD", "private:a,member:ann?token=" + ann, nil, 200, ""},
		{"a listed page", "HEAD", "a", []string{"Origin", "https://app.example"}, 200, ""},
		{"its question before", "OPTIONS", "a", []string{"Origin", "https://app.example"}, 204, ""},
		{"a refused page's question", "OPTIONS", "a", []string{"Origin", "https://evil.example"}, 403, ""},
	} {
		for _, path := range []string{"/events/", "/poll/"} {
			resp := n.request(t, tt.method, path+tt.path, tt.headers...)
			text, _ := io.ReadAll(resp.Body)
			var body struct{ Error struct{ Code string } }
			_ = json.Unmarshal(text, &body)
			if resp.StatusCode != tt.status || body.Error.Code != tt.code {
				t.Errorf("%s%s: %d %s, want %d %s", path, tt.name, resp.StatusCode, text, tt.status, tt.code)
			}
			if allowed := resp.Header.Get("Access-Control-Allow-Origin"); (allowed == "https://app.example") != (strings.Contains(tt.name, "listed") || tt.status == 204) {
				t.Errorf("%s%s: allowed is %q", path, tt.name, allowed)
			}
		}
	}
	if got := n.Sessions().Len(); got != 0 {
		t.Errorf("%d sessions are left, want none", got)
	}

	first := n.listen(t, "a", "Authorization", "Bearer "+ann).hears()
	limited := func(what string, path string, status int, code, wait string, headers ...string) {
		t.Helper()
		resp := n.request(t, "GET", path, headers...)
		text, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status || !strings.Contains(string(text), code) || resp.Header.Get("Retry-After") != wait {
			t.Errorf("%s: %d %v %s, want %d %s", what, resp.StatusCode, resp.Header, text, status, code)
		}
	}
	limited("the member's second", "/events/a?token="+ann, 429, `"rate_limited"`, "10")
	limited("the member's second, of a poll", "/poll/a?token="+ann, 429, `"rate_limited"`, "10")
	limited("one that would not come back", "/events/a?token="+ann, 200, "event: $error\ndata: {\"code\":\"rate_limited\"", "", "Accept", "text/event-stream")
	second := n.listen(t, "a")
	limited("the address's third", "/events/a", 429, `"rate_limited"`, "10")
	first.closed()
	second.closed()
	eventually(t, "there is room again", func() bool {
		status, _ := n.operate(t, "GET", "/api/members/ann", "")
		return n.Sessions().Len() == 0 && status == http.StatusNotFound
	})
	n.listen(t, "a", "Authorization", "Bearer "+ann).hears()
}

// A server that is full says so.
func TestEventsFull(t *testing.T) {
	n := start(t, server.Config{MaxSessions: 1})
	n.listen(t, "a")
	resp := n.request(t, "GET", "/events/a")
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || !strings.Contains(string(text), `"unavailable"`) {
		t.Errorf("the second: %d %s, want 503 unavailable", resp.StatusCode, text)
	}
}

// A token that expires ends what is private and nothing else.
func TestEventsExpire(t *testing.T) {
	n := start(t, server.Config{Identity: tokens()})
	exp := time.Now().Add(2 * time.Second)
	s := n.listen(t, "feed,private:a?token="+granted(t, "7", exp, "private:a")).hears()
	p := make(chan string, 1)
	go func() { // ends with the poll
		resp := n.request(t, "GET", "/poll/private:a?since="+s.live.Channels["private:a"].Position+"&token="+granted(t, "7", exp, "private:a"))
		text, _ := io.ReadAll(resp.Body)
		p <- string(text)
	}()
	if e := s.next(); e.name != "$session" || !strings.Contains(e.data, `"expired":true`) {
		t.Errorf("got %+v, want to be told of the end of the token", e)
	}
	for e := s.next(); e.name != "$expired"; e = s.next() {
		if e.name != "$session" {
			t.Fatalf("got %+v, want $expired", e)
		}
	}
	if text := <-p; !strings.Contains(text, `"expired":[{"channel":"private:a","reason":"expired"}]`) {
		t.Errorf("the poll was answered %s, want that it expired", text)
	}
	redisPublish(t, n.broker, "sb:private:a", "1")
	redisPublish(t, n.broker, "sb:feed", "2")
	s.want("feed 2")
}

// Operators see streams, take channels from them, and end them.
func TestEventsOperated(t *testing.T) {
	n := startLone(t)
	s := n.listen(t, "x,y?token="+as(t, "ann").Auth["token"].(string)).hears()
	if status, text := n.operate(t, http.MethodGet, "/api/members/ann", ""); status != 200 ||
		!strings.Contains(text, `"id":"`+s.public+`","transport":"sse","protocol":0,"channels":["x","y"]`) {
		t.Errorf("the member is %d %s", status, text)
	}
	resp := n.request(t, http.MethodGet, "/metrics")
	if text, _ := io.ReadAll(resp.Body); !strings.Contains(string(text), `stream_sessions{protocol="0",transport="sse"} 1`) {
		t.Errorf("the metrics do not count the stream")
	}
	n.operate(t, http.MethodPost, "/api/unsubscribe", `{"member":"ann","channel":"y"}`)
	s.want(`$expired {"channel":"y","reason":"operator"}`)
	redisPublish(t, n.broker, "sb:y", "1")
	redisPublish(t, n.broker, "sb:x", "2")
	s.want("x 2")
	n.operate(t, http.MethodPost, "/api/disconnect", `{"session":"`+s.public+`"}`)
	s.want(`$error {"code":"forbidden","message":"an operator has ended this connection"}`)
	s.wantEnd()
	if got := n.Sessions().Len(); got != 0 {
		t.Errorf("%d sessions are left", got)
	}
}

// A server that ends lets streams go, with all that was published before, and
// answers who waits.
func TestEventsDrained(t *testing.T) {
	n := start(t, server.Config{Drain: 500 * time.Millisecond})
	s := n.listen(t, "x").hears()
	at := s.live.Channels["x"].Position
	done := make(chan *reply, 1)
	go func() { done <- n.request(t, "GET", "/poll/x?since="+at) }() // ends with the poll
	eventually(t, "the poll waits", func() bool { return n.Channels().Clients("x") == 2 })
	n.stop()
	s.wantEnd()
	resp := <-done
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != 200 || !strings.Contains(string(text), `"messages":[]`) || !resp.Close {
		t.Errorf("the poll was answered %d %s, kept: %v", resp.StatusCode, text, !resp.Close)
	}
}
