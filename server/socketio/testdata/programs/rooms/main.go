// Written for go-socket.io v1.7.0: rooms, and the adapter that shares them over
// the Redis whose address is the first argument.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"sort"

	socketio "github.com/googollee/go-socket.io"
)

func main() {
	server := socketio.NewServer(nil)
	if ok, err := server.Adapter(&socketio.RedisAdapterOptions{Addr: os.Args[1], Prefix: "rooms"}); !ok || err != nil {
		log.Println("adapter:", err)
		os.Exit(1)
	}
	server.OnConnect("/", func(c socketio.Conn) error {
		server.JoinRoom("/", "all", c)
		return nil
	})
	server.OnEvent("/", "join", func(c socketio.Conn, room string) []string {
		c.Join(room)
		var rooms []string
		for _, name := range c.Rooms() {
			if name != c.ID() {
				rooms = append(rooms, name)
			}
		}
		sort.Strings(rooms)
		return rooms
	})
	server.OnEvent("/", "leave", func(c socketio.Conn, room string) int {
		server.LeaveRoom("/", room, c)
		return server.RoomLen("/", room)
	})
	server.OnEvent("/", "leave everything", func(c socketio.Conn) { server.LeaveAllRooms("/", c) })
	server.OnEvent("/", "say", func(_ socketio.Conn, room, text string) bool {
		return server.BroadcastToRoom("/", room, "said", room, text)
	})
	server.OnEvent("/", "shout", func(_ socketio.Conn, text string) bool {
		return server.BroadcastToNamespace("/", "said", "everywhere", text)
	})
	server.OnEvent("/", "poke", func(_ socketio.Conn, room string) bool {
		return server.ForEach("/", room, func(other socketio.Conn) { other.Emit("poked", room) })
	})
	server.OnEvent("/", "clear", func(_ socketio.Conn, room string) bool { return server.ClearRoom("/", room) })
	server.OnEvent("/", "count", func(socketio.Conn) (int, int) { return server.Count(), server.RoomLen("/", "all") })
	go server.Serve()
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
