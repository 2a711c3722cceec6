package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/leaktest"
	"github.com/sb-stream/stream-server/server/engineio"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// newServer serves one mode on a path of PROTOCOL.md, with the payload limit
// and, for what is not about time, the heartbeats of everyday use.
func newServer(t *testing.T, mode string, opts engineio.Options) string {
	t.Helper()
	opts.MaxPayload = 1_000_000
	opts.ConnInitor = remember
	var handler http.Handler
	var stop func() error
	if mode == "engine" {
		s := engine(&opts)
		handler, stop = s, s.Close
	} else {
		s := socket(&opts, time.Second)
		handler, stop = s, s.Close
	}
	mux := http.NewServeMux()
	mux.Handle("/"+mode+".io/", handler)
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		stop()
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return web.URL + "/" + mode + ".io/"
}

// An exchange is Engine.IO packets in the text form of version 4, binary ones
// as "b" and base64: those sent in one POST, or as frames one after the other,
// and those that come in one poll, or as frames.
type exchange struct{ send, want string }

const (
	// What ends a session: nothing comes after it.
	closed = "closed"

	bin1, bin2   = "bAQIDBA==", "b/w=="
	hold0, hold1 = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`
)

// The exchanges of PROTOCOL.md chapters 2 to 5, on both transports. Packets are
// separated by spaces here, and have none of their own.
var exchanges = []struct {
	name, mode string
	versions   string
	list       []exchange
}{
	{"text", "engine", "34", []exchange{{"4hello", "4hello"}, {"4", "4"}, {`4["a\nb"]`, `4["a\nb"]`}}},
	{"several", "engine", "34", []exchange{{"4test1 4test2 4test3", "4test1 4test2 4test3"}}},
	{"characters", "engine", "34", []exchange{{"4hé😀\u2028", "4hé😀\u2028"}, {"4日本", "4日本"}}},
	{"binary", "engine", "34", []exchange{{bin1, bin1}, {"4hello " + bin1, "4hello " + bin1}, {"b", "b"}}},
	{"heartbeat of the client", "engine", "3", []exchange{{"2", "3"}, {"2 4a 4b", "3 4a 4b"}}},
	{"the wrong direction", "engine", "4", []exchange{{"2", closed}}},
	{"the wrong direction", "engine", "3", []exchange{{"3", closed}}},
	{"no packet", "engine", "34", []exchange{{"abc", closed}}},
	{"no base64", "engine", "4", []exchange{{"b?", closed}}},

	{"default namespace", "socket", "4", []exchange{{"40", `40{"sid":"…"} 42["auth",{}]`}}},
	{"auth", "socket", "4", []exchange{{`40{"token":"123"}`, `40{"sid":"…"} 42["auth",{"token":"123"}]`}}},
	{"custom namespace", "socket", "4", []exchange{{"40/custom,", `40/custom,{"sid":"…"} 42/custom,["auth",{}]`}}},
	{"without comma", "socket", "4", []exchange{{"40/custom", `40/custom,{"sid":"…"} 42/custom,["auth",{}]`}}},
	{"both, with different auth", "socket", "4", []exchange{
		{"40", `40{"sid":"…"} 42["auth",{}]`},
		{`40/custom,{"token":"abc"}`, `40/custom,{"sid":"…"} 42/custom,["auth",{"token":"abc"}]`},
	}},
	{"unknown namespace", "socket", "4", []exchange{{"40/random", `44/random,{"message":"Invalid namespace"}`}}},
	{"query is part of the name", "socket", "4", []exchange{{"40/custom?a=b,", `44/custom?a=b,{"message":"Invalid namespace"}`}}},
	{"events", "socket", "4", []exchange{
		{"40", `40{"sid":"…"} 42["auth",{}]`},
		{`42["message",1,"2",{"3":[true]}]`, `42["message-back",1,"2",{"3":[true]}]`},
		{`42["message","hé😀"]`, `42["message-back","hé😀"]`},
		{`42["message",1] 42["message",2]`, `42["message-back",1] 42["message-back",2]`},
		{`42456["message-with-ack",1,"2",{"3":[false]}]`, `43456[1,"2",{"3":[false]}]`},
		{`420["message-with-ack"]`, "430[]"},
		{"452-[\"message\"," + hold0 + "," + hold1 + "] " + bin1 + " " + bin2, "452-[\"message-back\"," + hold0 + "," + hold1 + "] " + bin1 + " " + bin2},
		{"452-789[\"message-with-ack\"," + hold0 + "," + hold1 + "] " + bin1 + " " + bin2, "462-789[" + hold0 + "," + hold1 + "] " + bin1 + " " + bin2},
		{"451-0[\"message-with-ack\",{\"x\":[" + hold0 + "]}] " + bin1, "461-0[{\"x\":[" + hold0 + "]}] " + bin1},
		{`42 420["nobody"] 437[] 421["message-with-ack"]`, "431[]"},
	}},
	{"leaves one namespace", "socket", "4", []exchange{
		{"40", `40{"sid":"…"} 42["auth",{}]`},
		{"40/custom,", `40/custom,{"sid":"…"} 42/custom,["auth",{}]`},
		{`41/custom, 420["message-with-ack"]`, "430[]"},
	}},
	{"and comes back", "socket", "4", []exchange{
		{"40", `40{"sid":"…"} 42["auth",{}]`},
		{"41 40", `40{"sid":"…"} 42["auth",{}]`},
	}},

	{"version 4", "socket", "3", []exchange{
		{"", `40 42["auth",{}]`},
		{`42["message",1,"2",{"3":[true]}]`, `42["message-back",1,"2",{"3":[true]}]`},
		{`42["message","hé😀"]`, `42["message-back","h\u00e9\ud83d\ude00"]`},
		{`420["message-with-ack","x"]`, `430["x"]`},
		{"451-[\"message\"," + hold0 + "] " + bin1, "451-[\"message-back\"," + hold0 + "] " + bin1},
		{"40/custom,", `40/custom, 42/custom,["auth",{}]`},
		{"40/nope,", `44/nope,{"message":"Invalid namespace"}`},
	}},
	{"query of a namespace", "socket", "3", []exchange{
		{"", `40 42["auth",{}]`},
		{"40/custom?token=abc&x=1,", `40/custom, 42/custom,["auth",{"token":"abc","x":"1"}]`},
	}},
}

// What breaks the rules of PROTOCOL.md 5.2 after a good beginning.
var violations = []string{
	"4abc", "47", "42{}", `42abc["x"]`, `42["x"`, "45-[]", `42["disconnect"]`, `42["connect_error"]`, `42/custom,["message"]`,
	`44{"message":"x"}`, bin1, "451-[\"x\"," + hold0 + "] 42[\"message\"]", "451-[\"x\"," + hold1 + "] " + bin1,
	`4511-["x"]`, `42[]`, `42[{}]`, "4",
}

func TestExchanges(t *testing.T) {
	urls := map[string]string{"engine": newServer(t, "engine", engineio.Options{}), "socket": newServer(t, "socket", engineio.Options{})}
	run := func(t *testing.T, name, mode, version string, list []exchange) {
		for transport, open := range transports {
			t.Run(name+"/"+version+"/"+transport, func(t *testing.T) {
				c := open(t, urls[mode], version)
				for _, x := range list {
					if got := c.exchange(x.send, x.want); got != x.want {
						t.Fatalf("after %q came %q, want %q", x.send, got, x.want)
					}
				}
			})
		}
	}
	for _, tt := range exchanges {
		for version := range strings.SplitSeq(tt.versions, "") {
			run(t, tt.name, tt.mode, version, tt.list)
		}
	}
	for _, send := range violations {
		run(t, send, "socket", "4", []exchange{{"40", `40{"sid":"…"} 42["auth",{}]`}, {send, closed}})
		run(t, send, "socket", "3", []exchange{{"", `40 42["auth",{}]`}, {send, closed}})
	}
	run(t, "twice", "socket", "4", []exchange{{"40", `40{"sid":"…"} 42["auth",{}]`}, {"40", closed}})
	run(t, "twice", "socket", "3", []exchange{{"", `40 42["auth",{}]`}, {"40/custom,", `40/custom, 42/custom,["auth",{}]`}, {"40/custom,", closed}})
	run(t, "into / again", "socket", "3", []exchange{{"", `40 42["auth",{}]`}, {`40 420["message-with-ack"]`, "430[]"}})
	run(t, "event before connect", "socket", "4", []exchange{{`42["message"]`, closed}})
}

// PROTOCOL.md 2.7 and 5.3: interval 300 ms, timeout 200 ms, connect timeout 1 s.
func TestTimes(t *testing.T) {
	opts := engineio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond}
	url := newServer(t, "engine", opts)
	// The server measures from some moment between these two.
	within := func(t *testing.T, before, after time.Time, least, most time.Duration) {
		t.Helper()
		now := time.Now()
		if long, short := now.Sub(before), now.Sub(after); long < least || short > most {
			t.Errorf("it took %v to %v, want %v to %v", short, long, least, most)
		}
	}
	for transport, open := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			before := time.Now()
			c := open(t, url, "4")
			after := time.Now()
			if got := c.exchange("", "2"); got != "2" {
				t.Fatalf("first came %q, want the ping", got)
			}
			within(t, before, after, 300*time.Millisecond, 450*time.Millisecond)
			before = time.Now()
			if got := c.exchange("3", "2"); got != "2" {
				t.Fatalf("after the pong came %q, want a ping", got)
			}
			after = time.Now()
			if got := c.exchange("", closed); got != closed {
				t.Fatalf("without a pong came %q", got)
			}
			within(t, before, after, 500*time.Millisecond, 400*time.Millisecond) // the interval is before that ping

			before = time.Now()
			c = open(t, url, "3")
			if got := c.exchange("", closed); got != closed {
				t.Fatalf("without a ping of the client came %q", got)
			}
			within(t, before, before, 500*time.Millisecond, 750*time.Millisecond)

			before = time.Now()
			c = open(t, newServer(t, "socket", engineio.Options{}), "4")
			after = time.Now()
			if got := c.exchange("40/nope,", `44/nope,{"message":"Invalid namespace"}`); !strings.HasPrefix(got, "44") {
				t.Fatalf("came %q", got)
			}
			if got := c.exchange("", closed); got != closed {
				t.Fatalf("without a namespace came %q", got)
			}
			within(t, before, after, time.Second, 1300*time.Millisecond)
		})
	}
}

func TestRefusals(t *testing.T) {
	url := newServer(t, "engine", engineio.Options{RefuseV3: true})
	for query, want := range map[string]string{
		"transport=polling":                  `400 {"code":5,"message":"Unsupported protocol version"}`,
		"EIO=3&transport=polling":            `400 {"code":5,"message":"Unsupported protocol version"}`,
		"EIO=abc&transport=polling":          `400 {"code":5,"message":"Unsupported protocol version"}`,
		"EIO=4":                              `400 {"code":0,"message":"Transport unknown"}`,
		"EIO=4&transport=abc":                `400 {"code":0,"message":"Transport unknown"}`,
		"EIO=4&transport=websocket":          `400 {"code":3,"message":"Bad request"}`,
		"EIO=4&transport=polling&sid=nobody": `400 {"code":1,"message":"Session ID unknown"}`,
	} {
		if got := get(t, url+"?"+query); got != want {
			t.Errorf("GET ?%s = %s, want %s", query, got, want)
		}
	}
}
