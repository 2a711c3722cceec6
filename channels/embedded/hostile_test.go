package embedded

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"
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
		{"*-1\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{"*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"*1\r\n$18446744073709551616\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{strings.Repeat("*1\r\n", 10_000), "-ERR Protocol error: expected '$'\r\n"},
		{"*2\r\n$4\r\nECHO\r\n*1\r\n$1\r\nx\r\n", "-ERR Protocol error: expected '$'\r\n"},
		{"*1025\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{strings.Repeat("x ", 2000) + "\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{"PUBLISH sb:evil 'x\r\n", "-ERR Protocol error: unbalanced quotes\r\n"},
		{"\x00\xff\x16\x03\x01\n", "-ERR unknown command '?????': this broker takes PUBLISH and XADD; --redis has the rest\r\n"},
		{"*1\r\n$4\r\nPINGx\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
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

// begin serves one client over a pipe, and returns the client's end and what is
// closed when the broker has done with it.
func begin(t *testing.T, config Config) (client net.Conn, done <-chan struct{}) {
	t.Helper()
	config.Log = logrus.New()
	b, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	b.sink = &sink{}
	client, server := net.Pipe()
	ended := make(chan struct{})
	go func() { // ends when the client leaves, or breaks the rules
		defer close(ended)
		defer server.Close()
		newClient(b, server).serve()
	}()
	return client, ended
}

// A client has a time for each thing that it may be slow with, whatever else it
// does meanwhile.
func TestSlowClients(t *testing.T) {
	const never = 24 * time.Hour
	password := Config{Passwords: []string{"right"}}
	say := func(text string) func(net.Conn) error {
		return func(c net.Conn) error { _, err := io.WriteString(c, text); return err }
	}
	for _, tt := range []struct {
		name   string
		config Config
		first  string               // that it says
		again  func(net.Conn) error // what it does each second
		reads  bool                 // the answers
		want   time.Duration        // until it is closed
	}{
		{"a stranger is silent", password, "", nil, true, loginTimeout},
		{"a stranger sends a byte a second", password, "*1\r\n$100\r\n", say("x"), true, loginTimeout},
		{"a stranger says other things", password, "", say("PING\r\n"), true, loginTimeout},
		{"a stranger guesses", password, "", say("AUTH wrong\r\n"), true, loginTimeout},
		{"one who is known is silent", password, "AUTH right\r\n", nil, true, never},
		{"one who is known forgets itself", password, "AUTH right\r\nRESET\r\n", nil, true, loginTimeout},
		{"without a password, silent", Config{}, "", nil, true, never},
		{"busy", Config{}, "", say("PING\r\n"), true, never},
		{"a byte a second", Config{}, "*1\r\n$100\r\n", say("x"), true, commandTimeout},
		{"a line without end", Config{}, "PUB", say("x"), true, commandTimeout},
		{"half a command", Config{}, "*2\r\n$4\r\nECHO\r\n", nil, true, commandTimeout},
		{"it reads no answers", Config{}, strings.Repeat("PING\r\n", 100), nil, false, commandTimeout},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, done := begin(t, tt.config)
				defer client.Close()
				var wg sync.WaitGroup
				if tt.reads {
					wg.Go(func() { io.Copy(io.Discard, client) }) // ends with the connection
				}
				began := time.Now()
				wg.Go(func() { // ends with the connection
					_, err := io.WriteString(client, tt.first)
					for err == nil && tt.again != nil {
						time.Sleep(time.Second)
						err = tt.again(client)
					}
				})
				select {
				case <-done:
					if took := time.Since(began); took != tt.want {
						t.Errorf("closed after %v, want %v", took, tt.want)
					}
				case <-time.After(time.Hour):
					if tt.want != never {
						t.Errorf("not closed, want that after %v", tt.want)
					}
				}
				client.Close()
				<-done
				wg.Wait()
			})
		})
	}
}

// Who has not said the password takes little memory; who has, or need not, may
// send what may be published.
func TestStrangersAreSmall(t *testing.T) {
	bulk := func(n int) string { return fmt.Sprintf("$%d\r\n%s\r\n", n, strings.Repeat("x", n)) }
	echo := func(n int) string { return "*2\r\n$4\r\nECHO\r\n" + bulk(n) }
	const noAuth, large, many = "-NOAUTH", "-ERR Protocol error: invalid bulk length", "-ERR Protocol error: invalid multibulk length"
	for _, tt := range []struct{ name, in, want string }{
		{"n bytes", echo(16 << 10), noAuth},
		{"n+1 bytes", echo(16<<10 + 1), large},
		{"n arguments", "*10\r\n" + strings.Repeat("$1\r\nx\r\n", 10), noAuth},
		{"n+1 arguments", "*11\r\n", many},
		{"n bytes in all", "*3\r\n$0\r\n\r\n" + bulk(16<<10) + bulk(16<<10), noAuth},
		{"n+1 bytes in all", "*4\r\n$0\r\n\r\n" + bulk(16<<10) + bulk(16<<10) + bulk(1), "-ERR Protocol error: command too large"},
		{"after AUTH", "AUTH right\r\n" + echo(1<<20), "+OK\r\n$1048576"},
		{"after RESET", "AUTH right\r\nRESET\r\n" + echo(16<<10+1), "+OK\r\n+RESET\r\n" + large},
		{"after a guess", "AUTH wrong\r\n" + echo(16<<10+1), "-WRONGPASS invalid username-password pair or user is disabled.\r\n" + large},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, done := begin(t, Config{Passwords: []string{"right"}})
			go func() { // ends when all is sent, or the connection does
				io.WriteString(client, tt.in)
				io.WriteString(client, "QUIT\r\n")
			}()
			got, _ := io.ReadAll(client)
			if !strings.HasPrefix(string(got), tt.want) {
				t.Errorf("it was answered %.100q, want %q", got, tt.want)
			}
			client.Close()
			<-done
		})
	}
}
