package server_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server"
)

var (
	connectPattern = regexp.MustCompile(`^40\{"sid":"([A-Z2-7]{26})","pid":"([A-Z2-7]{26}[\w-]{22})"\}$`)
	eventPattern   = regexp.MustCompile(`^42(\[.*\])$`)
)

func TestStockClientsComeBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		away func(t *testing.T, n *node, c *stock) // while the client is away
		want []string                              // that it missed; nil: it is a new session
	}{
		{"nothing missed", func(*testing.T, *node, *stock) {}, []string{}},
		{"in the order of all channels", func(t *testing.T, n *node, _ *stock) {
			n.publish(t, "y", "1", 0)
			n.publish(t, "x", "2", 0)
			n.publish(t, "not heard", "3", 0)
			n.publish(t, "y", "4", 0)
		}, []string{"y 1", "x 2", "y 4"}},
		{"the same member again", func(t *testing.T, n *node, c *stock) {
			n.publish(t, "x", "1", 0)
			c.auth = map[string]any{"token": granted(t, "m", time.Now().Add(time.Hour), "private:p", "private:more")}
		}, []string{"x 1"}},
		{"another member", func(t *testing.T, n *node, c *stock) {
			n.publish(t, "x", "1", 0)
			c.auth = map[string]any{"token": granted(t, "other", time.Now().Add(time.Hour), "private:p")}
		}, nil},
		{"nobody", func(_ *testing.T, _ *node, c *stock) { c.auth = nil }, nil},
		{"a channel was revoked", func(t *testing.T, _ *node, c *stock) {
			c.auth = map[string]any{"token": granted(t, "m", time.Now().Add(time.Hour))}
		}, nil},
		{"a break of the broker", func(_ *testing.T, n *node, _ *stock) {
			n.Lost("broker_lost")
			for _, tag := range []string{"x", "y", "private:p"} {
				n.Live(tag)
			}
		}, nil},
		{"a break that is not over", func(_ *testing.T, n *node, _ *stock) { n.Lost("broker_lost", "y") }, nil},
		{"a message that was refused", func(t *testing.T, n *node, _ *stock) {
			n.publish(t, "y", strings.Repeat("[", 600)+strings.Repeat("]", 600), 0)
		}, nil},
		{"more than may wait for a client", func(t *testing.T, n *node, _ *stock) {
			n.publish(t, "x", `"`+strings.Repeat("x", 600<<10)+`"`, 0)
		}, nil},
		{"a forged pid", func(_ *testing.T, _ *node, c *stock) { c.pid = c.id + strings.Repeat("A", 22) }, nil},
		{"a pid of another time", func(_ *testing.T, _ *node, c *stock) { c.pid = strings.Repeat("A", 48) }, nil},
		{"no message had come", func(t *testing.T, n *node, c *stock) {
			c.offset = ""
			n.publish(t, "y", "1", 0)
		}, []string{"x 0", "y 1"}},
		{"an offset that is none", func(_ *testing.T, _ *node, c *stock) { c.offset = "Q86L8ar" }, nil},
		{"an offset of another node", func(_ *testing.T, _ *node, c *stock) { c.offset = "a" + c.offset }, nil},
		{"an offset of the future", func(t *testing.T, n *node, c *stock) {
			fields := strings.Split(c.offset, ".")
			fields[1] = "zzzz"
			c.offset = strings.Join(fields, ".")
			n.publish(t, "x", "1", 0)
		}, nil},
		{"an offset that is no text", func(_ *testing.T, _ *node, c *stock) { c.auth["offset"] = 7 }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := start(t, server.Config{Linger: time.Minute, Identity: tokens()})
			c := &stock{t: t, n: n, auth: map[string]any{
				"token": granted(t, "m", time.Now().Add(time.Hour), "private:p"),
			}}
			c.connect()
			for _, tag := range []string{"x", "y", "private:p"} {
				c.subscribe(tag, "")
			}
			n.publish(t, "x", "0", 1)
			if got := c.next(); got != "x 0" {
				t.Fatalf("got %s", got)
			}
			id := c.id
			c.cut()
			tt.away(t, n, c)
			c.connect()
			if tt.want == nil {
				if c.recovered || c.id == id || len(c.missed) > 0 {
					t.Fatalf("recovered: %v, the same id: %v, got %q; want a new session", c.recovered, c.id == id, c.missed)
				}
				if got := n.Message("x", []byte("9")); got != 0 {
					t.Errorf("%d clients hear a channel that nobody has subscribed to", got)
				}
				return
			}
			if !c.recovered || !slices.Equal(c.missed, tt.want) {
				t.Fatalf("recovered: %v, got %q, want %q", c.recovered, c.missed, tt.want)
			}
			if want := fmt.Sprintf(`{"id":%q,"member":"m"}`, c.id); c.session != want {
				t.Errorf("$session says %s, want %s", c.session, want)
			}
			// And it is heard of by operators, and hears, as before.
			if status, answer := n.operate(t, "GET", "/api/members/m", ""); status != 200 || !strings.Contains(answer, c.id) || !strings.Contains(answer, `"private:p"`) {
				t.Errorf("/api/members has %d %s", status, answer)
			}
			for _, tag := range []string{"x", "y", "private:p"} {
				n.publish(t, tag, `"live"`, 1)
				if got, want := c.next(), tag+` "live"`; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			}
			c.cut()
			n.publish(t, "y", "5", 0)
			c.connect()
			if !c.recovered || !slices.Equal(c.missed, []string{"y 5"}) {
				t.Errorf("the second time: recovered: %v, got %q", c.recovered, c.missed)
			}
		})
	}
}

