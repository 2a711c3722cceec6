package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/server"
)

const (
	reuseClients = 8   // at once
	reuseRuns    = 100 // of each
)

// TestDescriptorsReused has clients connect, hear, be cut off and connect again
// at once, while messages go to those who were cut off: descriptors go from one
// client to another, and no byte of one may come to the next.
func TestDescriptorsReused(t *testing.T) {
	for _, sockets := range []string{"epoll", "goroutine"} {
		t.Run(sockets, func(t *testing.T) { descriptorsReused(t, sockets) })
	}
}

func descriptorsReused(t *testing.T, sockets string) {
	address, broker := serve(t, sockets)
	stop := make(chan struct{})
	var sharing, all sync.WaitGroup
	sharing.Go(func() { share(t, broker, stop) }) // ends with stop
	numbers := &descriptorNumbers{seen: make(map[string]bool)}
	for n := range reuseClients {
		all.Go(func() {
			publisher, err := redis.Dial("tcp", broker)
			if err != nil {
				t.Error(err)
				return
			}
			defer publisher.Close()
			o := &owner{t: t, address: address, publisher: publisher, r: rand.New(rand.NewPCG(uint64(n), 3))}
			for run := range reuseRuns {
				if !o.run(n*1000+run, numbers) {
					return
				}
			}
		})
	}
	all.Wait()
	close(stop)
	sharing.Wait()
	const connections = reuseClients * reuseRuns
	if n := len(numbers.seen); n*5 > connections {
		t.Errorf("%d connections had %d numbers: descriptors are not used again", connections, n)
	}
}

// serve runs a server in this process, whose descriptors are those of its
// clients too, and returns where it takes clients and Redis clients.
func serve(t *testing.T, sockets string) (address, broker string) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	b, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Prefix: "sb:", Log: log})
	if err == nil {
		err = b.Open()
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(server.Config{Broker: b, Log: log, Sockets: sockets})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }() // ends with ctx
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	})
	return listener.Addr().String(), b.Addr().String()
}

// share publishes 1, 2, 3, … to all until stop.
func share(t *testing.T, broker string, stop <-chan struct{}) {
	publisher, err := redis.Dial("tcp", broker)
	if err != nil {
		t.Error(err)
		return
	}
	defer publisher.Close()
	for n := 1; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		if _, err := publisher.Do("PUBLISH", "sb:shared", n); err != nil {
			t.Errorf("PUBLISH: %v", err)
			return
		}
	}
}

// descriptorNumbers are those that this process has had open.
type descriptorNumbers struct {
	mu   sync.Mutex
	seen map[string]bool // guarded by mu
}

func (d *descriptorNumbers) look() {
	list, _ := os.ReadDir("/proc/self/fd")
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range list {
		d.seen[e.Name()] = true
	}
}

// An owner is one client after the other, each with a channel of its own.
type owner struct {
	t         *testing.T
	address   string
	publisher redis.Conn
	r         *rand.Rand
	answers   int // of the publisher, that were not waited for
}

// own is message n of the channel of a client, with its number throughout.
func own(id, n int) string {
	size := (id*7 + n*131) % 1000
	if (id+n)%20 == 0 {
		size *= 20
	}
	return fmt.Sprintf(`{"to":%d,"n":%d,"data":"%s"}`, id, n, strings.Repeat(fmt.Sprint(id, " "), size/4))
}

// run is one client, from the beginning to the end. It is false when the test
// has failed.
func (o *owner) run(id int, numbers *descriptorNumbers) bool {
	if o.r.IntN(5) == 0 && !o.plain() {
		return false
	}
	c, err := dial(o.address, 3+o.r.IntN(2))
	if err != nil {
		o.t.Errorf("client %d: %v", id, err)
		return false
	}
	defer c.reset()
	numbers.look()
	mine := fmt.Sprintf("mine:%d", id)
	if err := c.subscribe(mine, "shared"); err != nil {
		o.t.Errorf("client %d: %v", id, err)
		return false
	}
	for ; o.answers > 0; o.answers-- { // to what was published to the one before
		if _, err := o.publisher.Receive(); err != nil {
			o.t.Errorf("PUBLISH: %v", err)
			return false
		}
	}
	messages := 1 + o.r.IntN(40)
	if o.r.IntN(10) == 0 {
		messages = 300 // more than the kernel takes, if nobody reads
	}
	for n := range messages {
		_ = o.publisher.Send("PUBLISH", "sb:"+mine, own(id, n+1))
	}
	o.answers = messages
	flushed := make(chan error, 1)
	go func() { flushed <- o.publisher.Flush() }() // ends when the broker has taken it
	read := o.r.IntN(messages + 1)
	if messages == 300 {
		read = 0
	}
	if err := c.owned(id, mine, read); err != nil {
		o.t.Errorf("client %d: %v", id, err)
	}
	if err := <-flushed; err != nil {
		o.t.Errorf("PUBLISH: %v", err)
	}
	switch o.r.IntN(4) {
	case 0:
		c.send("1")
	case 1:
		_, _ = io.WriteString(c.conn, "\x81\xfe\x10\x00masked")
	case 2:
		_ = c.conn.Close()
	}
	return !o.t.Failed()
}

// owned reads until so many messages of the client's own channel have come,
// and checks those of all.
func (c *client) owned(id int, mine string, read int) error {
	shared := 0
	for n := 1; n <= read; {
		name, data, err := c.event()
		if err != nil {
			return err
		}
		switch name {
		case mine:
			if want := own(id, n); string(data) != want {
				return fmt.Errorf("got %.80s of %d bytes, want %.80s of %d", data, len(data), want, len(want))
			}
			n++
		case "shared":
			got := 0
			if _, err := fmt.Sscan(string(data), &got); err != nil || shared != 0 && got != shared+1 {
				return fmt.Errorf("got message %s of all after %d", data, shared)
			}
			shared = got
		default:
			return fmt.Errorf("got an event %s", name)
		}
	}
	return nil
}

// plain is a connection that stays with HTTP.
func (o *owner) plain() bool {
	c, err := connect(o.address, 4)
	if err != nil {
		o.t.Error(err)
		return false
	}
	defer c.reset()
	answer := make([]byte, len("ok\n"))
	if err = c.request("/healthz", "", 200); err == nil {
		_, err = io.ReadFull(c.r, answer)
	}
	if err != nil || string(answer) != "ok\n" || c.r.Buffered() > 0 {
		o.t.Errorf("a request was answered %q, %v, with %d bytes more", answer, err, c.r.Buffered())
		return false
	}
	return true
}
