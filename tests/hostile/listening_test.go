package hostile

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server"
)

// TestListening is what may be asked of /events, /poll, the console and the
// operators' API, which are younger than the corpus. Each request comes to its
// status and code, another client notices nothing, and nothing stays behind.
func TestListening(t *testing.T) {
	n := start(t, "plain", server.Config{OperatorKeys: []string{"operator key"}})
	const operator = "Authorization: Bearer operator key\r\n"
	const evil = "Origin: https://evil.example\r\n"
	long := strings.Repeat("x", 7<<10)
	settle(t, 1)
	before := measure()
	for _, tt := range []struct{ name, request, header, want string }{
		{"no channel", "GET /events/", "", "404"},
		{"NUL in a channel", "GET /events/a%00b", "", "400 bad_channel"},
		{"CR LF in a channel", "GET /events/a%0d%0aSet-Cookie:%20x=1", "", "400 bad_channel"},
		{"no UTF-8 in a channel", "GET /poll/%ff%fe", "", "400 bad_channel"},
		{"a node's own channel", "GET /events/$node", "", "400 bad_channel"},
		{"an empty one of several", "GET /events/a,,b", "", "400 bad_channel"},
		{"a long channel", "GET /poll/" + long, "", "400 bad_channel"},
		{"a way up, which is a name", "GET /poll/..%2f..%2fapi%2fstats", "", "200"},
		{"33 channels", "GET /events/" + strings.Repeat("a,", 32) + "a", "", "400 too_many_channels"},
		{"33 channels of the query", "GET /poll/a?" + strings.Repeat("channel=b&", 32), "", "400 too_many_channels"},
		{"a broken query", "GET /poll/a?since=%zz", "", "400 bad_request"},
		{"a semicolon in the query", "GET /poll/a?since=1;channel=private:a", "", "400 bad_request"},
		{"a private channel", "GET /events/private:a", "", "403 forbidden"},
		{"a private channel behind a public one", "GET /poll/a?channel=private:a", "", "403 forbidden"},
		{"a private channel by another spelling", "GET /poll/private%3Aa", "", "403 forbidden"},
		{"another member", "GET /events/member:8", "", "403 forbidden"},
		{"a token that is none", "GET /events/a?token=x.y.z", "", "401 bad_token"},
		{"a long token", "GET /events/a?token=" + long, "", "401 bad_token"},
		{"a guest's token that is none", "GET /poll/a?guest=x.y", "", "200"}, // they are another guest
		{"another site", "GET /events/a", evil, "403"},
		{"another site polls", "GET /poll/a", evil, "403"},
		{"a sandboxed page", "GET /poll/a", "Origin: null\r\n", "403"},
		{"POST", "POST /events/a", "Content-Length: 0\r\n", "405 bad_request"},
		{"a made up method", "GOT /poll/a", "", "405 bad_request"},
		{"HTTP/1.1 upgrade of a stream", "GET /poll/a", "Connection: Upgrade\r\nUpgrade: h2c\r\n", "200"},
		{"a position that is none", "GET /poll/a?since=x%0a%0devent:evil", "", "200"},
		{"a long position", "GET /poll/a?since=" + long, "", "200"},
		{"positions of other channels", "GET /poll/a,b?since=x!,,,,,,,,,", "", "200"},
		{"a position with control characters", "GET /poll/a", "Last-Event-ID: \x01\x7f\r\n", "400"},

		{"the console's source", "GET /console/embed.go", "", "404"},
		{"a way up from the console", "GET /console/..%2fembed.go", "", "404"},
		{"the console by POST", "POST /", "Content-Length: 0\r\n", "405"},
		{"figures without a key", "GET /api/console", "", "401 forbidden"},
		{"figures with another key", "GET /api/console", "Authorization: Bearer " + publishKey + "\r\n", "401 forbidden"},
		{"figures with two keys", "GET /api/console", "Authorization: Bearer x\r\n" + operator, "401 forbidden"},
		{"the key in the query", "GET /api/console?key=operator+key", "", "401 forbidden"},
		{"figures for another site", "GET /api/console", operator + evil, "403 forbidden"},
		{"figures of what is not there", "GET /api/console?of=%00", operator, "200"},
		{"why, without a key", "GET /api/why/a", "", "401 forbidden"},
		{"why, of what is no channel", "GET /api/why/a%00b", operator, "400 bad_channel"},
		{"who hears what is no channel", "GET /api/channels/a%0ab/sessions", operator, "400 bad_channel"},
		{"who is in what is no channel", "GET /api/channels/%ff/members", operator, "400 bad_channel"},
		{"a page of minus one", "GET /api/channels?limit=-1", operator, "400 bad_request"},
		{"a page of too many", "GET /api/channels?limit=99999999999999999999", operator, "400 bad_request"},
		{"no UTF-8 for a session", "GET /api/sessions/%ff", operator, "400 bad_request"},
		{"no UTF-8 for a member", "GET /api/members/%ff", operator, "400 bad_request"},
		{"a long member", "GET /api/members/" + long, operator, "404 not_found"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n.canary.mark()
			if got := n.asks(t, tt.request, tt.header); got != tt.want {
				t.Errorf("%.80s came to %s, want %s", tt.request, got, tt.want)
			}
			n.checkCanary(t)
		})
	}
	eventually(t, "the session of the canary is alone", func() bool { return n.metric(t, "stream_sessions") == 1 })
	n.log.check(t, n.name)
	before.check(t)
}

