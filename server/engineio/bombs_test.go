package engineio

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// Compression bombs (RELIABILITY.md R4).

// bomb is 64 MiB as a client may send them: in less than 64 KiB. To compress
// the same 4 MiB 16 times would take long in a race test.
var bomb = sync.OnceValue(func() string {
	zeros := make([]byte, 4<<20)
	var chunk bytes.Buffer
	w, _ := flate.NewWriterDict(&chunk, flate.BestCompression, zeros[:32<<10]) // the level is valid
	_, _ = w.Write(zeros)                                                      // memory takes everything
	_ = w.Flush()
	return packed("4"+string(zeros[:32<<10]), flate.BestCompression) + syncEnd + strings.Repeat(chunk.String(), 16)
})

// TestBombs sends 64 MiB in 64 KiB to a server of the default limit: each makes
// it allocate no more than a message may have, and a tenth, and ends with 1009.
func TestBombs(t *testing.T) {
	const limit = DefaultMaxPayload
	if n := len(bomb()); n > limit {
		t.Fatalf("the bomb has %d bytes, and would be refused for that", n)
	}
	fragments := slices.Collect(func(yield func(string) bool) {
		for rest := bomb(); rest != ""; {
			n := min(len(rest), (len(bomb())+999)/1000)
			if !yield(rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	})
	for _, layer := range layers {
		s := NewServer(&Options{Sockets: layer, Compress: true}, func(s *Session) Receiver { return parrot{t, s} })
		web := httptest.NewServer(s)
		address := strings.TrimPrefix(web.URL, "http://")
		for _, tt := range []struct {
			name, in string
			piece    int
		}{
			{"one frame", compressedFrames(ws.OpText, bomb()), math.MaxInt},
			{"one frame in pieces", compressedFrames(ws.OpText, bomb()), 3000},
			{"1000 fragments", compressedFrames(ws.OpText, fragments...), math.MaxInt},
			{"binary", compressedFrames(ws.OpBinary, bomb()), math.MaxInt},
		} {
			t.Run(layer+", "+tt.name, func(t *testing.T) {
				all := []byte(tt.in + clientFrame(ws.OpText, true, "4"+never))
				end := []byte(clientFrame(ws.OpClose, true, "\x03\xe8"))
				blow := func() { throw(t, address, all, tt.piece, "\x88\x02\x03\xf1") }
				calm := func() { throw(t, address, end, len(end), "\x88\x02\x03\xe8") }
				blow()
				const most = limit * 11 / 10
				base := least(30, 0, calm)
				costs := least(300, base+most, blow) - base
				t.Logf("a bomb of %d bytes makes %d bytes be allocated, %.2f times the limit", len(bomb()), costs, float64(costs)/limit)
				if costs > most {
					t.Errorf("a bomb makes %d bytes be allocated, want at most %d", costs, most)
				}
				witnessed(t, address, blow)
			})
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		web.Close()
	}
}

// least is how many bytes f allocates, the least of n times, or once it is no
// more than enough: others allocate too, and a race test throws away what is
// pooled, at random.
func least(n, enough int, f func()) int {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	least := math.MaxInt
	for i := 0; i < n && least > enough; i++ {
		least = min(least, allocated(f))
	}
	return least
}

// throw is a client that sends bytes, and whose last frame must be this.
func throw(t *testing.T, address string, in []byte, piece int, last string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	sendPieces(conn, upgradeRequest("/?EIO=4&transport=websocket", "Sec-WebSocket-Extensions: permessage-deflate\r\n"), math.MaxInt)
	for rest := in; len(rest) > 0; {
		n := min(len(rest), piece)
		if _, err := conn.Write(rest[:n]); err != nil {
			break // the server has ended before
		}
		rest = rest[n:]
	}
	got, err := io.ReadAll(conn)
	if !bytes.HasSuffix(got, []byte(last)) {
		t.Errorf("in the end came %x, %v, want %x", got[max(0, len(got)-8):], err, last)
	}
}

// witnessed runs f many times at once, and another client all the while.
func witnessed(t *testing.T, address string, f func()) {
	conn, r := joinSuite(t, address, "")
	defer conn.Close()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				f()
			}
		})
	}
	over := make(chan struct{})
	go func() { // ends with all
		all.Wait()
		close(over)
	}()
	var worst time.Duration
	for done := false; !done; {
		select {
		case <-over:
			done = true
		default:
		}
		start := time.Now()
		sendPieces(conn, clientFrame(ws.OpText, true, "4still here"), math.MaxInt)
		if got := serverFrame(r); got != "text 4still here" {
			t.Fatalf("the other client got %q", got)
		}
		worst = max(worst, time.Since(start))
	}
	t.Logf("40 bombs by 8 clients; the slowest echo of another took %v", worst)
	if worst > time.Second {
		t.Errorf("an echo took %v while bombs came", worst)
	}
}

