package socketio_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/socketio"
)

type point struct{ X, Y int }

// Handlers of many forms, with what a client sends and what it gets.
func TestHandlers(t *testing.T) {
	s, base := newServer(t)
	faults := make(chan string, 10)
	s.OnError("/", func(_ socketio.Conn, err error) { faults <- err.Error() })
	for _, tt := range []struct {
		name    string
		handler any
		args    string // of the event, after its name
		ack     string
		fault   string
	}{
		{"nothing", func(socketio.Conn) {}, "", "", ""},
		{"one result", func(_ socketio.Conn, s string) string { return "got " + s }, `,"é"`, `["got é"]`, ""},
		{"two results", func(_ socketio.Conn, a, b int) (int, bool) { return a + b, a < b }, `,1,2`, `[3,true]`, ""},
		{"struct", func(_ socketio.Conn, p point) point { return point{p.Y, p.X} }, `,{"X":1,"Y":2}`, `[{"X":2,"Y":1}]`, ""},
		{"pointer", func(_ socketio.Conn, p *point) int { return p.X }, `,{"X":7}`, `[7]`, ""},
		{"map and any", func(_ socketio.Conn, m map[string]any, v any) string { return fmt.Sprint(m["a"], v) }, `,{"a":1},[null]`, `["1 [\u003cnil\u003e]"]`, ""},
		{"left out", func(_ socketio.Conn, a string, b *int) bool { return a == "" && b == nil }, "", `[true]`, ""},
		{"left over", func(_ socketio.Conn, a int) int { return a }, `,1,2,3`, `[1]`, ""},
		{"variadic", func(_ socketio.Conn, _ int, rest ...string) string { return strings.Join(rest, "+") }, `,1,"a","b"`, `["a+b"]`, ""},
		{"variadic without rest", func(_ socketio.Conn, rest ...int) int { return len(rest) }, "", `[0]`, ""},
		{"raw", func(_ socketio.Conn, m json.RawMessage) json.RawMessage { return m }, `,{"a":[1]}`, `[{"a":[1]}]`, ""},
		{
			"bytes", func(_ socketio.Conn, b []byte, m map[string][]byte) string { return string(b) + string(m["x"]) },
			`,{"_placeholder":true,"num":1},{"x":{"_placeholder":true,"num":0}}`, `["onezero"]`, "",
		},
		{
			"bytes in any", func(_ socketio.Conn, v any) string {
				list := v.([]any)
				return string(list[0].([]byte)) + string(list[1].(map[string]any)["x"].([]byte))
			},
			`,[{"_placeholder":true,"num":1},{"x":{"_placeholder":true,"num":0}}]`, `["onezero"]`, "",
		},
		{"context", func(ctx context.Context, c socketio.Conn, a int) bool {
			return ctx.Err() == nil && c.ID() != "" && a == 1
		}, `,1`, `[true]`, ""},
		{"error", func(socketio.Conn) error { return errors.New("no") }, "", `["no"]`, ""},
		{"no error", func(socketio.Conn) (int, error) { return 1, nil }, "", `[1,null]`, ""},
		{"wrong type", func(socketio.Conn, int) int { return 1 }, `,"x"`, "", `socketio: wrong type: argument 1: json: cannot unmarshal string into Go value of type int`},
		{"no base64", func(socketio.Conn, []byte) int { return 1 }, `,"?"`, "", `socketio: no base64: argument 1: illegal base64 data at input byte 0`},
		{"bad result", func(socketio.Conn) any { return make(chan int) }, "", "", `socketio: ack of "bad result": packet: arguments: json: unsupported type: chan int`},
	} {
		s.OnEvent("/", tt.name, tt.handler)
		p := open(t, base, "4")
		p.post("40")
		p.poll()
		post := fmt.Sprintf(`420[%q%s]`, tt.name, tt.args)
		if strings.HasPrefix(tt.name, "bytes") {
			post = "452-" + post[2:] + "\x1eb" + "emVybw==" + "\x1eb" + "b25l"
		}
		// The answer to the other event ends the poll if there is none to this.
		p.post(post + "\x1e" + `421["echo"]`)
		want := "431[]"
		if tt.ack != "" {
			want = "430" + tt.ack + "\x1e" + want
		}
		if got := p.poll(); got != want {
			t.Errorf("%s: POST %s gives %s, want %s", tt.name, post, got, want)
		}
		fault := ""
		select {
		case fault = <-faults:
		default:
		}
		if fault != tt.fault {
			t.Errorf("%s: OnError heard %q, want %q", tt.name, fault, tt.fault)
		}
	}
}

