package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	socketio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/engineio"
	"github.com/googollee/go-socket.io/engineio/transport"
	"github.com/googollee/go-socket.io/engineio/transport/websocket"
)

// serveGoogollee is go-socket.io v1.7.0 as its README shows it: rooms for
// channels, and Redis behind them.
func serveGoogollee(redis string) error {
	server := socketio.NewServer(&engineio.Options{
		Transports:   []transport.Transport{websocket.Default},
		PingInterval: heartbeats, PingTimeout: heartbeats,
	})
	channels, err := listenTo(redis, func(channel string, data []byte) {
		// It walks each argument by reflection, and JSON that is ready byte by
		// byte: a struct costs it less.
		var p payload
		if err := json.Unmarshal(data, &p); err != nil {
			fmt.Fprintln(os.Stderr, "bench: googollee:", err)
			return
		}
		server.BroadcastToRoom("/", channel, channel, p)
	})
	if err != nil {
		return err
	}
	server.OnConnect("/", func(socketio.Conn) error { return nil })
	server.OnError("/", func(socketio.Conn, error) {})
	server.OnEvent("/", "subscribe", func(c socketio.Conn, channel string) map[string]any {
		c.Join(channel)
		if err := channels.add(channel); err != nil {
			return map[string]any{"ok": false}
		}
		return map[string]any{"ok": true}
	})
	go func() { // ends with the process
		if err := server.Serve(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: googollee:", err)
		}
	}()
	return serveHTTP(server)
}

// A payload is what the generator publishes.
type payload struct {
	Channel int    `json:"c"`
	Number  int64  `json:"n"`
	Due     int64  `json:"t"`
	Pad     string `json:"pad"`
}

// heartbeats is their interval in all subjects: longer than any run.
const heartbeats = 10 * time.Minute

func serveHTTP(handler http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}
