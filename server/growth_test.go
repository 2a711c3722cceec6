package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/gobwas/ws"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/brokertest"
	"github.com/sb-stream/stream-server/server/reactor"
)

// What sessions cost without sockets, by the thousand and by the million:
//
//	STREAM_GROWTH=1000000 go test -run '^$' -bench 'Growth|Subscribe|ManyChannels' ./server

// a memory is a socket that takes everything.
type memory struct {
	handler reactor.Handler
	sent    uint32
	closed  bool
}

func (m *memory) Start([]byte)              {}
func (m *memory) Busy() bool                { return false }
func (m *memory) Abort()                    { m.Close() }
func (m *memory) WriteAll(b ...[]byte) bool { m.sent += uint32(len(b)); return true }

func (m *memory) Write([]byte) bool {
	m.sent++
	return true
}

func (m *memory) Close(...[]byte) {
	if !m.closed {
		m.closed = true
		go m.handler.Closed(net.ErrClosed)
	}
}

// say makes the client say text.
func (m *memory) say(text string) {
	m.handler.Read(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text)))))
}

// always is a broker that confirms at once.
type always struct {
	brokertest.Near

	server *Server
}

func (*always) Run(ctx context.Context, _ channels.Sink) error {
	<-ctx.Done()
	return nil
}
func (a *always) Listen(tag string) { go a.server.Live(tag) }

func (a *always) Publish(_ context.Context, tag string, data []byte) (int, error) {
	return a.server.Message(tag, data), nil
}

// grown is a server with n sessions without sockets, each in channel(i).
func grown(tb testing.TB, n int, channel func(i int) string) (*Server, []*memory) {
	s, sockets, err := attached(Config{}, n, channel)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.io.Shutdown(context.Background()) })
	return s, sockets
}

// attached is grown, of what the configuration does not say, for more than one test.
func attached(config Config, n int, channel func(i int) string) (*Server, []*memory, error) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	broker := &always{}
	config.Broker, config.Log = broker, log
	config.PingInterval = 24 * time.Hour // nobody answers heartbeats
	// Idle clients have no buckets, see TestIdleClientsHaveNoBuckets: these come to rest at once.
	config.MessageRate, config.SubscribeRate = -1, -1
	s, err := New(config)
	if err != nil {
		return nil, nil, err
	}
	broker.server = s
	sockets := make([]*memory, n)
	for i := range sockets {
		r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=websocket", nil)
		r.RemoteAddr = "127.0.0.1:" + strconv.Itoa(i%50_000)
		s.io.Engine().Attach(r, func(h reactor.Handler) reactor.Conn {
			sockets[i] = &memory{handler: h}
			return sockets[i]
		})
		sockets[i].say("40")
		if channel != nil {
			sockets[i].say(fmt.Sprintf(`42["subscribe",%q]`, channel(i)))
		}
	}
	return s, sockets, nil
}

// shared is what all sessions share, however many there are: the ring of the flight
// recorder.
const shared = maxEvents * int64(unsafe.Sizeof(record{}))

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// gcCost is the CPU time of one garbage collection, and the longest time that
// it stopped everything.
func gcCost() (cpu, pause time.Duration) {
	read := func() (float64, uint64) {
		s := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
		metrics.Read(s)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return s[0].Value.Float64(), m.PauseTotalNs
	}
	runtime.GC()
	before, pausedBefore := read()
	runtime.GC()
	after, paused := read()
	return time.Duration((after - before) * 1e9), time.Duration(paused - pausedBefore)
}

// growth is how many sessions the benchmarks go up to.
func growth() int {
	if n, err := strconv.Atoi(os.Getenv("STREAM_GROWTH")); err == nil {
		return n
	}
	return 100_000
}

