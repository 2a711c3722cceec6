package engineio

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// parse is what frames makes of the pieces, as text.
func parse(limit int, pieces ...[]byte) []string {
	return parseWith(frames{}, limit, pieces...)
}

func parseWith(f frames, limit int, pieces ...[]byte) (got []string) {
	for _, p := range pieces {
		p = bytes.Clone(p) // next changes it
		for {
			m, rest, fault := f.next(p, limit)
			if fault != 0 {
				return append(got, fmt.Sprintf("fault %d", fault))
			}
			if m.op == 0 {
				break
			}
			got = append(got, fmt.Sprintf("%x %q", m.op, m.data))
			p = rest
		}
	}
	return got
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	fin, more := true, false
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"text", clientFrame(ws.OpText, fin, "4a"), []string{`1 "4a"`}},
		{"empty", clientFrame(ws.OpBinary, fin, ""), []string{`2 ""`}},
		{"two", clientFrame(ws.OpText, fin, "4a") + clientFrame(ws.OpBinary, fin, "b"), []string{`1 "4a"`, `2 "b"`}},
		{"16 bit length", clientFrame(ws.OpText, fin, long[:300]), []string{fmt.Sprintf("1 %q", long[:300])}},
		{"64 bit length", clientFrame(ws.OpText, fin, long), []string{fmt.Sprintf("1 %q", long)}},
		{
			"fragments, a ping between",
			clientFrame(ws.OpText, more, "4a") + clientFrame(ws.OpPing, fin, "p") + clientFrame(ws.OpContinuation, more, "") +
				clientFrame(ws.OpContinuation, fin, "b") + clientFrame(ws.OpText, fin, "c"),
			[]string{`9 "p"`, `1 "4ab"`, `1 "c"`},
		},
		{
			"a character over two fragments",
			clientFrame(ws.OpText, more, "4\xc3") + clientFrame(ws.OpContinuation, fin, "\xa9"),
			[]string{`1 "4é"`},
		},
		{"largest control frame", clientFrame(ws.OpPing, fin, long[:125]), []string{fmt.Sprintf("9 %q", long[:125])}},
		{"pong", clientFrame(ws.OpPong, fin, "x"), []string{`a "x"`}},
		{"close", clientFrame(ws.OpClose, fin, "\x03\xe8"), []string{`8 "\x03\xe8"`}},
		{"zero mask", "\x81\x824\x00\x00\x004a"[:2] + "\x00\x00\x00\x004a", []string{`1 "4a"`}},
		{"a length longer than need be", "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x004a", []string{`1 "4a"`}},

		{"not masked", "\x81\x024a", []string{"fault 1002"}},
		{"RSV1", "\xc1\x80\x00\x00\x00\x00", []string{"fault 1002"}},
		{"RSV2", "\xa1\x80\x00\x00\x00\x00", []string{"fault 1002"}},
		{"RSV3", "\x91\x80\x00\x00\x00\x00", []string{"fault 1002"}},
		{"opcode 3", "\x83\x80\x00\x00\x00\x00", []string{"fault 1002"}},
		{"opcode 7", "\x87\x80\x00\x00\x00\x00", []string{"fault 1002"}},
		{"opcode 11", "\x8b\x80\x00\x00\x00\x00", []string{"fault 1002"}},
		{"opcode 15", "\x8f\x80\x00\x00\x00\x00", []string{"fault 1002"}},
		{"ping of 126 bytes", clientFrame(ws.OpPing, fin, long[:126]), []string{"fault 1002"}},
		{"close in fragments", clientFrame(ws.OpClose, more, "\x03\xe8"), []string{"fault 1002"}},
		{"continuation of nothing", clientFrame(ws.OpContinuation, fin, "x"), []string{"fault 1002"}},
		{"text inside a message", clientFrame(ws.OpText, more, "4") + clientFrame(ws.OpText, fin, "4"), []string{"fault 1002"}},
		{"text after empty fragments", clientFrame(ws.OpText, more, "") + clientFrame(ws.OpText, fin, "4"), []string{"fault 1002"}},
		{"length with the highest bit", "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00", []string{"fault 1002"}},
		{"largest length", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", []string{"fault 1009"}},
		{"above the limit", clientFrame(ws.OpText, fin, long+long[:30_001]), []string{"fault 1009"}},
		{"at the limit", clientFrame(ws.OpText, fin, long+long[:30_000]), []string{fmt.Sprintf("1 %q", long+long[:30_000])}},
		{"bad UTF-8", clientFrame(ws.OpText, fin, "4\xff"), []string{"fault 1007"}},
		{"surrogate", clientFrame(ws.OpText, fin, "4\xed\xa0\x80"), []string{"fault 1007"}},
		{"cut character", clientFrame(ws.OpText, more, "4") + clientFrame(ws.OpContinuation, fin, "\xc3"), []string{"fault 1007"}},
		{"bad UTF-8 in binary is none", clientFrame(ws.OpBinary, fin, "\xff"), []string{`2 "\xff"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parse(100_000, []byte(tt.in)); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("frames = %.300q, want %.300q", got, tt.want)
			}
			var bytewise [][]byte
			for i := range len(tt.in) {
				bytewise = append(bytewise, []byte(tt.in[i:i+1]))
			}
			if got := parse(100_000, bytewise...); fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("frames byte by byte = %.300q, want %.300q", got, tt.want)
			}
		})
	}
}

// TestHostileFrames sends what a socket must end for, and a message after it
// that nobody may see.
func TestHostileFrames(t *testing.T) {
	after := clientFrame(ws.OpText, true, "4after")
	for _, tt := range []struct{ name, in, want string }{
		{"not masked", "\x81\x024a", "close 1002"},
		{"reserved bits", "\xa1\x80\x00\x00\x00\x00", "close 1002"},
		{"bad UTF-8", clientFrame(ws.OpText, true, "4\xff"), "close 1007"},
		{"too long", "\x81\xff\x00\x00\x00\x00\x40\x00\x00\x00\x00\x00\x00\x00", "close 1009"},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", "close 1002"},
		{"close", clientFrame(ws.OpClose, true, ""), "close 1005"},
		{"close with a status", clientFrame(ws.OpClose, true, "\x03\xe9bye"), "close 1001"},
		{"close with the application's status", clientFrame(ws.OpClose, true, "\x0f\xa0"), "close 4000"},
		{"close with half a status", clientFrame(ws.OpClose, true, "\x03"), "close 1002"},
		{"close with status 0", clientFrame(ws.OpClose, true, "\x00\x00"), "close 1002"},
		{"close with status 1004", clientFrame(ws.OpClose, true, "\x03\xec"), "close 1002"},
		{"close with status 1005", clientFrame(ws.OpClose, true, "\x03\xed"), "close 1002"},
		{"close with status 1006", clientFrame(ws.OpClose, true, "\x03\xee"), "close 1002"},
		{"close with status 1015", clientFrame(ws.OpClose, true, "\x03\xf7"), "close 1002"},
		{"close with status 2999", clientFrame(ws.OpClose, true, "\x0b\xb7"), "close 1002"},
		{"close with status 5000", clientFrame(ws.OpClose, true, "\x13\x88"), "close 1002"},
		{"close with a bad text", clientFrame(ws.OpClose, true, "\x03\xe8\xff"), "close 1007"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, nil)
			c, s := a.openWS(t, "EIO=4")
			c.raw(tt.in + after)
			c.want(tt.want, "end")
			a.reason(t, s)
			if got := a.Stats().MessagesIn; got != 0 {
				t.Errorf("%d messages were taken, want 0", got)
			}
		})
	}
}

func TestControlFrames(t *testing.T) {
	a := newApp(t, nil)
	c, _ := a.openWS(t, "EIO=4")
	c.send(ws.OpPing, "here?")
	c.want("pong here?")
	c.send(ws.OpPong, "unasked")
	c.raw(clientFrame(ws.OpText, false, "4a") + clientFrame(ws.OpPing, true, "") + clientFrame(ws.OpContinuation, true, "b"))
	c.want("pong ", "text 4ab")
	c.raw(strings.Repeat(clientFrame(ws.OpPing, true, "x"), 100) + clientFrame(ws.OpText, true, "4end"))
	for {
		if got := c.next(); got == "text 4end" {
			break
		} else if got != "pong x" {
			t.Fatalf("client got %q, want a pong", got)
		}
	}
}

// TestEarlyFrames come in the same packet as the request for the WebSocket.
func TestEarlyFrames(t *testing.T) {
	a := newApp(t, nil)
	conn := a.rawClient(t, "")
	c := handshake(t, conn, "/?EIO=4&transport=websocket", clientFrame(ws.OpText, true, "4early"))
	c.next()
	c.want("text 4early")
}
