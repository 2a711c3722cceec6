package redis

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/channels/embedded/resp"
	"github.com/sb-stream/stream-server/internal/redisnet"
	"github.com/sb-stream/stream-server/internal/redistest"
)

// A lie is what a hostile Redis does when it has a command: it answers with the
// text, and goes on with the same bytes without end if there are any.
type lie struct{ text, endless string }

// A liar answers PING and TIME, and then one command with a
// lie; the others, and all once it is honest, are those of a real Redis.
type liar struct {
	addr   string
	lie    lie
	to     string // the command that is lied to
	honest atomic.Bool
	real   string
	wg     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu; nil once it has ended
	times []time.Time       // guarded by mu; of the connections that were lied to
}

func newLiar(t *testing.T, to string, lie lie, redis string) *liar {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{addr: listener.Addr().String(), to: to, lie: lie, real: redis, conns: map[net.Conn]bool{}}
	l.wg.Go(func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			l.wg.Go(func() { l.serve(conn) }) // ends with the connection
		}
	})
	t.Cleanup(func() {
		listener.Close()
		l.mu.Lock()
		for c := range l.conns {
			c.Close()
		}
		l.conns = nil
		l.mu.Unlock()
		l.wg.Wait()
	})
	return l
}

// keep notes a connection, which is closed with the test.
func (l *liar) keep(conn net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conns == nil {
		conn.Close()
		return false
	}
	l.conns[conn] = true
	return true
}

func (l *liar) serve(conn net.Conn) {
	defer conn.Close()
	if !l.keep(conn) {
		return
	}
	if l.honest.Load() {
		server, err := net.Dial("tcp", l.real)
		if err != nil || !l.keep(server) {
			return
		}
		l.wg.Go(func() { io.Copy(server, conn); server.Close() }) // ends with the connection
		io.Copy(conn, server)
		return
	}
	l.mu.Lock()
	l.times = append(l.times, time.Now())
	l.mu.Unlock()
	commands := resp.NewReader(conn, resp.Limits{Args: 1024, Bulk: 1 << 20, Total: 1 << 20, Line: 1 << 16})
	for {
		args, err := commands.Command()
		if err != nil {
			return
		}
		if strings.EqualFold(string(args[0]), l.to) {
			break
		}
		if strings.EqualFold(string(args[0]), "TIME") {
			io.WriteString(conn, "*2\r\n$1\r\n1\r\n$1\r\n2\r\n")
			continue
		}
		io.WriteString(conn, "+PONG\r\n")
	}
	_, err := io.WriteString(conn, l.lie.text)
	for flood := []byte(strings.Repeat(l.lie.endless, 1000)); err == nil && len(flood) > 0; {
		_, err = conn.Write(flood)
	}
	io.Copy(io.Discard, conn) // it waits for the other side to have enough
}

// lied is when connections that were lied to were made.
func (l *liar) lied() []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Time(nil), l.times...)
}

