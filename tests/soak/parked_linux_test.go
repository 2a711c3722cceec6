package soak

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// parkedMost is what a client that polls may take, in bytes of resident memory
// with what the collector leaves behind, where a goroutine would take 16 KB.
const parkedMost = 8 << 10

// TestParked opens polls that wait, PARKED of them or 2,000, and says what one
// takes. Each client has a second connection, for its POSTs, as browsers do.
func TestParked(t *testing.T) {
	n := 2000
	if v, err := strconv.Atoi(os.Getenv("PARKED")); err == nil {
		n = v
	}
	p := start(t, build(t), 3*n+100, "--sockets="+layer())
	clients := parkAll(t, p, 100) // so that what is made once is there
	goroutines, before := p.metrics()["go_goroutines"], p.settled()
	clients = append(clients, parkAll(t, p, n)...)
	each := (p.settled() - before) / n
	more := p.metrics()["go_goroutines"] - goroutines
	t.Logf("%d polls wait: %d bytes and %.2f goroutines each", n, each, more/float64(n))
	if layer() == "epoll" && (each > parkedMost || more > 20) {
		t.Errorf("a poll takes %d bytes, and there are %v goroutines more; want at most %d, and 20", each, more, parkedMost)
	}
	for _, c := range clients {
		if err := c.alive(); err != nil {
			t.Fatal(err)
		}
	}
}

// layer is how the server waits for sockets.
func layer() string {
	if v := os.Getenv("STREAM_TEST_SOCKETS"); v != "" {
		return v
	}
	return "epoll"
}

// settled is the memory of the process when it has stopped to change.
func (p *process) settled() int {
	for last := p.resident(); ; {
		<-time.After(3 * time.Second)
		now := p.resident()
		if now == last {
			return now
		}
		last = now
	}
}

// A waiter is a client of two connections whose poll waits.
type waiter struct {
	get, post net.Conn
	path      string
}

func parkAll(t *testing.T, p *process, n int) (list []*waiter) {
	t.Helper()
	for range n {
		w, err := newWaiter(p.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.get.Close(); w.post.Close() })
		list = append(list, w)
	}
	return list
}

func newWaiter(address string) (w *waiter, err error) {
	w = &waiter{path: "/socket.io/?EIO=4&transport=polling"}
	if w.get, err = net.Dial("tcp", address); err != nil {
		return nil, err
	}
	if w.post, err = net.Dial("tcp", address); err != nil {
		return nil, err
	}
	open, err := ask(w.get, "GET", w.path, "")
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(open, `"sid":"`)
	sid, _, _ := strings.Cut(rest, `"`)
	w.path += "&sid=" + sid
	if _, err = ask(w.post, "POST", w.path, "40"); err != nil {
		return nil, err
	}
	if got, err := ask(w.get, "GET", w.path, ""); !strings.HasPrefix(got, "40") {
		return nil, fmt.Errorf("%w: poll = %q", err, got)
	}
	if got, err := ask(w.post, "POST", w.path, `420["subscribe","parked"]`); got != "ok" {
		return nil, fmt.Errorf("%w: POST = %q", err, got)
	}
	if got, err := ask(w.get, "GET", w.path, ""); !strings.HasPrefix(got, "4") {
		return nil, fmt.Errorf("%w: poll = %q", err, got)
	}
	return w, request(w.get, "GET", w.path, "") // which waits
}

// alive has the poll answered, by way of the other connection.
func (w *waiter) alive() error {
	if got, err := ask(w.post, "POST", w.path, `421["subscribe","parked"]`); got != "ok" {
		return fmt.Errorf("POST = %q, %w", got, err)
	}
	if got, err := read(w.get); !strings.HasPrefix(got, "4") && got != "2" {
		return fmt.Errorf("poll = %q, %w", got, err)
	}
	return nil
}

func ask(c net.Conn, method, path, body string) (string, error) {
	if err := request(c, method, path, body); err != nil {
		return "", err
	}
	return read(c)
}

func request(c net.Conn, method, path, body string) error {
	_, err := fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: x\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"+
		"Accept-Encoding: gzip, deflate\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	return err
}

// read is the body of an answer.
func read(c net.Conn) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(patience))
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 1024), nil)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return string(body), err
}
