package engineio

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// layers are the two ways in which sockets are waited for.
var layers = []string{SocketsGoroutine, SocketsEpoll}

// serveLayer is a server of one layer whose receivers are made by accept.
func serveLayer(t *testing.T, layer string, accept func(*Session) Receiver) (address string) {
	t.Helper()
	s := NewServer(&Options{Sockets: layer, QueueBytes: 1 << 30, QueueMessages: 1 << 20}, accept)
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		web.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return strings.TrimPrefix(web.URL, "http://")
}

// answerer sends back each message, twice if it begins with 2, and ends the
// session on "bye".
type answerer struct{ session *Session }

func (a answerer) Message(data []byte, bin bool) {
	f := TextFrame(4, data)
	if bin {
		f = BinaryFrame(4, data)
	}
	a.session.Send(f)
	if len(data) > 0 && data[0] == '2' {
		a.session.Send(f)
	}
	if string(data) == "bye" {
		a.session.Close("bye")
	}
}

func (answerer) Closed(string) {}

// traffic is what a client sends: frames of all kinds, good ones for the most
// part, and at last one that ends the session.
func traffic(r *rand.Rand) []byte {
	var b bytes.Buffer
	put := func(op ws.OpCode, fin bool, data []byte) { b.WriteString(clientFrame(op, fin, string(data))) }
	random := func() []byte {
		size := r.IntN(200)
		if r.IntN(10) == 0 {
			size = r.IntN(DefaultMaxPayload - 1)
		}
		return bytes.Repeat([]byte{byte('0' + r.IntN(10))}, size)
	}
	for range 1 + r.IntN(40) {
		switch r.IntN(8) {
		case 0:
			put(ws.OpBinary, true, random())
		case 1:
			put(ws.OpPing, true, []byte("y"))
		case 2: // in fragments, with a control frame between
			data := append([]byte("4"), random()...)
			n := r.IntN(len(data))
			put(ws.OpText, false, data[:n])
			put(ws.OpPing, true, []byte("x"))
			put(ws.OpContinuation, true, data[n:])
		default:
			put(ws.OpText, true, append([]byte("4"), random()...))
		}
	}
	switch r.IntN(5) {
	case 0:
		put(ws.OpText, true, []byte("1"))
	case 1:
		put(ws.OpText, true, []byte("4bye"))
	case 2:
		put(ws.OpClose, true, []byte{3, 232})
	case 3:
		b.Write(bytes.Repeat([]byte{0xff}, 20)) // no header
	case 4:
		put(ws.OpText, true, []byte("no packet"))
	}
	return b.Bytes()
}

// converse sends bytes in pieces of random length, and returns all frames that
// come until the server ends the connection, but for pongs, some of which may
// be left out.
func converse(t *testing.T, address string, sent []byte, r *rand.Rand) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, upgradeRequest("/?EIO=4&transport=websocket", ""))
	writing := make(chan struct{})
	go func() { // ends when all is sent, or the connection ends
		defer close(writing)
		for len(sent) > 0 {
			n := min(len(sent), 1+r.IntN(20_000))
			if _, err := conn.Write(sent[:n]); err != nil {
				return
			}
			sent = sent[n:]
		}
	}()
	got, err := io.ReadAll(conn)
	<-writing
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("reading: %v", err)
	}
	_, after, ok := bytes.Cut(got, []byte("\r\n\r\n"))
	if !ok {
		t.Errorf("no answer to the handshake: %q", got)
	}
	var frames bytes.Buffer
	for rest := bytes.NewReader(after); rest.Len() > 0; {
		h, err := ws.ReadHeader(rest)
		if err != nil {
			t.Errorf("a frame that is none: %v", err)
			break
		}
		data := make([]byte, h.Length)
		if _, err := io.ReadFull(rest, data); err != nil {
			t.Errorf("a frame is cut: %v", err)
		}
		if h.OpCode != ws.OpPong {
			fmt.Fprintf(&frames, "%+v %s\n", h, data)
		}
	}
	return frames.Bytes()
}

var sidValue = regexp.MustCompile(`"sid":"[^"]*"`)

// TestLayersAreAlike runs the same random traffic over both layers and compares
// every byte.
func TestLayersAreAlike(t *testing.T) {
	var addresses []string
	for _, layer := range layers {
		addresses = append(addresses, serveLayer(t, layer, func(s *Session) Receiver { return answerer{s} }))
	}
	var all sync.WaitGroup
	limit := make(chan struct{}, 16)
	for seed := range uint64(200) {
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			sent := traffic(rand.New(rand.NewPCG(seed, 1)))
			var got [2][]byte
			for i, address := range addresses {
				got[i] = converse(t, address, bytes.Clone(sent), rand.New(rand.NewPCG(seed, uint64(i))))
				got[i] = sidValue.ReplaceAll(got[i], nil)
			}
			if !bytes.Equal(got[0], got[1]) {
				t.Errorf("traffic %d: goroutines answer with %d bytes, epoll with %d", seed, len(got[0]), len(got[1]))
			}
			if len(got[0]) < 100 {
				t.Errorf("traffic %d: only %q came", seed, got[0])
			}
		})
	}
	all.Wait()
}

// A stamper stamps all that it sends with the number that its client named
// first, and sends until the session ends.
type stamper struct {
	session *Session
	ended   chan struct{}
}

func (s *stamper) Message(data []byte, _ bool) {
	number := binary.BigEndian.Uint64(data)
	frame := BinaryFrame(4, bytes.Repeat(binary.BigEndian.AppendUint64(nil, number), 16))
	go func() { // ends with the session
		for {
			select {
			case <-s.ended:
				return
			default:
				if s.session.Writable() {
					s.session.Send(frame)
				}
				runtime.Gosched()
			}
		}
	}()
}

func (s *stamper) Closed(string) { close(s.ended) }

// TestDescriptorsReused connects and cuts clients at random while the server
// sends to them all, so that descriptors and slots go from one session to
// another: no byte of one may come to the next.
func TestDescriptorsReused(t *testing.T) {
	for _, layer := range layers {
		t.Run(layer, func(t *testing.T) {
			address := serveLayer(t, layer, func(s *Session) Receiver { return &stamper{s, make(chan struct{})} })
			var all sync.WaitGroup
			for client := range 20 {
				all.Go(func() {
					r := rand.New(rand.NewPCG(uint64(client), 2))
					for round := range 25 {
						stamped(t, address, uint64(client)<<32|uint64(round)+1, r)
					}
				})
			}
			all.Wait()
		})
	}
}

// stamped is one connection: it names its number, reads for a moment, and is
// cut off, in one of the ways there are.
func stamped(t *testing.T, address string, number uint64, r *rand.Rand) {
	conn := dial(t, "http://"+address+"/?EIO=4&transport=websocket")
	defer conn.conn.Close()
	if got := conn.next(); !strings.HasPrefix(got, "text 0{") {
		t.Errorf("first came %q", got)
	}
	conn.send(ws.OpBinary, string(binary.BigEndian.AppendUint64(nil, number)))
	want := "binary " + strings.Repeat(fmt.Sprintf("%016x", number), 16)
	for range r.IntN(20) {
		if got := conn.next(); got != want {
			t.Errorf("client %x got %x", number, got)
			return
		}
	}
	switch r.IntN(3) {
	case 0:
		conn.text("1")
	case 1:
		_ = conn.conn.(*net.TCPConn).SetLinger(0)
	}
}