// allocated is how many bytes work takes, by whomever.
func allocated(work func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	work()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

const (
	noRedis   = "does not speak as Redis does"
	noAnswer  = "does not belong to any command"
	noEnd     = "silent, or within one answer"
	enough    = 16 << 20 // bytes that several reconnects may take
	onChannel = "*3\r\n$7\r\nmessage\r\n$4\r\nsb:x\r\n"
)

// Whoever answers in Redis' place, by a lie at any point, takes no memory, is
// named in the log, is dialled again at a pace, and is forgotten once Redis
// itself answers.
func TestHostileRedis(t *testing.T) {
	r := redistest.Start(t)
	for _, tt := range []struct {
		name, to string
		lie      lie
		want     string // in the log
	}{
		{"HTTP", "PING", lie{text: "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"}, noRedis},
		{"no PONG", "PING", lie{text: "+HELLO\r\n"}, noRedis},
		{"2 GiB for PONG", "PING", lie{text: "$2147483648\r\n", endless: "x"}, noRedis},
		{"a line without end", "PING", lie{text: "+", endless: "x"}, noRedis},
		{"2 GiB", "SUBSCRIBE", lie{text: "$2147483648\r\n", endless: "x"}, noRedis},
		{"a message of 2 GiB", "SUBSCRIBE", lie{text: onChannel + "$2147483648\r\n", endless: "x"}, noRedis},
		{"more than a number holds", "SUBSCRIBE", lie{text: "$99999999999999999999\r\n"}, noRedis},
		{"negative", "SUBSCRIBE", lie{text: "*-2\r\n"}, noRedis},
		{"a billion elements", "SUBSCRIBE", lie{text: "*1000000000\r\n", endless: "+x\r\n"}, noRedis},
		{"arrays in arrays", "SUBSCRIBE", lie{endless: "*1\r\n"}, noRedis},
		{"an error without end", "SUBSCRIBE", lie{text: "-", endless: "x"}, noRedis},
		{"push of RESP 3", "SUBSCRIBE", lie{text: ">3\r\n$7\r\nmessage\r\n"}, noRedis},
		{"garbage", "SUBSCRIBE", lie{endless: "\x00\xff\r\n"}, noRedis},
		{"a message without end", "SUBSCRIBE", lie{text: onChannel + "$536870912\r\n", endless: "x"}, noEnd},
		{"a message that stops", "SUBSCRIBE", lie{text: onChannel + "$100\r\nx"}, noEnd},
		{"a message of too many parts", "SUBSCRIBE", lie{text: "*4\r\n$7\r\nmessage\r\n$4\r\nsb:x\r\n$1\r\n1\r\n$1\r\n2\r\n"}, noAnswer},
		{"a message of nothing", "SUBSCRIBE", lie{text: onChannel + "$-1\r\n"}, noAnswer},
		{"a push that nobody knows", "SUBSCRIBE", lie{text: "*3\r\n$8\r\nsmessage\r\n$1\r\nx\r\n$1\r\n1\r\n"}, noAnswer},
		{"another channel", "SUBSCRIBE", lie{text: "*3\r\n$9\r\nsubscribe\r\n$5\r\nsb:no\r\n:1\r\n"}, noAnswer},
		{"no time", "TIME", lie{text: "+PONG\r\n"}, noRedis},
		{"times without end", "TIME", lie{text: "*2\r\n$2147483648\r\n", endless: "x"}, noRedis},
		{"an unasked PONG", "SUBSCRIBE", lie{text: "+PONG\r\n"}, noAnswer},
		{"a number", "SUBSCRIBE", lie{text: ":1\r\n"}, noAnswer},
		{"null", "SUBSCRIBE", lie{text: "*-1\r\n"}, noAnswer},
		{"errors for everything", "SUBSCRIBE", lie{endless: "-ERR no\r\n"}, "ERR no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := newLiar(t, tt.to, tt.lie, r.Addr())
			const shortest, tries = 20 * time.Millisecond, 3
			patient := 5 * time.Second
			if tt.want == noEnd {
				patient = 300 * time.Millisecond
			}
			var b *running
			took := allocated(func() {
				b = run(t, Config{
					URL: "redis://" + l.addr, PingInterval: patient, PingTimeout: patient,
					MinRedial: shortest, MaxRedial: 2 * shortest,
				})
				b.Listen("x")
				eventually(t, "it is tried again", func() bool { return len(l.lied()) >= tries })
			})
			if took > enough {
				t.Errorf("%d bytes were allocated, want at most %d", took, enough)
			}
			if lied := l.lied(); lied[tries-1].Sub(lied[0]) < (tries-1)*shortest {
				t.Errorf("%d connections in %v, want at least %v between two", tries, lied[tries-1].Sub(lied[0]), shortest)
			}
			if got := b.logged(logLost); len(got) == 0 || !strings.Contains(got[0], tt.want) || !strings.Contains(got[0], l.addr) {
				t.Errorf("the log says %.500q, want a line with %q and the address", got, tt.want)
			}
			l.honest.Store(true)
			l.mu.Lock()
			for c := range l.conns {
				c.Close()
			}
			l.mu.Unlock()
			eventually(t, "the real one is heard", func() bool {
				_, err := b.Publish(t.Context(), "x", []byte("real"))
				b.sink.mu.Lock()
				defer b.sink.mu.Unlock()
				return err == nil && len(b.messages["x"]) > 0
			})
			b.note(func() {
				for _, got := range b.messages["x"] {
					if got != "real" {
						t.Errorf("message %.100q, want the real ones alone", got)
					}
				}
			})
		})
	}
}

// So do those who publish and look up: each gets an error, and none waits for
// longer than it may.
func TestHostileAnswers(t *testing.T) {
	r := redistest.Start(t)
	for _, tt := range []struct {
		name string
		lie  lie
		want error
	}{
		{"2 GiB", lie{text: "$2147483648\r\n", endless: "x"}, redisnet.ErrReply},
		{"arrays in arrays", lie{endless: "*1\r\n"}, redisnet.ErrReply},
		{"garbage", lie{text: "?\r\n"}, redisnet.ErrReply},
		{"a line without end", lie{text: ":", endless: "1"}, redisnet.ErrReply},
		{"another type", lie{text: "*1\r\n+x\r\n"}, nil}, // any error
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBroker(t, Config{URL: "redis://" + newLiar(t, "PUBLISH", tt.lie, r.Addr()).addr})
			s := newStore(t, "redis://"+newLiar(t, "GET", tt.lie, r.Addr()).addr)
			var publishErr, getErr error
			took := allocated(func() {
				_, publishErr = b.Publish(t.Context(), "x", []byte("1"))
				_, _, getErr = s.Get(t.Context(), "x")
			})
			for call, err := range map[string]error{"Publish": publishErr, "Get": getErr} {
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
					t.Errorf("%s = %v, want %v", call, err, tt.want)
				}
			}
			if took > enough {
				t.Errorf("%d bytes were allocated, want at most %d", took, enough)
			}
		})
	}
	endless := newLiar(t, "GET", lie{text: "$536870912\r\n", endless: "x"}, r.Addr())
	began := time.Now()
	if _, _, err := newStore(t, "redis://"+endless.addr).Get(t.Context(), "x"); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrValueTooLarge) {
		t.Errorf("Get of a value without end = %v, want an error about it", err) // loopback may be quick enough for 512 MiB
	} else if took := time.Since(began); took > storeRead+time.Second {
		t.Errorf("Get of a value without end took %v, want at most %v", took, storeRead)
	}
}
