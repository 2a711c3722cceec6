package server

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"time"
)

// ServeGrown serves with n sessions that have no sockets, each in a channel of
// its own and many in some that a lot is published on, for those who look at the
// console of it. It prints its address, and ends with its standard input.
func ServeGrown(n int) error {
	shared := []string{"feed:football:fantasy", "feed:cricket", "score:live", "news:breaking", "chat room", "zimmer/é"}
	s, sockets, err := attached(Config{PublishKeys: []string{"publish"}, Redis: Redis{Embedded: true, Port: 6380}}, n, func(i int) string {
		return "user#" + strconv.Itoa(i)
	})
	if err != nil {
		return err
	}
	for i, socket := range sockets {
		for j, tag := range shared {
			if i%(3+5*j) == 0 {
				socket.say(fmt.Sprintf(`42["subscribe",%q]`, tag))
			}
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { // ends with ctx
		data := []byte(`{"goal":1}`)
		for ctx.Err() == nil {
			for range 1 + rand.IntN(20) {
				s.Message("user#"+strconv.Itoa(rand.IntN(1+rand.IntN(1+rand.IntN(n)))), data) // some more often than others
			}
			if i := int(4 * rand.ExpFloat64()); i < len(shared) {
				s.Message(shared[i], data)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	go func() { // ends with the standard input
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	fmt.Printf("http://%s\n", listener.Addr())
	return s.Serve(ctx, listener)
}