// asks is the status of the answer to a request, and the code of its error. A
// poll has no position, and so is answered at once.
func (n *target) asks(t *testing.T, request, header string) string {
	t.Helper()
	p, err := n.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.send([]byte(request + " HTTP/1.1\r\nHost: localhost\r\nX-Last: 1\r\n" + header + "\r\n"))
	method, _, _ := strings.Cut(request, " ")
	a, err := p.answer(method)
	if err != nil {
		t.Fatal(err)
	}
	for name := range a.header {
		if name == "Set-Cookie" || name == "Access-Control-Allow-Credentials" && strings.Contains(header, "evil") {
			t.Errorf("the answer has a header %s", name)
		}
	}
	var about struct{ Error struct{ Code string } }
	_ = json.Unmarshal([]byte(a.body), &about) // not every error is JSON
	return strings.TrimSpace(fmt.Sprint(a.status, " ", about.Error.Code))
}

// TestEventsOfOthers: no message, and no position that a client brings, makes an
// event of an EventSource that is not one.
func TestEventsOfOthers(t *testing.T) {
	n := start(t, "plain", server.Config{})
	p, err := n.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.send([]byte("GET /events/hostile?since=1%0aevent:%20evil%0adata:%20x%0a%0a HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var event, data []string
	next := func() (string, string) {
		for event, data = nil, nil; ; {
			line, err := p.r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch field {
			case "event":
				event = append(event, value)
			case "data":
				data = append(data, value)
			case "id", "retry":
			case "":
				if data != nil {
					return strings.Join(event, "+"), strings.Join(data, "\n")
				}
			default:
				t.Fatalf("there is a line %q", line)
			}
		}
	}
	for _, want := range []string{"$session", "$gap", "$subscribed"} {
		if got, data := next(); got != want {
			t.Fatalf("the event %s %s, want %s", got, data, want)
		}
	}
	for _, tt := range []struct{ data, want string }{
		{`"a\n\nevent: evil\ndata: x\n\n"`, `"a\n\nevent: evil\ndata: x\n\n"`},
		{"a\n\nevent: evil", `"a\n\nevent: evil"`}, // no JSON is a text
		{"[1,\n\n2]", "[1,  2]"},
		{"[1,\r\r2]", "[1,  2]"},
		{"[1,\r\n2]", "[1,  2]"},
		{"\"\u2028event: evil\u0085\"", "\"\u2028event: evil\u0085\""},
	} {
		if err := n.publish("hostile", []byte(tt.data)); err != nil {
			t.Fatal(err)
		}
		if event, data := next(); event != "" || data != tt.want {
			t.Errorf("%q came as an event %q, %q, want %q", tt.data, event, data, tt.want)
		}
	}
}
