package redisnet

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// A loop is a stream without end.
type loop struct {
	text string
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.text[l.at:])
	l.at = (l.at + n) % len(l.text)
	return n, nil
}

type timeless struct{ net.Conn }

func (timeless) SetReadDeadline(time.Time) error { return nil }

// What the limits cost, for each message that Redis sends.
func BenchmarkMessage(b *testing.B) {
	message := "*3\r\n$7\r\nmessage\r\n$24\r\nsb:feed:football:fantasy\r\n$128\r\n" + strings.Repeat("x", 128) + "\r\n"
	for _, name := range []string{"plain", "limited", "streams"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var conn net.Conn = stream{Conn: timeless{}, Reader: &loop{text: strings.Repeat(message, 100)}}
			switch name {
			case "limited":
				conn = limit(conn, 1<<20, 0)
			case "streams":
				conn = limit(conn, 1<<20, 8<<20)
			}
			c := redis.NewConn(conn, 0, 0)
			for b.Loop() {
				if _, err := c.Receive(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
