package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/identity"
)

// TestLimits is the table of RELIABILITY.md section 2: as much as there may be
// is accepted, and one more is refused, in its own way, and counted. Times are
// in TestTimeouts, rates in TestMessageRate and TestSubscribeRate.
func TestLimits(t *testing.T) {
	const kib = 1 << 10
	for _, tt := range []struct {
		name, limit string
		config      server.Config
		try         func(x *limited, more int) string // at the limit, and with 1 more
		ok, refused string                            // how the answers begin
	}{
		{"message, in a POST", "message", server.Config{}, func(x *limited, more int) string {
			return x.post(x.join(), padded(`42["x","`, 64*kib+more, `"]`))
		}, "200 ok", "413"},
		{"message, on a WebSocket", "message", server.Config{}, func(x *limited, more int) string {
			c := x.webSocket()
			frame := masked(ws.OpText, true, padded(`420["unsubscribe","x","`, 64*kib+more, `"]`))
			if more > 0 {
				frame = frame[:ws.MaxHeaderSize] // which says its length: no more is read
			}
			c.Write(frame)
			return c.hear()
		}, `430[{"ok":true}]`, "close 1009"},
		{"publish", "publish", server.Config{PublishKeys: []string{"key"}}, func(x *limited, more int) string {
			return x.http("POST /api/publish", "Authorization: Bearer key\r\n", `{"channel":"x","data":`+padded(`"`, 1024*kib+more, `"`)+"}")
		}, `200 {"channels":{"x":`, `413 {"error":{"code":"bad_request"`},
		{"publish, the request", "publish", server.Config{PublishKeys: []string{"key"}}, func(x *limited, more int) string {
			return x.http("POST /api/publish", "Authorization: Bearer key\r\n", padded(`{"channel":"x","data":1,"more":"`, 1028*kib+more, `"}`))
		}, `200 {"channels":{"x":`, `413 {"error":{"code":"bad_request"`},
		{"queue, messages", "queue", server.Config{}, func(x *limited, more int) string {
			x.quiet("x")
			for range 1000 + more {
				x.n.Message("x", []byte("1"))
			}
			return x.left(1)
		}, "1 session", "0 sessions"},
		{"queue, bytes", "queue", server.Config{}, func(x *limited, more int) string {
			x.quiet("x")
			x.fill("x", 1024*kib+more)
			return x.left(1)
		}, "1 session", "0 sessions"},
		{"queue of all", "total_queue", server.Config{ClientQueue: 64 * kib, TotalQueue: 64 * kib}, func(x *limited, more int) string {
			x.quiet("x")
			x.quiet("y")
			x.fill("x", 40*kib)
			x.fill("y", 64*kib+more)
			return x.left(2)
		}, "2 sessions", "1 session"},
		{"header", "header", server.Config{}, func(x *limited, more int) string {
			rest := len("Host: x\r\n")
			return x.http("GET /healthz", padded("X: ", 16*kib+more-rest, "\r\n"), "")
		}, "200 ok", "431"},
		{"header and URL at once", "url", server.Config{}, func(x *limited, more int) string {
			rest := len("Host: x\r\n")
			return x.http("GET "+padded("/healthz?", 8*kib+more, ""), padded("X: ", 16*kib-rest, "\r\n"), "")
		}, "200 ok", "414"},
		{"packets in a POST", "packets", server.Config{}, func(x *limited, more int) string {
			return x.post(x.join(), strings.Repeat("3\x1e", 999+more)+"3")
		}, "200 ok", "400"},
		{"attachments", "attachments", server.Config{}, func(x *limited, more int) string {
			c := x.webSocket()
			c.send(ws.OpText, true, fmt.Sprintf(`45%d-0["unsubscribe","x"]`, 10+more))
			for i := 0; i < 10 && more == 0; i++ {
				c.send(ws.OpBinary, true, "b")
			}
			return c.hear()
		}, `430[{"ok":true}]`, "close"},
		{"nesting", "nesting", server.Config{}, func(x *limited, more int) string {
			deep := 64 - 1 + more // and the array of the event
			return x.webSocket().ask(`420["unsubscribe","x",` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + "]")
		}, `430[{"ok":true}]`, "close"},
		{"arguments", "arguments", server.Config{}, func(x *limited, more int) string {
			return x.webSocket().ask(`420["unsubscribe","x"` + strings.Repeat(",1", 998+more) + "]")
		}, `430[{"ok":true}]`, "close"},
		{"fragments", "fragments", server.Config{}, func(x *limited, more int) string {
			c := x.webSocket()
			c.send(ws.OpText, false, `420["unsubscribe","x"]`)
			for range 1022 + more {
				c.send(ws.OpContinuation, false, "")
			}
			c.send(ws.OpContinuation, true, "")
			return c.hear()
		}, `430[{"ok":true}]`, "close 1008"},
		{"namespaces", "namespaces", server.Config{}, func(x *limited, more int) string {
			c := x.webSocket() // which is in one
			last := ""
			for i := range 15 + more {
				last = c.ask(fmt.Sprintf("40/n%d,", i))
			}
			return last
		}, "44/n14,", "close"},
		{"channels, in one list", "channels", server.Config{}, func(x *limited, more int) string {
			return x.subscribe(x.n.open(x.t, client.Options{}), 0, 128+more)
		}, "ok", "too_many_channels"},
		{"channels, one after the other", "channels", server.Config{SubscribeRate: -1}, func(x *limited, more int) (last string) {
			b := x.n.open(x.t, client.Options{})
			for i := range 128 + more {
				last = x.subscribe(b, i, 1)
			}
			return last
		}, "ok", "too_many_channels"},
		{"sessions", "sessions", server.Config{MaxSessions: 3}, func(x *limited, more int) (last string) {
			for range 3 + more {
				last = x.http("GET /socket.io/?EIO=4&transport=polling", "", "")
			}
			return last
		}, `200 0{"sid"`, `503 {"code":4,"message":"This server has as many sessions as it may"}`},
		{"sessions of an address", "sessions_per_address", server.Config{MaxPerAddress: 3}, func(x *limited, more int) (last string) {
			for range 3 + more {
				last = x.http("GET /socket.io/?EIO=4&transport=polling", "", "")
			}
			return last
		}, `200 0{"sid"`, `429 {"code":4,"message":"This address has as many sessions as it may"}`},
		{"sessions of a member", "sessions_per_member", server.Config{Identity: identity.Config{Keys: [][]byte{[]byte("0123456789abcdef")}}}, func(x *limited, more int) (last string) {
			claims := jwt.MapClaims{"sub": "m", "exp": time.Now().Add(time.Hour).Unix()}
			auth := map[string]any{"token": token(x.t, "0123456789abcdef", claims)}
			for range 20 + more {
				conn, err := client.Dial(x.t.Context(), x.n.url, client.Options{Auth: auth})
				if err != nil {
					return refusal(x.t, err)
				}
				x.t.Cleanup(func() { conn.Close() })
			}
			return "ok"
		}, "ok", "rate_limited"},
		{"origin", "origin", server.Config{Origins: []string{"https://a.example"}}, func(x *limited, more int) string {
			return x.http("GET /socket.io/?EIO=4&transport=polling", "Origin: https://"+"ab"[more:more+1]+".example\r\n", "")
		}, `200 0{"sid"`, `403 {"code":4,`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for more, want := range []string{tt.ok, tt.refused} {
				n := start(t, tt.config)
				x := &limited{t: t, n: n}
				if got := tt.try(x, more); !strings.HasPrefix(got, want) {
					t.Errorf("the limit and %d more was answered %.200q, want %q…", more, got, want)
				}
				for limit, got := range n.refusals(t) {
					if limit == tt.limit && got != float64(more) || limit != tt.limit && got != 0 {
						t.Errorf("the limit and %d more: %s counts %v", more, limit, got)
					}
				}
				x.hangUp()
				n.stop()
			}
		})
	}
}
