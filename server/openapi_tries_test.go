package server_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
)

// unmade are the answers that are left to other tests.
var unmade = map[string]bool{
	"post /api/publish 408 application/json": true, // it takes 15 s: TestTimeouts
	"post /socket.io/ 408":                   true, // likewise
}

// What every operation answers is as the document says, and all that the
// document says is answered.
func TestOpenAPI(t *testing.T) {
	d := &inspector{readDocument(t), make(map[string]bool), make(map[string]bool)}
	who := tokens()
	who.JWTCookie = "jwt"
	open := start(t, server.Config{Identity: who, PublishKeys: []string{"key"}, Redis: server.Redis{Embedded: true}, MaxPublish: 2048})
	locked := start(t, server.Config{OperatorKeys: []string{"operator"}, Redis: server.Redis{Embedded: true}})

	tryPublish(d, open, locked)
	tryOperators(d, open, locked)
	tryListening(d, open)
	trySocketIO(d, open)
	tryPages(d, open)
	tryAway(d)
	tryFull(d)
	tryDraining(d)
	tryTooMuch(d, open)
	d.complete(unmade)
}

func tryPublish(d *inspector, open, locked *node) {
	const what = "post /api/publish"
	key := []string{"Authorization", "Bearer key"}
	for _, c := range []try{
		{open, what, "", `{"channel":"x","data":{"any":["thing"]}}`, 200, key},
		{open, what, "", `[{"channels":["x","y"],"data":null},{"channel":"x","data":1,"durable":true}]`, 200, key},
		{open, what, "", `{"channel":"$x","data":1}`, 400, key},
		{open, what, "", `{}`, 400, key},
		{open, what, "", `{"channel":"x","data":1}`, 401, nil},
		{locked, what, "", `{"channel":"x","data":1}`, 403, nil},
		{open, what, "", `{"channel":"x","data":"` + strings.Repeat("x", 3000) + `"}`, 413, key},
		{open, what, "", `x`, 415, append(key, "Content-Type", "text/plain")},
	} {
		d.try(c)
	}
}

func tryOperators(d *inspector, open, locked *node) {
	t := d.t
	member, guest := open.open(t, as(t, "m/7")), open.open(t, client.Options{})
	member.hear("x", "y", "z")
	guest.hear("x", "y")
	if a := guest.call("subscribe", "private:x"); a.OK {
		t.Error("a guest may hear what is private")
	}
	plain := open.listen(t, "x")
	for i := range 3 {
		redisPublish(t, open.broker, "sb:x", fmt.Sprintf(`{"n":%d}`, i))
	}
	member.want("x", `{"n":0}`)
	for _, c := range []try{
		{n: open, what: "get /api/stats"},
		{n: open, what: "get /api/info"},
		{n: open, what: "get /api/info", header: []string{"X-Forwarded-For", "10.0.0.1", "Host", "x"}, status: 403},
		{n: open, what: "get /api/channels"},
		{n: open, what: "get /api/channels", target: "/api/channels?prefix=x&after=a&limit=1"},
		{n: open, what: "get /api/channels", target: "/api/channels?limit=1"}, // and next
		{n: open, what: "get /api/channels", target: "/api/channels?limit=0", status: 400},
		{n: open, what: "get /api/channels/{tag}", target: "/api/channels/x"},
		{n: open, what: "get /api/channels/{tag}", target: "/api/channels/a,b", status: 400},
		{n: open, what: "get /api/channels/{tag}", target: "/api/channels/none", status: 404},
		{n: open, what: "get /api/channels/{tag}/members", target: "/api/channels/x/members?prefix=m&after=a&limit=1"},
		{n: open, what: "get /api/channels/{tag}/members", target: "/api/channels/x/members?limit=x", status: 400},
		{n: open, what: "get /api/channels/{tag}/members", target: "/api/channels/none/members", status: 404},
		{n: open, what: "get /api/channels/{tag}/sessions", target: "/api/channels/x/sessions?after=2&limit=1"},
		{n: open, what: "get /api/channels/{tag}/sessions", target: "/api/channels/x/sessions?prefix=x", status: 400},
		{n: open, what: "get /api/channels/{tag}/sessions", target: "/api/channels/none/sessions", status: 404},
		{n: open, what: "get /api/members/{id}", target: "/api/members/m%2F7?after=2&limit=1"},
		{n: open, what: "get /api/members/{id}", target: "/api/members/" + url.PathEscape(guest.session.Member)},
		{n: open, what: "get /api/members/{id}", target: "/api/members/" + url.PathEscape(plain.member)},
		{n: open, what: "get /api/members/{id}", target: "/api/members/m%2F7?prefix=x", status: 400},
		{n: open, what: "get /api/members/{id}", target: "/api/members/8", status: 404},
		{n: open, what: "get /api/sessions/{id}", target: "/api/sessions/" + member.session.ID},
		{n: open, what: "get /api/sessions/{id}", target: "/api/sessions/%ff", status: 400},
		{n: open, what: "get /api/sessions/{id}", target: "/api/sessions/none", status: 404},
		{n: open, what: "get /api/why/{tag}", target: "/api/why/x?limit=2"},
		{n: open, what: "get /api/why/{tag}", target: "/api/why/x?who=m/7"},
		{n: open, what: "get /api/why/{tag}", target: "/api/why/private:x?who=" + guest.session.ID},
		{n: open, what: "get /api/why/{tag}", target: "/api/why/x?limit=101", status: 400},
		{n: open, what: "get /api/why/{tag}", target: "/api/why/none", status: 404},
		{n: open, what: "get /api/console"},
		{n: open, what: "get /api/console", target: "/api/console?of=node"},
		{n: open, what: "post /api/unsubscribe", body: `{"member":"m/7","channel":"x"}`},
		{n: open, what: "post /api/unsubscribe", body: `{"member":"m/7"}`, status: 400},
		{n: open, what: "post /api/unsubscribe", body: `{"session":"none","channel":"x"}`, status: 404},
		{n: open, what: "post /api/disconnect", body: fmt.Sprintf(`{"session":%q}`, member.session.ID)},
		{n: open, what: "post /api/disconnect", body: `{"session":"a","member":"b"}`, status: 400},
		{n: open, what: "post /api/disconnect", body: `{"session":"none"}`, status: 404},
		{n: open, what: "get /api/console"}, // with a reason why one has ended
	} {
		if c.status == 0 {
			c.status = 200
		}
		d.try(c)
	}
	paths := d.paths()
	for path, item := range paths {
		for _, method := range []string{"get", "post"} {
			operation, ok := item[method].(object)
			if !ok || operation["tags"].([]any)[0] != "operators" {
				continue
			}
			target := strings.NewReplacer("{tag}", "x", "{id}", "x").Replace(path)
			c := try{what: method + " " + path, target: target}
			if method == "post" {
				c.n, c.body, c.status, c.header = open, "x", 415, []string{"Content-Type", "text/plain"}
				d.try(c)
				c.body, c.status, c.header = `{"session":"`+strings.Repeat("x", 17<<10)+`"}`, 413, nil
				d.try(c)
				c.body = "{}"
			}
			c.n, c.status = locked, 401
			d.try(c)
			c.n, c.status, c.header = open, 403, []string{"Origin", "https://elsewhere.example"}
			d.try(c)
		}
	}
}

