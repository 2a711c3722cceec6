// Command server is the other end of the client matrix: the events of
// tests/matrix/steps.mjs on the package socketio, and nothing else.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"

	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	s := socketio.NewServer(&engineio.Options{MaxPayload: 1_000_000})
	handle(s)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, s))
}

// unicode is of every length in UTF-8, and holds what JavaScript once could not
// have in a string.
const unicode = "é € 日本 😀 \u2028 \u2029 ÿ Ã©-free"

func handle(s *socketio.Server) {
	type ok struct {
		OK bool `json:"ok"`
	}
	s.OnEvent("/", "subscribe", func(c socketio.Conn, channel string) ok {
		c.Join(channel)
		return ok{true}
	})
	s.OnEvent("/", "give", func(c socketio.Conn, what string) {
		switch what {
		case "json":
			c.Emit("given", map[string]any{"a": 1, "b": []any{true, nil}, "c": "x"})
		case "unicode":
			c.Emit("given", unicode)
		case "binary":
			all := make([]byte, 256)
			for i := range all {
				all[i] = byte(i)
			}
			c.Emit("given", all)
		}
	})
	s.OnEvent("/", "echo", func(c socketio.Conn, args ...any) { c.Emit("echo-back", args...) })
	s.OnEvent("/", "binary", func(_ socketio.Conn, data []byte) (int, []byte) { return len(data), data })
	s.OnEvent("/", "publish", func(_ socketio.Conn, channel string, data any) {
		s.BroadcastToRoom("/", channel, channel, data)
	})
	s.OnEvent("/", "publish-large", func(_ socketio.Conn, channel string) {
		s.BroadcastToRoom("/", channel, channel, strings.Repeat("x", 150<<10))
	})
	s.OnEvent("/", "drop", func(c socketio.Conn) { c.Drop() })
	s.OnEvent("/", "kick", func(c socketio.Conn) { _ = c.Close() })
	s.OnError("/", func(_ socketio.Conn, err error) { log.Print(err) })
}
