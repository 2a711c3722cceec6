package embedded

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Each of a thousand hostile clients is answered with an error or nothing and
// closed, and another client does not notice.
func TestHostileClients(t *testing.T) {
	b, s := start(t, Config{MaxPublish: 1 << 10})
	good := dial(t, b)
	inputs := []struct{ send, want string }{
		{"*1000000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{"*1\r\n$9999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"*3\r\n$7\r\nPUBLISH\r\n$4\r\nsb:x\r\n$1025\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nPUBLISH sb:x evil\r\n", ""},
		{"GET / HTTP/1.1\r\n", ""},
		{strings.Repeat("x", 70<<10), "-ERR Protocol error: line too long\r\n"},
		{"*1\r\n:1\r\n", "-ERR Protocol error: expected '$'\r\n"},
	}
	var wg sync.WaitGroup
	gate := make(chan struct{}, 50)
	for i := range 1000 {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			in := inputs[i%len(inputs)]
			conn, err := net.Dial("tcp", b.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, in.send) // it may be closed before all is sent
			_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			answer, _ := bufio.NewReader(conn).ReadString('\n') // or it ends without one, or with a reset
			if in.want == "" && answer != "" || answer != "" && answer != in.want {
				t.Errorf("%.30q was answered %q, want %q", in.send, answer, in.want)
			}
		})
		if i%100 == 0 {
			if n, err := redis.Int(good.Do("PUBLISH", "sb:good", i)); n != 3 || err != nil {
				t.Errorf("the good client: %d, %v", n, err)
			}
		}
	}
	wg.Wait()
	for _, got := range s.seen() {
		if !strings.HasPrefix(got, "good ") {
			t.Errorf("the sink got %q from a hostile client", got)
		}
	}
}

func TestTooManyClients(t *testing.T) {
	b, _ := start(t, Config{MaxClients: 2})
	first := dial(t, b)
	for _, conn := range []redis.Conn{first, dial(t, b)} {
		if _, err := conn.Do("PING"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := dial(t, b).Do("PING"); err == nil || !strings.Contains(err.Error(), "max number of clients") {
		t.Errorf("the third client of two: %v, want an error that says so", err)
	}
	first.Close()
	for { // the place is free soon
		if _, err := dial(t, b).Do("PING"); err == nil {
			return
		}
	}
}
