package engineio

import (
	"bytes"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// BenchmarkPost is a POST of each of 100 clients, over connections that are
// kept.
func BenchmarkPost(b *testing.B) {
	for _, layer := range layers {
		b.Run(layer, func(b *testing.B) {
			const clients = 100
			sessions, conns := polls(b, layer, clients)
			var buf [1024]byte
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				for i, conn := range conns {
					request := pollRequest("POST", sessions[i], "User-Agent: x\r\nContent-Length: 2\r\n") + "4x"
					if _, err := io.WriteString(conn, request); err != nil {
						b.Fatal(err)
					}
				}
				for _, conn := range conns {
					if n, err := conn.Read(buf[:]); err != nil || !bytes.HasSuffix(buf[:n], []byte("ok")) {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N*clients), "cpu-ns/post")
		})
	}
}

// BenchmarkPoll is a poll of each of 100 clients, which waits and is answered
// with a message of 128 bytes. The CPU is that of the clients too, who are a
// Write and a Read.
func BenchmarkPoll(b *testing.B) {
	for _, layer := range layers {
		b.Run(layer, func(b *testing.B) {
			const clients = 100
			sessions, conns := polls(b, layer, clients)
			frame := TextFrame(packet.V4, []byte(strings.Repeat("x", 128)))
			var requests [clients][]byte
			for i, session := range sessions {
				requests[i] = []byte(pollRequest("GET", session, "User-Agent: x\r\nAccept-Encoding: gzip, deflate\r\n"))
			}
			var buf [1024]byte
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				for i, conn := range conns {
					if _, err := conn.Write(requests[i]); err != nil {
						b.Fatal(err)
					}
				}
				for _, session := range sessions {
					for !session.pollWaits() || layer == SocketsEpoll && !session.pollParked() {
						runtime.Gosched()
					}
				}
				for i, session := range sessions {
					session.Send(frame)
					n, err := io.ReadAtLeast(conns[i], buf[:], 200)
					if err != nil || !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 200 OK")) {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64((cpu()-before).Nanoseconds())/float64(b.N*clients), "cpu-ns/poll")
		})
	}
}

// polls is n sessions with a connection for their polls each.
func polls(b *testing.B, layer string, n int) (sessions []*Session, conns []net.Conn) {
	s := NewServer(&Options{Sockets: layer}, func(session *Session) Receiver {
		sessions = append(sessions, session)
		return nobody{}
	})
	web := httptest.NewServer(s)
	b.Cleanup(func() {
		s.Close()
		for _, c := range conns {
			c.Close()
		}
		web.Close()
	})
	for range n {
		if got := httpGet(web.URL + "/?EIO=4&transport=polling"); got.err != nil {
			b.Fatal(got.err)
		}
		conn, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		conns = append(conns, conn)
	}
	return sessions, conns
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
