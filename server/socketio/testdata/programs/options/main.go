// Written for go-socket.io v1.7.0: every option of its server, CheckOrigin of
// both transports among them.
package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	socketio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/engineio"
	"github.com/googollee/go-socket.io/engineio/session"
	"github.com/googollee/go-socket.io/engineio/transport"
	"github.com/googollee/go-socket.io/engineio/transport/polling"
	"github.com/googollee/go-socket.io/engineio/transport/websocket"
)

type counter struct{ n atomic.Int64 }

func (c *counter) NewID() string { return "session-" + strconv.FormatInt(c.n.Add(1), 10) }

var _ session.IDGenerator = &counter{}

func allow(r *http.Request) bool { return r.Header.Get("Origin") != "https://bad.example" }

func main() {
	server := socketio.NewServer(&engineio.Options{
		PingInterval: 3 * time.Second,
		PingTimeout:  2 * time.Second,
		Transports: []transport.Transport{
			&polling.Transport{CheckOrigin: allow},
			&websocket.Transport{CheckOrigin: allow},
		},
		SessionIDGenerator: &counter{},
		RequestChecker: func(r *http.Request) (http.Header, error) {
			if r.URL.Query().Get("secret") != "sesame" {
				return nil, errors.New("no sesame")
			}
			return http.Header{"X-Checked": {"yes"}}, nil
		},
		ConnInitor: func(r *http.Request, c engineio.Conn) {
			c.SetContext("came by " + r.URL.Query().Get("transport"))
		},
	})
	server.OnConnect("/", func(c socketio.Conn) error {
		c.Emit("context", c.Context())
		return nil
	})
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