func TestNoHandlers(t *testing.T) {
	type withFunc struct{ F func() }
	type loop struct {
		Next  *loop
		inner chan int
	}
	var none func(socketio.Conn)
	for _, tt := range []struct {
		f    any
		says string // "" for a good one
	}{
		{nil, "must be a function"},
		{"f", "must be a function"},
		{none, "must be a function"},
		{socketio.Handler(nil), "nil"},
		{func() {}, "socketio.Conn first"},
		{func(string) {}, "socketio.Conn first"},
		{func(context.Context) {}, "socketio.Conn first"},
		{func(socketio.Conn, chan int) {}, "argument 2"},
		{func(socketio.Conn, int, func()) {}, "argument 3"},
		{func(socketio.Conn, withFunc) {}, "argument 2"},
		{func(socketio.Conn, ...[]chan int) {}, "argument 2"},
		{func(socketio.Conn, error) {}, "argument 2"},
		{func(context.Context, socketio.Conn, complex64) {}, "argument 3"},
		{func(socketio.Conn) (int, chan int) { return 0, nil }, "result 2"},
		{func(socketio.Conn, *loop, struct {
			F func() `json:"-"`
		}) {
		}, ""},
	} {
		func() {
			defer func() {
				said := recover()
				if tt.says == "" && said != nil || tt.says != "" && !strings.Contains(fmt.Sprint(said), tt.says) {
					t.Errorf("NewHandler(%T) panics with %v, want %q", tt.f, said, tt.says)
				}
			}()
			socketio.NewHandler(tt.f)
		}()
	}
	_ = loop{inner: nil}.inner
}

// Acks that the server asks for.
func TestAcks(t *testing.T) {
	s, base := newServer(t)
	conns := make(chan socketio.Conn, 1)
	gone := make(chan string, 1)
	faults := make(chan string, 10)
	s.OnConnect("/", func(c socketio.Conn) error { conns <- c; return nil })
	s.OnDisconnect("/", func(_ socketio.Conn, reason string) { gone <- reason })
	s.OnError("/", func(_ socketio.Conn, err error) { faults <- err.Error() })
	p := open(t, base, "4")
	p.post("40")
	p.poll()
	c := <-conns

	told := make(chan string, 1)
	c.Emit("ask", 1, []byte("bin"), func(s string, b []byte) { told <- s + string(b) })
	if got, want := p.poll(), "451-1[\"ask\",1,{\"_placeholder\":true,\"num\":0}]\x1ebYmlu"; got != want {
		t.Fatalf("the poll = %q, want %q", got, want)
	}
	p.post("461-1[\"yes \",{\"_placeholder\":true,\"num\":0}]\x1ebYmlu\x1e" + `431["again","x"]`)
	if got := <-told; got != "yes bin" {
		t.Errorf("the ack = %q, want yes bin", got)
	}

	c.Emit("ask", func(int) {})
	p.poll()
	p.post(`432["no number"]`)
	if got := <-faults; !strings.Contains(got, "ack of ask: argument 1") {
		t.Errorf("OnError heard %q of an ack that does not fit", got)
	}
	c.Emit("ask", func(chan int) {})
	if got := <-faults; !strings.Contains(got, "cannot be decoded") {
		t.Errorf("OnError heard %q of a function that takes no ack", got)
	}

	type result struct {
		args *socketio.Arguments
		err  error
	}
	ask := func(ctx context.Context) chan result {
		done := make(chan result, 1)
		go func() {
			args, err := c.EmitWithAck(ctx, "ask")
			done <- result{args, err}
		}()
		return done
	}
	done := ask(t.Context())
	if got := p.poll(); got != `423["ask"]` {
		t.Fatalf("the poll = %q", got)
	}
	p.post(`433[{"a":1},2]`)
	r := <-done
	var m map[string]int
	var n int
	if r.err != nil || r.args.Scan(&m, nil) != nil || r.args.Scan(nil, &n, &n) != nil || m["a"] != 1 || n != 2 {
		t.Errorf("EmitWithAck = %+v, %v", r.args, r.err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	done = ask(ctx)
	p.poll()
	cancel()
	if r := <-done; !errors.Is(r.err, context.Canceled) {
		t.Errorf("EmitWithAck after cancel = %v", r.err)
	}
	p.post(`434[1]`) // late, and ignored

	done = ask(t.Context())
	p.poll()
	p.post("41")
	if r := <-done; !errors.Is(r.err, socketio.ErrLeft) {
		t.Errorf("EmitWithAck of a client that left = %v", r.err)
	}
	if reason := <-gone; reason != "client namespace disconnect" {
		t.Errorf("reason %q", reason)
	}
	if r := <-ask(t.Context()); !errors.Is(r.err, socketio.ErrLeft) {
		t.Errorf("EmitWithAck after it left = %v", r.err)
	}
}