func tryPages(d *inspector, n *node) {
	for path, item := range d.root["paths"].(object) {
		get, _ := item.(object)["get"].(object)
		if get == nil || get["tags"].([]any)[0] != "pages" {
			continue
		}
		for full := range d.paths() {
			if !template(path).MatchString(full) {
				continue
			}
			d.try(try{n, "get " + path, full, "", 200, nil})
			_, header := n.get(full)
			d.try(try{n, "get " + path, full, "", 304, []string{"If-None-Match", header.Get("ETag")}})
		}
	}
	d.try(try{n, "get /healthz", "", "", 200, nil})
	d.try(try{n, "get /readyz", "", "", 200, nil})
	d.try(try{n, "get /metrics", "", "", 200, nil})
}

// tryAway is what is answered while the broker is away.
func tryAway(d *inspector) {
	b := newLossyBroker(d.t)
	n := start(d.t, server.Config{
		Broker: b, PublishKeys: []string{"key"}, ClusterKeys: [][]byte{[]byte("0123456789abcdef")}, Canary: -1,
	})
	b.away.Store(true)
	d.try(try{n, "post /api/publish", "", `{"channel":"x","data":1}`, 503, []string{"Authorization", "Bearer key"}})
	d.try(try{n, "get /readyz", "", "", 503, nil})
	d.try(try{n, "post /api/disconnect", "", `{"member":"x"}`, 503, nil})
	d.try(try{n, "post /api/unsubscribe", "", `{"member":"x","channel":"x"}`, 503, nil})
	for _, path := range []string{
		"/api/channels/{tag}", "/api/channels/{tag}/members", "/api/channels/{tag}/sessions", "/api/members/{id}",
		"/api/sessions/{id}", "/api/why/{tag}",
	} {
		d.try(try{n, "get " + path, strings.NewReplacer("{tag}", "x", "{id}", "x").Replace(path), "", 503, nil})
	}
	d.try(try{n, "get /api/channels", "", "", 200, nil}) // which says that it is alone
}

// tryDraining is /readyz of a server that lets its clients go.
func tryDraining(d *inspector) {
	n := start(d.t, server.Config{Drain: 4 * time.Second}) // for half of which there is a client yet
	n.open(d.t, client.Options{})
	n.open(d.t, client.Options{})
	ended := make(chan struct{})
	go func() { // ends with the server
		n.stop()
		close(ended)
	}()
	eventually(d.t, "the server drains", func() bool { return !n.ready() })
	d.try(try{n, "get /readyz", "", "", 503, nil})
	<-ended
}

// tryTooMuch is what is answered to requests that no client makes.
func tryTooMuch(d *inspector, n *node) {
	for path := range d.root["paths"].(object) {
		for _, method := range methods {
			if d.operation(path, method) == nil {
				continue
			}
			what, target := method+" "+path, strings.NewReplacer("{", "", "}", "").Replace(path)
			d.try(try{n, what, target + "?" + strings.Repeat("x", 8<<10), "", 414, nil})
			d.try(try{n, what, target, "", 431, []string{"X-Much", strings.Repeat("x", 17<<10)}})
		}
	}
}
