package takeover

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func quiet() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func listen(t *testing.T, name, address string) Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return Listener{Name: name, Address: address, Socket: l}
}

// serve runs a Post that waits for the next one.
func serve(t *testing.T, path string, leave func(int), listeners ...Listener) {
	t.Helper()
	p, err := New(path, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		p.Run(ctx, listeners, func() {}, leave)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		p.Close()
	})
	for {
		if conn, err := net.Dial(network, path); err == nil { // and it is hung up on
			conn.Close()
			return
		}
	}
}

// TestPost hands two sockets over, of which the next process wants one.
func TestPost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	web, broker := listen(t, "http", ":8080"), listen(t, "broker", ":6380")
	left := make(chan int, 1)
	serve(t, path, func(pid int) { left <- pid }, web, broker)

	next, err := New(path, quiet())
	for err != nil && strings.Contains(err.Error(), errBusy.Error()) { // by who looked whether it is there
		next, err = New(path, quiet())
	}
	if err != nil {
		t.Fatal(err)
	}
	if l := next.Listener("http", ":9090"); l != nil {
		t.Error("Listener() for another address is not nil")
	}
	l := next.Listener("http", ":8080")
	if l == nil {
		t.Fatal("Listener() = nil, want the socket")
	}
	t.Cleanup(func() { l.Close() })
	if got, want := l.Addr().String(), web.Socket.Addr().String(); got != want {
		t.Errorf("Listener() is at %s, want %s", got, want)
	}
	if next.Listener("http", ":8080") != nil {
		t.Error("Listener() gives a socket twice")
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		next.Run(ctx, []Listener{{Name: "http", Address: ":8080", Socket: l}}, func() {}, func(int) {})
	}()
	if pid := <-left; pid != os.Getpid() {
		t.Errorf("leave was told of process %d, want %d", pid, os.Getpid())
	}
	web.Socket.Close() // the socket is still open: the next one has it
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close()
	stop()
	<-done
	next.Close()
}

// TestOtherUser: neither speaks to a process of somebody else.
func TestOtherUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	serve(t, path, func(int) { t.Error("leave was called") }, listen(t, "http", ":8080"))
	if _, err := newPost(path, quiet(), os.Geteuid()+1); err == nil || !strings.Contains(err.Error(), "is of user") {
		t.Errorf("New() at the place of another user = %v, want that it is another's", err)
	}
	foreign := filepath.Join(t.TempDir(), "s")
	p, err := newPost(foreign, quiet(), os.Geteuid()+1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		p.Run(ctx, nil, func() { t.Error("share was called") }, func(int) { t.Error("leave was called") })
	}()
	for {
		if conn, err := net.Dial(network, foreign); err == nil {
			got, err := io.ReadAll(conn)
			if len(got) > 0 || err != nil {
				t.Errorf("a process of another user was told %q, %v; want nothing", got, err)
			}
			conn.Close()
			break
		}
	}
	stop()
	<-done
	p.Close()
}
