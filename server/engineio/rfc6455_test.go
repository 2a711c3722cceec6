package engineio

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// The frame suite: what becomes of the frames of a client, after RFC 6455 and
// RFC 7692. Each case begins with its section. It runs over both socket layers,
// sent at once and in small pieces, and what comes back is held against the
// case to the last byte.

// A frameCase is what a client sends after the open packet, and what it gets.
type frameCase struct {
	name, in string

	// want is what comes, as serverFrame writes it. If the last is a close, the
	// connection ends with it and nothing that follows is taken; else the
	// socket goes on.
	want []string
}

// suiteLimit is the largest message of the suite, so that all three forms of a
// length occur.
const suiteLimit = 70_000

func TestFrameSuite(t *testing.T) {
	groups := []struct {
		name, header string
		cases        []frameCase
	}{
		{"framing", "", framingCases()},
		{"fragments", "", fragmentCases()},
		{"limits", "", limitCases()},
		{"control", "", controlCases()},
		{"closes", "", closeCases()},
		{"utf8", "", utf8Cases()},
		{"deflate", "Sec-WebSocket-Extensions: permessage-deflate\r\n", deflateCases()},
	}
	seen := make(map[string]bool)
	for _, layer := range layers {
		t.Run(layer, func(t *testing.T) {
			address := serveSuite(t, layer)
			for _, g := range groups {
				t.Run(g.name, func(t *testing.T) {
					for _, c := range g.cases {
						seen[g.name+c.name] = true
						t.Run(c.name, func(t *testing.T) {
							t.Parallel()
							c.run(t, address, g.header, len(c.in))
							c.run(t, address, g.header, 1+len(c.in)/100)
						})
					}
				})
			}
		})
	}
	cases := 0
	for _, g := range groups {
		cases += len(g.cases)
	}
	if len(seen) != cases || cases < 200 {
		t.Errorf("the suite has %d cases of %d names, want at least 200 and no name twice", cases, len(seen))
	}
}

// never is what a client sends after it has broken the rules.
const never = "nobody may hear this"

// A parrot sends back each message.
type parrot struct {
	t       *testing.T
	session *Session
}

func (p parrot) Message(data []byte, bin bool) {
	if string(data) == never {
		p.t.Error("a message was taken after the end")
	}
	if bin {
		p.session.Send(BinaryFrame(p.session.Version(), data))
	} else {
		p.session.Send(TextFrame(p.session.Version(), data))
	}
}

func (parrot) Closed(string) {}

// serveSuite is the address of a server of parrots. What it sends is not
// compressed.
func serveSuite(t *testing.T, layer string) string {
	t.Helper()
	s := NewServer(&Options{Sockets: layer, MaxPayload: suiteLimit, Compress: true, CompressThreshold: -1},
		func(s *Session) Receiver { return parrot{t, s} })
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		web.Close()
		if n := s.Len(); n != 0 {
			t.Errorf("%d sessions are left", n)
		}
	})
	return strings.TrimPrefix(web.URL, "http://")
}

// run plays the case, in pieces of so many bytes.
func (c frameCase) run(t *testing.T, address, header string, piece int) {
	t.Helper()
	conn, r := joinSuite(t, address, header)
	defer conn.Close()
	want := c.want
	if n := len(want); n > 0 && strings.HasPrefix(want[n-1], "close") {
		sendPieces(conn, c.in+clientFrame(ws.OpText, true, "4"+never), piece)
	} else {
		sendPieces(conn, c.in+clientFrame(ws.OpPing, true, "alive?")+clientFrame(ws.OpClose, true, "\x03\xe8"), piece)
		want = append(want[:n:n], "pong alive?", "close 1000")
	}
	for _, want := range append(want[:len(want):len(want)], "end") {
		if got := serverFrame(r); got != want {
			t.Fatalf("in pieces of %d bytes: got %.100q (%d bytes), want %.100q (%d bytes)", piece, got, len(got), want, len(want))
		}
	}
}

// joinSuite opens a session and reads the open packet.
func joinSuite(t *testing.T, address, header string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(conn, upgradeRequest("/?EIO=4&transport=websocket", header))
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the handshake was answered %+v, %v", res, err)
	}
	_ = res.Body.Close() // it has none
	// The key and its answer are those of RFC 6455, 1.3.
	if got := res.Header.Get("Sec-WebSocket-Accept"); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("Sec-WebSocket-Accept is %q", got)
	}
	if got := serverFrame(r); !strings.HasPrefix(got, `text 0{"sid":`) {
		t.Fatalf("first came %q, want the open packet", got)
	}
	return conn, r
}

// sendPieces sends what it can: the server may have ended before.
func sendPieces(w io.Writer, data string, piece int) {
	for len(data) > 0 {
		n := min(len(data), max(piece, 1))
		if _, err := io.WriteString(w, data[:n]); err != nil {
			return
		}
		data = data[n:]
	}
}

// serverFrame is the next frame, which must be as a server sends it: whole,
// not masked, without reserved bits, its length in the shortest form. It is
// written as "text 4a", "binary 0102", "pong x", "close 1005" or, without
// another frame, "end".
func serverFrame(r *bufio.Reader) string {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if errors.Is(err, io.EOF) { // between frames
			return "end"
		}
		return "error " + err.Error()
	}
	n, least := uint64(head[1]), uint64(0)
	if extra := map[byte]int{length16: 2, length64: 8}[head[1]]; extra > 0 {
		long := make([]byte, 8)
		if _, err := io.ReadFull(r, long[8-extra:]); err != nil {
			return "error " + err.Error()
		}
		n, least = binary.BigEndian.Uint64(long), map[int]uint64{2: 126, 8: 1 << 16}[extra]
	}
	if head[0]&0xf0 != 0x80 || head[1]&maskBit != 0 || n < least || n > suiteLimit {
		return fmt.Sprintf("bad header %x, length %d", head, n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return "error " + err.Error()
	}
	switch op := ws.OpCode(head[0] & 0xf); {
	case op == ws.OpText:
		return "text " + string(data)
	case op == ws.OpBinary:
		return fmt.Sprintf("binary %x", data)
	case op == ws.OpPong && n <= 125:
		return "pong " + string(data)
	case op == ws.OpClose && n == 0:
		return "close 1005"
	case op == ws.OpClose && n == 2:
		return fmt.Sprintf("close %d", binary.BigEndian.Uint16(data))
	default:
		return fmt.Sprintf("bad frame %x %q", head, data)
	}
}

// frameOf is a frame byte by byte: its first byte, the length in the form that
// it is given in, and a payload that is masked with mask.
func frameOf(first byte, length, mask, payload string) string {
	data := []byte(payload)
	for i := range data {
		data[i] ^= mask[i%len(mask)]
	}
	return string([]byte{first}) + length + mask + string(data)
}

// textFrames is a message in one frame for each part.
func textFrames(parts ...string) string {
	var b strings.Builder
	op := ws.OpText
	for i, part := range parts {
		b.WriteString(clientFrame(op, i == len(parts)-1, part))
		op = ws.OpContinuation
	}
	return b.String()
}
