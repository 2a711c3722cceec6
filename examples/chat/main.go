// Command chat is a chat with rooms on the package socketio, in the manner of
// go-socket.io: any socket.io-client from 0.9 on can join, and its own page
// has one.
//
// The page takes the client from node_modules: run `npm ci` first, or name
// another file with --client.
package main

import (
	"embed"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/server/socketio"
)

//go:embed index.html page.js
var files embed.FS

func main() {
	listen := flag.String("listen", "localhost:8091", "address")
	script := flag.String("client", "node_modules/sio-client-4/dist/socket.io.min.js", "socket.io-client for the page")
	flag.Parse()
	if err := serve(*listen, *script); err != nil {
		log.Fatal("chat: ", err)
	}
}

func serve(listen, script string) error {
	s := newChat()
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", s)
	mux.HandleFunc("GET /client.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, script) })
	mux.Handle("/", http.FileServerFS(files))
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	go func() { // ends with the process
		if err := s.Serve(); err != nil {
			log.Print("chat: ", err)
		}
	}()
	defer s.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	fmt.Printf("Open http://localhost:%s/\n", port)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// A guest is who a connection belongs to, once it has joined.
type guest struct{ name, room string }

// A line is what everybody in a room sees. From is empty for what the room
// itself says.
type line struct {
	From string `json:"from"`
	Text string `json:"text"`
}

const maxText = 500 // characters of a name, a room or a text

func newChat() *socketio.Server {
	s := socketio.NewServer(nil)
	tell := func(room, from, text string) { s.BroadcastToRoom("/", room, "line", line{from, text}) }

	// join(name, room) answers with who is there, or null and an error.
	s.OnEvent("/", "join", func(c socketio.Conn, name, room string) ([]string, error) {
		name, room = strings.TrimSpace(name), strings.TrimSpace(room)
		if name == "" || room == "" || len(name) > maxText || len(room) > maxText {
			return nil, errors.New("a name and a room, please")
		}
		if was, ok := c.Context().(guest); ok {
			c.Leave(was.room)
			tell(was.room, "", was.name+" has left")
		}
		c.SetContext(guest{name, room})
		c.Join(room)
		tell(room, "", name+" has come")
		var there []string
		s.ForEach("/", room, func(other socketio.Conn) {
			if g, ok := other.Context().(guest); ok {
				there = append(there, g.name)
			}
		})
		return there, nil
	})

	s.OnEvent("/", "say", func(c socketio.Conn, text string) {
		if g, ok := c.Context().(guest); ok && text != "" && len(text) <= maxText {
			tell(g.room, g.name, text)
		}
	})

	s.OnDisconnect("/", func(c socketio.Conn, _ string) {
		if g, ok := c.Context().(guest); ok {
			c.Leave(g.room)
			tell(g.room, "", g.name+" has left")
		}
	})
	s.OnError("/", func(_ socketio.Conn, err error) { log.Print("chat: ", err) })
	return s
}
