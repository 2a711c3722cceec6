// Written for go-socket.io v1.7.0: no options, two namespaces, acks, contexts.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	socketio "github.com/googollee/go-socket.io"
)

func main() {
	server := socketio.NewServer(nil)
	server.OnConnect("/", func(c socketio.Conn) error {
		c.SetContext("nothing yet")
		log.Println(c.ID(), c.URL(), c.LocalAddr(), c.RemoteAddr(), len(c.RemoteHeader()), c.Namespace())
		return nil
	})
	server.OnEvent("/", "notice", func(c socketio.Conn, text string) {
		c.SetContext(text)
		c.Emit("reply", "noted "+text, map[string]int{"length": len(text)})
	})
	server.OnEvent("/", "add", func(_ socketio.Conn, a, b int) int { return a + b })
	server.OnEvent("/", "ask", func(c socketio.Conn) {
		c.Emit("question", func(answer string) { c.Emit("reply", "you said "+answer) })
	})
	server.OnEvent("/", "bye", func(c socketio.Conn) string {
		last := c.Context().(string)
		c.Emit("bye", last)
		return last
	})
	server.OnEvent("/chat", "msg", func(_ socketio.Conn, text string) (string, bool) { return "got " + text, true })
	server.OnError("/", func(_ socketio.Conn, err error) { log.Println(err) })
	server.OnDisconnect("/", func(_ socketio.Conn, reason string) { log.Println(reason) })

	go func() {
		if err := server.Serve(); err != nil {
			log.Println(err)
		}
	}()
	defer server.Close()

	http.Handle("/socket.io/", server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Println(err)
		os.Exit(1)
	}
	fmt.Println("http://" + listener.Addr().String())
	log.Println(http.Serve(listener, nil))
}
