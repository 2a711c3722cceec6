package engineio

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// upgraded opens a WebSocket that offers these extensions, and returns the ones
// the server accepts.
func (a *app) upgraded(t *testing.T, query, offers string) (c *wsClient, accepted string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(a.url, "http://"), "/?"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c, header := handshakeWith(t, conn, "/?transport=websocket&"+query, "Sec-WebSocket-Extensions: "+offers+"\r\n", "")
	return c, strings.Join(header.Values("Sec-WebSocket-Extensions"), "; ")
}

// readFrame reads one frame, and takes its mask off.
func readFrame(t *testing.T, r io.Reader) ws.Frame {
	t.Helper()
	h, err := ws.ReadHeader(r)
	if err != nil {
		t.Fatal(err)
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		t.Fatal(err)
	}
	if h.Masked {
		ws.Cipher(f.Payload, h.Mask, 0)
	}
	return f
}

// squeezed is a client's frame of a compressed message.
func squeezed(t *testing.T, data string) string {
	t.Helper()
	f, err := wsflate.CompressFrame(ws.NewTextFrame([]byte(data)))
	if err != nil {
		t.Fatal(err)
	}
	return string(ws.MustCompileFrame(ws.MaskFrame(f)))
}

func TestCompressOffers(t *testing.T) {
	const ours = "permessage-deflate"
	for _, tt := range []struct {
		name, offers string
		off, want    bool
	}{
		{name: "plain", offers: "permessage-deflate", want: true},
		{name: "of Chromium", offers: "permessage-deflate; client_max_window_bits", want: true},
		{name: "of ws", offers: "permessage-deflate; client_max_window_bits, permessage-deflate", want: true},
		{name: "no takeover", offers: "permessage-deflate; server_no_context_takeover; client_no_context_takeover", want: true},
		{name: "a smaller window, or any", offers: "permessage-deflate; server_max_window_bits=10, permessage-deflate", want: true},
		{name: "a smaller window", offers: "permessage-deflate; server_max_window_bits=10"},
		{name: "unknown parameter", offers: "permessage-deflate; brotli"},
		{name: "bad value", offers: "permessage-deflate; client_max_window_bits=99"},
		{name: "another extension", offers: "x-webkit-deflate-frame"},
		{name: "switched off", offers: "permessage-deflate", off: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, &Options{Compress: !tt.off})
			c, accepted := a.upgraded(t, "EIO=4", tt.offers)
			got := strings.HasPrefix(accepted, ours)
			if got != tt.want || got && (!strings.Contains(accepted, "server_no_context_takeover") ||
				!strings.Contains(accepted, "client_no_context_takeover")) {
				t.Errorf("offered %q, accepted %q, want accepted: %v, without takeover", tt.offers, accepted, tt.want)
			}
			c.next()
			c.text("4plain") // may always come and go
			c.want("text 4plain")
		})
	}
}

// Long messages go compressed to those who take that, in both directions, and
// compressed once for all of them.
func TestCompress(t *testing.T) {
	long := strings.Repeat(`{"goal":1} `, 1000)
	for _, query := range []string{"EIO=4", "EIO=3"} {
		a := newApp(t, &Options{Compress: true})
		c, _ := a.upgraded(t, query, "permessage-deflate")
		c.next()
		eventually(t, "the session", func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			return len(a.sessions) > 0
		})
		session := a.last()
		v := session.version
		bundle := NewBundle("", TextFrame(v, []byte("first")), TextFrame(v, []byte(long)), TextFrame(v, []byte("short")))
		session.SendAll(bundle)
		c.want("text 4first")
		c.wantCompressed("4" + long)
		c.want("text 4short")
		if got := bundle.deflated(0); got != bundle.compressed || len(got.wire) > len(long)/5 {
			t.Errorf("the bundle is compressed to %d of %d bytes, and again each time", len(got.wire), len(bundle.wire))
		}
		c.raw(squeezed(t, "4"+long[:900])) // echoed, which is below the threshold
		c.want("text 4" + long[:900])
		f := readFrame(t, strings.NewReader(squeezed(t, "4in two")))
		first := clientFrame(ws.OpText, false, string(f.Payload[:3]))
		c.raw(string(first[0]|rsv1) + first[1:] + clientFrame(ws.OpPing, true, "") + clientFrame(ws.OpContinuation, true, string(f.Payload[3:])))
		c.want("pong ", "text 4in two")
	}
}

// wantCompressed is what next must be, compressed.
func (c *wsClient) wantCompressed(want string) {
	c.t.Helper()
	f := readFrame(c.t, c.r)
	if !f.Header.Rsv1() {
		c.t.Fatalf("the frame %+v is not compressed", f.Header)
	}
	if f, err := wsflate.DecompressFrame(f); err != nil || string(f.Payload) != want {
		c.t.Fatalf("client got %.100q, %v, want %.100q", f.Payload, err, want)
	}
}

func TestHostileCompression(t *testing.T) {
	bomb := squeezed(t, "4"+strings.Repeat("0", 64<<20))
	if len(bomb) > DefaultMaxPayload*2 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	plain := clientFrame(ws.OpText, true, "4not compressed")
	ping := clientFrame(ws.OpPing, true, "x")
	more := clientFrame(ws.OpText, false, "4") + "\xc0" + clientFrame(ws.OpContinuation, true, "x")[1:]
	for _, tt := range []struct{ name, in, want string }{
		{"bomb", bomb, "close 1009"},
		{"no deflate", "\xc1" + plain[1:], "close 1007"},
		{"cut", func() string {
			f := readFrame(t, strings.NewReader(squeezed(t, "4"+strings.Repeat("abcdefgh", 100))))
			frame := clientFrame(ws.OpText, true, string(f.Payload[:len(f.Payload)/2]))
			return "\xc1" + frame[1:]
		}(), "close 1007"},
		{"bad UTF-8 inside", squeezed(t, "4\xff"), "close 1007"},
		{"a compressed ping", "\xc9" + ping[1:], "close 1002"},
		{"RSV1 on a continuation", more, "close 1002"},
		{"RSV1 and RSV2", "\xe1" + plain[1:], "close 1002"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, &Options{Compress: true, MaxPayload: 80_000})
			c, _ := a.upgraded(t, "EIO=4", "permessage-deflate")
			c.next()
			c.raw(tt.in)
			c.want(tt.want)
		})
	}
}

// FuzzInflate: whatever comes, no more than the limit; and what was compressed
// comes out again.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("4hello hello hello hello"))
	f.Add([]byte("\xf2H\xcd\xc9\xc9\x07\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1000
		if out, fault := inflate([][]byte{in}, limit); fault == 0 && len(out) > limit {
			t.Errorf("inflate = %d bytes, want at most %d", len(out), limit)
		}
		if len(in) == 0 || len(in) > limit {
			return
		}
		frame := closed(ws.OpBinary, append(open(len(in)), in...))
		small, ok := frame.deflate(0)
		if !ok {
			return
		}
		if out, fault := inflate([][]byte{small.buf[small.head:]}, limit); fault != 0 || !bytes.Equal(out, in) {
			t.Errorf("%q comes out as %q, %d", in, out, fault)
		}
	})
}