// What is inflated takes no more memory than a message may have, and a tenth,
// the first time too.
func TestInflateIsBounded(t *testing.T) {
	const limit = 1 << 20
	f, err := wsflate.CompressFrame(ws.NewTextFrame(make([]byte, 2*limit)))
	if err != nil {
		t.Fatal(err)
	}
	used := allocated(func() {
		if _, fault := inflate([][]byte{f.Payload}, limit); fault != ws.StatusMessageTooBig {
			t.Errorf("a bomb is %d, want %d", fault, ws.StatusMessageTooBig)
		}
	})
	if used > limit*11/10 {
		t.Errorf("inflate allocates %d bytes, want at most %d", used, limit*11/10)
	}
}

// TestHeaderAlone: no frame is allocated because its header says that it will
// come.
func TestHeaderAlone(t *testing.T) {
	const key = "\x37\xfa\x21\x3d"
	for _, tt := range []struct {
		name, in string
		fault    ws.StatusCode
	}{
		{"the limit", frameOf(0x81, "\xff\x00\x00\x00\x00\x40\x00\x00\x00", key, ""), 0},
		{"the limit, and a byte", frameOf(0x81, "\xff\x00\x00\x00\x00\x40\x00\x00\x00", key, "4"), 0},
		{"the limit in a fragment", frameOf(0x01, "\xff\x00\x00\x00\x00\x40\x00\x00\x00", key, "4"), 0},
		{"the limit, compressed", frameOf(0xc1, "\xff\x00\x00\x00\x00\x40\x00\x00\x00", key, "4"), 0},
		{"one byte more", frameOf(0x81, "\xff\x00\x00\x00\x00\x40\x00\x00\x01", key, ""), ws.StatusMessageTooBig},
		{"the largest", frameOf(0x81, "\xff\x7f\xff\xff\xff\xff\xff\xff\xff", key, ""), ws.StatusMessageTooBig},
	} {
		const limit = 1 << 30
		in := []byte(tt.in)
		var fault ws.StatusCode
		f := frames{deflates: true}
		used := allocated(func() { _, _, fault = f.next(in, limit) })
		if fault != tt.fault || used > 4<<10 {
			t.Errorf("%s: fault %d and %d bytes allocated, want %d and next to nothing", tt.name, fault, used, tt.fault)
		}
	}
}

// TestPostedBomb posts what HTTP would have to inflate: nobody does.
func TestPostedBomb(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write([]byte("4" + strings.Repeat("\x00", 4<<20))) // memory takes everything
	_ = w.Close()
	for _, coding := range []string{"gzip", "deflate", "br", "gzip, gzip", "x"} {
		a := newApp(t, nil)
		url, s := a.open(t, packet.V4)
		r, err := http.NewRequest("POST", url, bytes.NewReader(zipped.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Encoding", coding)
		used := allocated(func() {
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusBadRequest {
				t.Errorf("a POST of Content-Encoding %s = %d, want 400", coding, res.StatusCode)
			}
		})
		if used > 1<<20 {
			t.Errorf("a POST of Content-Encoding %s makes %d bytes be allocated", coding, used)
		}
		if got := a.reason(t, s); got != ReasonTransportError {
			t.Errorf("the session ended with %q, want %q", got, ReasonTransportError)
		}
	}
}
