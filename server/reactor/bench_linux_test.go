package reactor

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// an echo answers whatever comes with two buffers.
type echo struct {
	conn   Conn
	closed chan struct{}
}

func (e *echo) Read([]byte)  { e.conn.WriteAll([]byte("one"), []byte("two")) }
func (e *echo) Writable()    {}
func (e *echo) Closed(error) { close(e.closed) }

// BenchmarkEcho is a packet of a client and the answer to it, by the CPU time of
// the whole process.
func BenchmarkEcho(b *testing.B) {
	r, err := NewReactor()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	e := &echo{closed: make(chan struct{})}
	e.conn = r.New(server, e)
	e.conn.Start(nil)
	answer := make([]byte, 6)
	var before, after unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &before)
	for b.Loop() {
		if _, err := client.Write(answer); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(client, answer); err != nil {
			b.Fatal(err)
		}
	}
	_ = unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &after)
	b.ReportMetric(float64(after.Nano()-before.Nano())/float64(b.N), "cpu-ns/op")
	client.Close()
	<-e.closed
}
