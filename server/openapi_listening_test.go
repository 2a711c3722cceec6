package server_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
)

func tryListening(d *inspector, open *node) {
	t := d.t
	d.try(try{open, "post /api/identify", "", "", 200, nil})
	past := token(t, jwtKey, map[string]any{"sub": "7", "exp": time.Now().Add(-time.Hour).Unix()})
	good := token(t, jwtKey, map[string]any{"sub": "7", "exp": time.Now().Add(time.Hour).Unix()})
	stranger := []string{"Origin", "https://elsewhere.example"}
	for _, way := range []string{"/events/", "/poll/"} {
		for _, method := range []string{"get ", "head "} {
			what := method + way + "{channel}"
			for _, c := range []try{
				{open, what, way + "x", "", 200, nil},
				{open, what, way + "x?token=" + good, "", 200, nil},
				{open, what, way + "x,y?channel=z&since=none&guest=none&named=", "", 200, []string{"Last-Event-ID", "none"}},
				{open, what, way + "$x", "", 400, nil},
				{open, what, way + strings.Repeat("x,", 40) + "x", "", 400, nil},
				{open, what, way + "x", "", 401, []string{"Authorization", "Bearer x"}},
				{open, what, way + "x?token=" + past, "", 401, nil},
				{open, what, way + "private:x", "", 403, nil},
				{open, what, way + "x", "", 403, stranger},
			} {
				d.try(c)
			}
		}
	}
	var polled struct{ Position string }
	if err := json.Unmarshal([]byte(d.try(try{open, "get /poll/{channel}", "/poll/x", "", 200, nil})), &polled); err != nil {
		t.Fatal(err)
	}
	redisPublish(t, open.broker, "sb:x", `{"goal":1}`)
	text := d.try(try{open, "get /poll/{channel}", "/poll/x?since=" + url.QueryEscape(polled.Position), "", 200, nil})
	if !strings.Contains(text, `"data":{"goal":1}`) {
		t.Errorf("a poll is answered %s, want the message", text)
	}
	d.try(try{start(t, server.Config{}), "post /api/identify", "", "", 404, nil})
	for _, path := range []string{"/api/identify", "/events/{channel}", "/poll/{channel}", "/socket.io/"} {
		target, without := strings.ReplaceAll(path, "{channel}", "x"), 405
		if path == "/socket.io/" {
			without = 400
		}
		d.try(try{open, "options " + path, target, "", 204, []string{"Origin", open.url}})
		d.try(try{open, "options " + path, target, "", 403, stranger})
		d.try(try{open, "options " + path, target, "", without, nil})
	}
	d.try(try{open, "post /api/identify", "", "", 403, stranger})
}

func trySocketIO(d *inspector, n *node) {
	const get, post, polling = "get /socket.io/", "post /socket.io/", "/socket.io/?EIO=4&transport=polling"
	stranger, text := []string{"Origin", "https://elsewhere.example"}, []string{"Content-Type", "text/plain"}
	opened := d.try(try{n, get, polling + "&t=x&token=", "", 200, nil})
	var handshake struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(opened, "0")), &handshake); err != nil {
		d.t.Fatalf("the handshake is %.200s: %v", opened, err)
	}
	session := polling + "&sid=" + handshake.SID
	upgrade := []string{
		"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
	}
	for _, c := range []try{
		{n, get, "/socket.io/?EIO=3&transport=polling&j=0", "", 200, nil},
		{n, get, "/socket.io/?EIO=3&transport=polling", "", 200, []string{"Accept", "*/*"}},
		{n, get, "/socket.io/?EIO=3&transport=polling&b64=1", "", 200, nil},
		{n, get, "/socket.io/?EIO=4&transport=websocket", "", 101, upgrade},
		{n, get, "/socket.io/?EIO=9&transport=polling", "", 400, nil},
		{n, get, "/socket.io/?EIO=9&transport=websocket", "", 400, upgrade},
		{n, get, polling, "", 403, stranger},
		{n, post, session, "40", 200, text},
		{n, get, session, "", 200, nil},
		{n, post, polling + "&sid=none", "40", 400, text},
		{n, post, session, "40", 403, append(stranger, text...)},
		{n, post, session, strings.Repeat("x", 70_000), 413, text},
	} {
		d.try(c)
	}
	tryBinary(d)
}

// tryBinary has a client of Engine.IO 3 poll a message with an attachment, which
// another system has published.
func tryBinary(d *inspector) {
	const get, polling = "get /socket.io/", "/socket.io/?EIO=3&transport=polling"
	n := start(d.t, server.Config{Named: true})
	opened := d.try(try{n, get, polling, "", 200, nil})
	var handshake struct{ SID string }
	_, opened, _ = strings.Cut(opened, ":0") // after its length
	if err := json.NewDecoder(strings.NewReader(opened)).Decode(&handshake); err != nil {
		d.t.Fatalf("the handshake is %.200s: %v", opened, err)
	}
	session, subscribe := polling+"&sid="+handshake.SID, `42["subscribe","x",{"events":true}]`
	text := []string{"Content-Type", "text/plain"}
	d.try(try{n, "post /socket.io/", session, fmt.Sprintf("%d:%s", len(subscribe), subscribe), 200, text})
	file := []byte(`{"event":"file","data":{"_placeholder":true,"num":0},"attachments":["AAEC"]}`)
	eventually(d.t, "x is heard", func() bool { return n.Message("x", file) == 1 })
	// A poll brings what there is when it comes; the message may be in the next.
	for got := ""; !strings.Contains(got, "\x04\x00\x01\x02"); {
		if got = d.try(try{n, get, session, "", 200, nil}); got == "" {
			d.t.Fatal("the session has ended without the attachment")
		}
	}
}

// tryFull is what those are told for whom there is no room.
func tryFull(d *inspector) {
	for status, config := range map[int]server.Config{429: {MaxPerAddress: 1}, 503: {MaxSessions: 1}} {
		n := start(d.t, config)
		n.open(d.t, client.Options{})
		for _, what := range []string{"get /events/", "head /events/", "get /poll/", "head /poll/"} {
			_, path, _ := strings.Cut(what, " ")
			d.try(try{n, what + "{channel}", path + "x", "", status, nil})
		}
		d.try(try{n, "get /socket.io/", "/socket.io/?EIO=4&transport=polling", "", status, nil})
		d.try(try{n, "get /socket.io/", "/socket.io/?EIO=4&transport=websocket", "", status, []string{
			"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
		}})
	}
}