// A guest without a token is the same guest by its pid.
func TestGuestsComeBack(t *testing.T) {
	n := start(t, server.Config{Linger: time.Minute})
	c := &stock{t: t, n: n}
	c.connect()
	c.subscribe("x", "")
	n.publish(t, "x", "0", 1)
	c.next()
	before := c.session
	c.cut()
	c.connect()
	if !c.recovered || c.session != before {
		t.Errorf("recovered: %v, $session is %s, want %s", c.recovered, c.session, before)
	}
}

// What a client was told out of the order of positions counts as got only with a
// later message.
func TestStockClientsOutOfOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(n *node, c *stock, first string)
	}{
		{"replayed on subscribe", func(_ *node, c *stock, first string) {
			c.subscribe("y", fmt.Sprintf(`{"since":%q}`, first))
		}},
		{"$expired", func(n *node, c *stock, _ string) {
			if status, answer := n.operate(c.t, "POST", "/api/unsubscribe", fmt.Sprintf(`{"session":%q,"channel":"z"}`, c.id)); status != 200 {
				c.t.Fatalf("/api/unsubscribe = %d %s", status, answer)
			}
			if got := c.next(); got != `$expired {"channel":"z","reason":"operator"}` {
				c.t.Fatalf("got %s", got)
			}
		}},
	} {
		for _, later := range []bool{false, true} { // whether a later message comes
			t.Run(fmt.Sprintf("%s, and a later message: %v", tt.name, later), func(t *testing.T) {
				n := start(t, server.Config{Linger: time.Minute})
				c := &stock{t: t, n: n}
				c.connect()
				other := &stock{t: t, n: n}
				other.connect()
				other.subscribe("y", "")
				c.subscribe("x", "")
				c.subscribe("z", "")
				n.publish(t, "x", "1", 1)
				c.next()
				first := c.offset
				n.publish(t, "y", "2", 1)
				n.publish(t, "x", "3", 1)
				c.next()
				offset := c.offset // what follows may be lost on the way
				tt.do(n, c, first)
				if later {
					n.publish(t, "x", "4", 1)
					c.next()
					offset = c.offset
				}
				c.cut()
				c.offset = offset
				n.publish(t, "x", "5", 0)
				c.connect()
				if c.recovered != later {
					t.Errorf("recovered: %v, want %v", c.recovered, later)
				}
				if want := []string{"x 5"}; later && !slices.Equal(c.missed, want) {
					t.Errorf("got %q, want %q", c.missed, want)
				}
			})
		}
	}
}

// A member who has as many sessions as they may is refused, and hears nothing.
func TestStockClientsTooMany(t *testing.T) {
	n := start(t, server.Config{Linger: time.Minute, Identity: tokens(), MaxPerMember: 1})
	c := &stock{t: t, n: n, auth: map[string]any{"token": granted(t, "m", time.Now().Add(time.Hour))}}
	c.connect()
	c.subscribe("x", "")
	n.publish(t, "x", "0", 1)
	c.next()
	c.cut()
	another := n.as(t, granted(t, "m", time.Now().Add(time.Hour)))
	defer another.Close()
	again := &socket{t: t}
	conn, r, _, err := ws.Dial(t.Context(), strings.Replace(n.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	again.Conn, again.r = conn, reader(conn, r)
	again.hear()
	auth, err := json.Marshal(map[string]any{"token": c.auth["token"], "pid": c.pid, "offset": c.offset})
	if err != nil {
		t.Fatal(err)
	}
	if got := again.ask("40" + string(auth)); !strings.HasPrefix(got, "44") {
		t.Fatalf("got %s, want a refusal", got)
	}
	n.publish(t, "x", "1", 0)
}
