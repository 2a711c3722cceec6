// Command echo is the server that conformance tools talk to: it sends back what
// it is sent, by Engine.IO alone or by Socket.IO (CONFORMANCE.md section 2).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address")
	mode := flag.String("mode", "socket", "engine: Engine.IO below /engine.io/; socket: Socket.IO below /socket.io/")
	eio3 := flag.Bool("eio3", true, "let clients of Engine.IO 3 in")
	pingInterval := flag.Duration("ping-interval", 25*time.Second, "between heartbeats")
	pingTimeout := flag.Duration("ping-timeout", 20*time.Second, "that a heartbeat may take")
	connectTimeout := flag.Duration("connect-timeout", 45*time.Second, "for a client to join a namespace")
	flag.Parse()

	opts := &engineio.Options{
		PingInterval: *pingInterval,
		PingTimeout:  *pingTimeout,
		MaxPayload:   1_000_000,
		RefuseV3:     !*eio3,
	}
	if err := serve(*listen, *mode, opts, *connectTimeout); err != nil {
		log.Fatal("echo: ", err)
	}
}

func serve(listen, mode string, opts *engineio.Options, connectTimeout time.Duration) error {
	mux := http.NewServeMux()
	switch mode {
	case "engine":
		mux.Handle("/engine.io/", engine(opts))
	case "socket":
		mux.Handle("/socket.io/", socket(opts, connectTimeout))
	default:
		return errors.New("--mode is engine or socket")
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(listener)
}

// engine echoes every message as what it was, text or binary.
func engine(opts *engineio.Options) *engineio.Server {
	return engineio.NewServer(opts, func(s *engineio.Session) engineio.Receiver { return echo{s} })
}

type echo struct{ session *engineio.Session }

func (e echo) Message(data []byte, binary bool) {
	version := e.session.Version()
	if binary {
		e.session.Send(engineio.BinaryFrame(version, data))
	} else {
		e.session.Send(engineio.TextFrame(version, data))
	}
}

func (echo) Closed(string) {}

// socket says what clients connected with, and echoes events in "/". Clients of
// "/custom" are let in, others are not.
func socket(opts *engineio.Options, connectTimeout time.Duration) *socketio.Server {
	s := socketio.NewServer(opts)
	s.ConnectTimeout = connectTimeout
	for _, namespace := range []string{"/", "/custom"} {
		s.OnConnect(namespace, func(c socketio.Conn) error {
			auth := c.Auth()
			if auth == nil {
				auth = json.RawMessage("{}")
			}
			c.Emit("auth", auth)
			return nil
		})
	}
	s.OnEvent("/", "message", func(c socketio.Conn, e *socketio.Event) { c.Emit("message-back", all(e)...) })
	s.OnEvent("/", "message-with-ack", func(_ socketio.Conn, e *socketio.Event) { e.Ack(all(e)...) })
	s.OnError("/", func(_ socketio.Conn, err error) { log.Print("echo: ", err) })
	return s
}

// all are the arguments of an event, to be sent again as they came.
func all(e *socketio.Event) []any {
	args := make([]any, len(e.Args))
	pointers := make([]any, len(e.Args))
	for i, arg := range e.Args {
		args[i] = arg
		pointers[i] = &args[i]
	}
	if len(e.Attachments) > 0 { // which belong to places in them
		if err := e.Scan(pointers...); err != nil {
			log.Print("echo: ", err)
		}
	}
	return args
}
