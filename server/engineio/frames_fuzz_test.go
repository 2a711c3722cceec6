package engineio

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// FuzzFrames: however the bytes are cut, the messages are the same; no message
// is above the limit; and what is allocated is bounded by what came.
func FuzzFrames(f *testing.F) {
	const key = "\x37\xfa\x21\x3d"
	for _, c := range []string{
		clientFrame(ws.OpText, true, "4a"),
		clientFrame(ws.OpText, false, "4\xc3") + clientFrame(ws.OpPing, true, "p") + clientFrame(ws.OpContinuation, true, "\xa9"),
		"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00",
		clientFrame(ws.OpBinary, true, strings.Repeat("x", 300)),
		strings.Repeat(clientFrame(ws.OpBinary, false, "x"), 3),
		compressedFrames(ws.OpText, packed(letters(900), 9)),
		compressedFrames(ws.OpBinary, bytewise(packed(letters(300), 1))...),
		compressedFrames(ws.OpBinary, final("Hello"), "x"),
		frameOf(0xc2, "\x83", key, "\x03\x00\x00"),
	} {
		f.Add([]byte(c), uint8(1), uint8(3), true)
		f.Add([]byte(c), uint8(100), uint8(9), false)
	}
	f.Fuzz(func(t *testing.T, in []byte, a, b uint8, deflates bool) {
		const limit = 1000
		with := frames{deflates: deflates}
		want := parseWith(with, limit, in)
		var pieces [][]byte
		for rest, i := in, 0; len(rest) > 0; i++ {
			n := min(len(rest), 1+int([]uint8{a, b}[i%2]))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		if got := parseWith(with, limit, pieces...); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("frames in pieces = %q, want %q as in one", got, want)
		}
		// Each frame that came may be a message of the limit, if it is compressed.
		most := 10*len(in) + 64<<10
		if deflates {
			most += len(in) / 7 * limit
		}
		var held frames
		if used := least(3, most, func() { held = with; drain(t, &held, pieces, limit) }); used > most {
			t.Errorf("%d bytes in %d pieces make %d bytes be allocated, want at most %d", len(in), len(pieces), used, most)
		}
		if part := held.partial; part != nil && part.held.size > limit {
			t.Errorf("frames hold %d bytes, want no more than a message", part.held.size)
		}
	})
}

// drain takes all messages, none of which may be above the limit.
func drain(t *testing.T, f *frames, pieces [][]byte, limit int) {
	for _, p := range pieces {
		p = bytes.Clone(p)
		for {
			m, rest, fault := f.next(p, limit)
			if fault != 0 {
				return
			}
			if m.op == 0 {
				break
			}
			if len(m.data) > limit {
				t.Errorf("a message has %d bytes, want at most %d", len(m.data), limit)
			}
			p = rest
		}
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
