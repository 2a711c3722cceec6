package reactor

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A recorder is a Handler that notes what it is called with and complains
// about calls that the contract rules out.
type recorder struct {
	t        *testing.T
	writable chan struct{} // one element at most
	closed   chan error    // one element

	mu       sync.Mutex
	received []byte
	reading  bool
	writing  bool
	over     bool
}

func newRecorder(t *testing.T) *recorder {
	return &recorder{t: t, writable: make(chan struct{}, 1), closed: make(chan error, 1)}
}

func (r *recorder) enter(what string, flag *bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if *flag {
		r.t.Errorf("%s was called while it ran", what)
	}
	if r.over {
		r.t.Errorf("%s was called after Closed", what)
	}
	*flag = true
}

func (r *recorder) leave(flag *bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*flag = false
}

func (r *recorder) Read(p []byte) {
	r.enter("Read", &r.reading)
	defer r.leave(&r.reading)
	r.mu.Lock()
	r.received = append(r.received, p...)
	r.mu.Unlock()
	clear(p) // it is the handler's to change
}

func (r *recorder) Writable() {
	r.enter("Writable", &r.writing)
	defer r.leave(&r.writing)
	select {
	case r.writable <- struct{}{}:
	default:
	}
}

func (r *recorder) Closed(err error) {
	r.enter("Closed", &r.over)
	r.mu.Lock()
	if r.reading || r.writing {
		r.t.Error("Closed was called while Read or Writable ran")
	}
	r.mu.Unlock()
	r.closed <- err
}

// kinds are the sockets that there are: one that writes at once, one that needs
// a goroutine for it, and one of a Reactor.
var kinds = []struct {
	name string
	make func(t *testing.T) (server, client net.Conn)
	open func(t *testing.T) func(net.Conn, Handler) Conn
}{
	{"tcp", tcpPair, goroutines},
	{"pipe", func(*testing.T) (server, client net.Conn) { return net.Pipe() }, goroutines},
	{"epoll", tcpPair, epoll},
}

func goroutines(*testing.T) func(net.Conn, Handler) Conn { return New }

func epoll(t *testing.T) func(net.Conn, Handler) Conn {
	t.Helper()
	r, err := NewReactor()
	if errors.Is(err, errors.ErrUnsupported) {
		return New
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r.New
}

func tcpPair(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return server, client
}

// wait is the next element of c, soon.
func wait[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing within 10 s", what)
	}
	return v
}

// readAll reads until the peer ends, in a goroutine that ends then.
func readAll(c net.Conn) <-chan []byte {
	out := make(chan []byte, 1)
	go func() {
		p, _ := io.ReadAll(c)
		out <- p
	}()
	return out
}
