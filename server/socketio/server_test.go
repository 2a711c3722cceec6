package socketio_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/leaktest"
	"github.com/sb-stream/stream-server/server/socketio"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// newServer is a server with the namespaces of PROTOCOL.md 5.3: "/" and
// "/custom" echo, "/guarded" refuses.
func newServer(t *testing.T) (*socketio.Server, string) {
	t.Helper()
	s := socketio.NewServer(nil)
	echo := func(c socketio.Conn, e *socketio.Event) {
		args := make([]any, len(e.Args))
		for i, arg := range e.Args {
			args[i] = arg
		}
		if e.WantsAck() {
			e.Ack(args...)
			return
		}
		c.Emit("echo-back", args...)
	}
	for _, namespace := range []string{"/", "/custom"} {
		s.OnEvent(namespace, "echo", echo)
		s.OnEvent(namespace, "kick", func(c socketio.Conn, _ *socketio.Event) { _ = c.Close() })
	}
	s.OnEvent("/custom", "remove", func(c socketio.Conn, _ *socketio.Event) { c.Disconnect(); c.Emit("late") })
	s.OnEvent("/", "panic", func(socketio.Conn, *socketio.Event) { panic("on purpose") })
	s.OnEvent("/", "auth", func(c socketio.Conn, e *socketio.Event) { e.Ack(c.Auth()) })
	s.Use("/guarded", func(socketio.Conn) error {
		return &socketio.Refusal{Message: "not authorized", Data: map[string]any{"code": "E1", "retry": false}}
	})
	s.Use("/g", func(socketio.Conn) error { return errors.New("no way") })
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Errorf("Shutdown = %v", err)
		}
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, web.URL
}

// A poller is a client by long-polling that shows the bytes.
type poller struct {
	t   *testing.T
	url string
}

var sidPattern = regexp.MustCompile(`"sid":"([^"]*)"`)

func open(t *testing.T, base, version string) *poller {
	t.Helper()
	p := &poller{t: t, url: base + "/socket.io/?transport=polling&EIO=" + version}
	sid := sidPattern.FindStringSubmatch(p.poll())
	if sid == nil {
		t.Fatal("the handshake has no sid")
	}
	p.url += "&sid=" + sid[1]
	return p
}

// do returns the body, or the status if that is not 200.
func (p *poller) do(resp *http.Response, err error) string {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		return resp.Status
	}
	return string(body)
}

func (p *poller) poll() string {
	p.t.Helper()
	return p.do(http.Get(p.url))
}

func (p *poller) post(body string) {
	p.t.Helper()
	p.postTo(body, false)
}

func (p *poller) postTo(body string, refused bool) {
	p.t.Helper()
	want := "ok"
	if refused {
		want = gone
	}
	if got := p.do(http.Post(p.url, "text/plain;charset=UTF-8", strings.NewReader(body))); got != want {
		p.t.Fatalf("POST %s = %s, want %s", body, got, want)
	}
}

// anyID is what the ids in an answer become.
func anyID(answer string) string { return sidPattern.ReplaceAllString(answer, `"sid":"…"`) }

const gone = "400 Bad Request"