// BenchmarkGrowth is one publish: to a channel that everybody hears, to one of
// as many channels as there are sessions, and to a channel of ten among them.
func BenchmarkGrowth(b *testing.B) {
	all := func(int) string { return "all" }
	own := func(i int) string { return "own:" + strconv.Itoa(i) }
	ten := func(i int) string { return "ten:" + strconv.Itoa(i/10) }
	for n := 1000; n <= growth(); n *= 10 {
		b.Run(fmt.Sprintf("one channel of all/%d", n), func(b *testing.B) { grow(b, n, n, all) })
		b.Run(fmt.Sprintf("a channel each/%d", n), func(b *testing.B) { grow(b, n, 1, own) })
		b.Run(fmt.Sprintf("ten to a channel/%d", n), func(b *testing.B) { grow(b, n, 10, ten) })
	}
}

// grow measures with n sessions, of which each publish reaches so many.
func grow(b *testing.B, n, reached int, channel func(int) string) {
	before := heap()
	s, sockets := grown(b, n, channel)
	perSession := float64(heap()-shared-before) / float64(n)
	cpu, pause := gcCost()
	data := []byte(`{"goal":1,"pad":"` + strings.Repeat("x", 108) + `"}`)
	names := make([]string, n)
	for i := range names {
		names[i] = channel(i)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		if got := s.Message(names[i], data); got != reached {
			b.Fatalf("a message went to %d clients, want %d", got, reached)
		}
		for reached > 64 && s.channels.Sending(names[i]) { // a large walk goes on beside
			runtime.Gosched()
		}
		i = (i + 7919) % n // so that no channel is still in the cache
	}
	b.ReportMetric(perSession, "B/session")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*reached), "ns/delivery")
	b.ReportMetric(float64(cpu.Microseconds())/1000, "GC-ms")
	b.ReportMetric(float64(pause.Microseconds())/1000, "pause-ms")
	runtime.KeepAlive(sockets)
}

// BenchmarkSubscribe is one more channel for a client, and its end, with as
// many sessions beside it: of a channel that all hear, and of one of its own.
func BenchmarkSubscribe(b *testing.B) {
	for n := 1000; n <= growth(); n *= 10 {
		for _, tag := range []string{"all", "own"} {
			b.Run(fmt.Sprintf("%s/%d", tag, n), func(b *testing.B) {
				s, sockets := grown(b, n, func(int) string { return "all" })
				last := sockets[n-1]
				last.say(`42["unsubscribe","all"]`)
				b.ReportAllocs()
				for b.Loop() {
					last.say(fmt.Sprintf(`42["subscribe",%q]`, tag))
					last.say(fmt.Sprintf(`42["unsubscribe",%q]`, tag))
				}
				if got := s.channels.Clients("all"); got != n-1 {
					b.Fatalf("%d clients hear the channel of all, want %d", got, n-1)
				}
			})
		}
	}
}

// BenchmarkManyChannels is a publish to one of 128 channels of each client.
func BenchmarkManyChannels(b *testing.B) {
	const each = 128
	n := growth() / each
	before := heap()
	s, sockets := grown(b, n, func(int) string { return "0" })
	for i := 1; i < each; i++ {
		for _, socket := range sockets {
			socket.say(fmt.Sprintf(`42["subscribe","%d"]`, i))
		}
	}
	perChannel := float64(heap()-shared-before) / float64(n*each)
	data := []byte(`{"goal":1}`)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		tag := strconv.Itoa(i % each)
		if got := s.Message(tag, data); got != n {
			b.Fatalf("a message went to %d clients, want %d", got, n)
		}
		for s.channels.Sending(tag) {
			runtime.Gosched()
		}
	}
	b.ReportMetric(perChannel, "B/subscription")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
}

// A session without a socket keeps no more than this, which is 1.2 KB for the
// session and its channel, and what the Go runtime adds in a race test.
func TestGrowth(t *testing.T) {
	const n, most = 20_000, 1228
	before := heap()
	s, sockets := grown(t, n, func(i int) string { return "own:" + strconv.Itoa(i) })
	if got := (heap() - shared - before) / n; got > most {
		t.Errorf("a session of a channel of its own keeps %d bytes, want at most %d", got, most)
	}
	sent := sockets[n/2].sent
	if got := s.Message("own:"+strconv.Itoa(n/2), []byte("1")); got != 1 || sockets[n/2].sent != sent+1 {
		t.Errorf("a message to one channel of %d went to %d clients, and %d times to the right one", n, got, sockets[n/2].sent-sent)
	}
}