// The exchanges of PROTOCOL.md 5.2 to 5.4. Each post is followed by one poll.
// One that breaks the rules is answered with an error.
func TestExchanges(t *testing.T) {
	_, base := newServer(t)
	type exchange struct{ post, poll string }
	connect := exchange{"40", `40{"sid":"…"}`}
	for _, tt := range []struct {
		name      string
		version   string
		exchanges []exchange
	}{
		{"connect", "4", []exchange{connect}},
		{"connect with auth", "4", []exchange{{`40{"token":"123"}`, `40{"sid":"…"}`}, {`420["auth"]`, `430[{"token":"123"}]`}}},
		{"second namespace", "4", []exchange{connect, {"40/custom,", `40/custom,{"sid":"…"}`}}},
		{"namespace without comma", "4", []exchange{{"40/custom", `40/custom,{"sid":"…"}`}}},
		{"unknown namespace", "4", []exchange{{"40/nope,", `44/nope,{"message":"Invalid namespace"}`}, connect}},
		{"query is part of the name", "4", []exchange{{"40/custom?a=b,", `44/custom?a=b,{"message":"Invalid namespace"}`}}},
		{"refused with data", "4", []exchange{{`40/guarded,{"token":"bad"}`, `44/guarded,{"message":"not authorized","data":{"code":"E1","retry":false}}`}}},
		{"refused", "4", []exchange{{"40/g,", `44/g,{"message":"no way"}`}}},
		{"event", "4", []exchange{connect, {`42["echo",1,"é😀"]`, `42["echo-back",1,"é😀"]`}}},
		{"event with ack", "4", []exchange{{"40/custom,", `40/custom,{"sid":"…"}`}, {`42/custom,5["echo",1,"é"]`, `43/custom,5[1,"é"]`}}},
		{"ack without arguments", "4", []exchange{connect, {`4217["echo"]`, `4317[]`}}},
		{"several in one post come in one poll", "4", []exchange{connect, {"420[\"echo\",1]\x1e421[\"echo\",2]", "430[1]\x1e431[2]"}}},
		{"unknown event and stray ack", "4", []exchange{connect, {"42[\"nobody\"]\x1e437[]\x1e42\x1e420[\"echo\"]", "430[]"}}},
		{"leaving one namespace", "4", []exchange{connect, {"40/custom,", `40/custom,{"sid":"…"}`}, {"41\x1e42/custom,0[\"echo\"]", "43/custom,0[]"}}},
		{"binary event", "4", []exchange{connect, {"451-0[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID\x1e420[\"echo\"]", "430[{\"_placeholder\":true,\"num\":0}]\x1e430[]"}}},
		{"removed", "4", []exchange{
			connect,
			{"40/custom,", `40/custom,{"sid":"…"}`},
			{`42/custom,["remove"]`, "41/custom,"},
			{"42/custom,[\"echo\"]\x1e40/custom,\x1e42/custom,0[\"echo\"]\x1e420[\"echo\"]", "40/custom,{\"sid\":\"…\"}\x1e43/custom,0[]\x1e430[]"},
		}},
		{"kicked", "4", []exchange{connect, {`42["kick"]`, "41"}, {"", "6\x1e1"}, {"", gone}}},

		{"event before connect", "4", []exchange{{`42["echo"]`, "6\x1e1"}, {"", gone}}},
		{"event after leaving", "4", []exchange{connect, {"41\x1e42[\"echo\"]", "6\x1e1"}, {"", gone}}},
		{"connect twice", "4", []exchange{connect, {"40", "6\x1e1"}, {"", gone}}},
		{"connect error from the client", "4", []exchange{connect, {`44{"message":"x"}`, "6\x1e1"}, {"", gone}}},
		{"unknown type", "4", []exchange{connect, {"4abc", "6\x1e1"}, {"", gone}}},
		{"reserved name", "4", []exchange{connect, {`42["disconnect"]`, "6\x1e1"}, {"", gone}}},
		{"bad JSON", "4", []exchange{connect, {`42["x"`, "6\x1e1"}, {"", gone}}},
		{"text while attachments are missing", "4", []exchange{connect, {"451-[\"echo\",{\"_placeholder\":true,\"num\":0}]\x1e42[\"echo\"]", "6\x1e1"}, {"", gone}}},
		{"unexpected binary", "4", []exchange{connect, {"bAQID", "6\x1e1"}, {"", gone}}},
		{"placeholder out of range", "4", []exchange{connect, {"451-[\"echo\",{\"_placeholder\":true,\"num\":1}]\x1ebAQID", "6\x1e1"}, {"", gone}}},

		{"v4: connected unasked", "3", []exchange{{"", "2:40"}}},
		{"v4: event", "3", []exchange{{"", "2:40"}, {`18:42["echo","hé 😀"]`, `38:42["echo-back","h\u00e9 \ud83d\ude00"]`}}},
		{"v4: namespace with query", "3", []exchange{{"", "2:40"}, {"24:40/custom?token=abc&x=1,", "10:40/custom,"}}},
		{"v4: unknown namespace", "3", []exchange{{"", "2:40"}, {"8:40/nope,", `39:44/nope,{"message":"Invalid namespace"}`}}},
		{"v4: refused with data", "3", []exchange{{"", "2:40"}, {"11:40/guarded,", `38:44/guarded,{"code":"E1","retry":false}`}}},
		{"v4: refused", "3", []exchange{{"", "2:40"}, {"5:40/g,", `13:44/g,"no way"`}}},
		{"v4: connect for / again", "3", []exchange{{"", "2:40"}, {`2:4011:420["echo"]`, "5:430[]"}}},
		{"v4: event with ack and ping", "3", []exchange{{"", "2:40"}, {`15:420["echo","x"]1:2`, `1:38:430["x"]`}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := open(t, base, tt.version)
			for _, x := range tt.exchanges {
				if x.post != "" {
					p.postTo(x.post, x.poll == "6\x1e1")
				}
				if got := anyID(p.poll()); got != x.poll {
					t.Fatalf("after POST %q the poll = %q, want %q", x.post, got, x.poll)
				}
			}
		})
	}
}

// A client that joins no namespace is sent away.
func TestConnectTimeout(t *testing.T) {
	s, base := newServer(t)
	s.ConnectTimeout = time.Second
	p := open(t, base, "4")
	p.post("40/nope,")
	if got := p.poll(); !strings.HasPrefix(got, "44/nope,") {
		t.Fatalf("the poll = %q, want a refusal", got)
	}
	if got := p.poll(); got != "1" { // a refusal does not stop the clock
		t.Errorf("the poll after the timeout = %q, want 1", got)
	}
	joined := open(t, base, "4")
	joined.post("40")
	joined.poll()
	joined.post("41") // with no namespace left the session stays
	joined.post("40")
	if got := anyID(joined.poll()); got != `40{"sid":"…"}` {
		t.Errorf("connecting again = %q, want an id", got)
	}
}

// A handler that panics ends its own client's session and nothing else.
func TestHandlerPanics(t *testing.T) {
	s, base := newServer(t)
	faults := make(chan error, 1)
	s.OnError("/", func(_ socketio.Conn, err error) { faults <- err })
	other := open(t, base, "4")
	other.post("40")
	other.poll()
	p := open(t, base, "4")
	p.post("40")
	p.poll()
	p.post(`42["panic"]`)
	if got := p.poll(); got != "6\x1e1" {
		t.Errorf("the poll after a panic = %q, want 6 and 1", got)
	}
	if err := <-faults; !strings.Contains(err.Error(), "on purpose") {
		t.Errorf("OnError got %v, want the panic", err)
	}
	other.post(`420["echo"]`)
	if got := other.poll(); got != "430[]" {
		t.Errorf("another client's echo = %q, want 430[]", got)
	}
}

// OnDisconnect runs once for each OnConnect, with the reason.
func TestLifeOfAConn(t *testing.T) {
	s, base := newServer(t)
	type entry struct{ what, namespace, reason string }
	log := make(chan entry, 10)
	ids := make(chan string, 10)
	for _, namespace := range []string{"/", "/custom"} {
		s.OnConnect(namespace, func(c socketio.Conn) error {
			c.SetContext(c.ID())
			ids <- c.ID()
			log <- entry{"connect", c.Namespace(), ""}
			c.Emit("hello", map[string]string{"id": c.ID()})
			return nil
		})
		s.OnDisconnect(namespace, func(c socketio.Conn, reason string) {
			if c.Context() != c.ID() {
				t.Errorf("Context = %v, want what SetContext left", c.Context())
			}
			c.Emit("too late")
			log <- entry{"disconnect", c.Namespace(), reason}
		})
	}
	p := open(t, base, "4")
	p.post("40\x1e40/custom,")
	first, second := <-ids, <-ids
	want := `40{"sid":"` + first + `"}` + "\x1e" + `42["hello",{"id":"` + first + `"}]` + "\x1e" +
		`40/custom,{"sid":"` + second + `"}` + "\x1e" + `42/custom,["hello",{"id":"` + second + `"}]`
	if got := p.poll(); got != want {
		t.Errorf("the poll = %q, want %q", got, want)
	}
	p.post("41/custom,")
	p.post("1")
	for _, want := range []entry{
		{"connect", "/", ""},
		{"connect", "/custom", ""},
		{"disconnect", "/custom", "client namespace disconnect"},
		{"disconnect", "/", "transport close"},
	} {
		if got := <-log; got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if len(log) > 0 {
		t.Errorf("more happened: %v", <-log)
	}
}
