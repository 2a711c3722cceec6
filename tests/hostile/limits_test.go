package hostile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server"
)

// TestLimits is the limits of RELIABILITY.md section 2 on what one client may
// send: what is just allowed, and one more. Namespaces are socketio's to test:
// this server has one.
func TestLimits(t *testing.T) {
	n := start(t, "plain", server.Config{})
	text := func(s string) []byte { return clientFrame(ws.OpText, []byte(s)) }
	binary := func(size int) []byte { return clientFrame(ws.OpBinary, make([]byte, size)) }
	nested := func(depth int) []byte { // the array of the event is one of them
		return text(`42["x",` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + "]")
	}
	attached := func(count int) []byte {
		list, data := `["x"`, []byte{}
		for i := range count {
			list += fmt.Sprintf(`,{"_placeholder":true,"num":%d}`, i)
			data = append(data, binary(1)...)
		}
		return append(text(fmt.Sprintf("45%d-%s]", count, list)), data...)
	}
	fragments := func(count int) []byte {
		list := ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte(probe))))
		for i := 2; i <= count; i++ {
			list = append(list, ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(ws.OpContinuation, i == count, nil)))...)
		}
		return list
	}
	const largest = 64 << 10
	long := func(size int) []byte { return text(`42["x","` + strings.Repeat("y", size-10) + `"]`) }
	sum := func(size int) []byte {
		const event = `["x",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
		return append(append(text("452-"+event), binary(largest/2)...), binary(size-len(event)-largest/2)...)
	}
	for _, tt := range []struct {
		name    string
		make    func(n int) []byte
		most    int
		refused string
	}{
		{"message", long, largest, "close 1009"},
		{"attachments", attached, 10, "close 1005"},
		{"bytes of attachments", sum, largest, "close 1005"},
		{"nesting", nested, 64, "close 1005"},
		{"fragments", fragments, 1024, "close 1008"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size, want := range map[int]string{tt.most: "open", tt.most + 1: tt.refused} {
				p, _, err := n.join("")
				if err != nil {
					t.Fatal(err)
				}
				p.send(tt.make(size))
				p.text(probe)
				if got := p.finish(probeAck); got != want {
					t.Errorf("%d came to %s, want %s", size, got, want)
				}
				p.close()
			}
		})
	}
	noops := func(count int) string { return strings.TrimSuffix(strings.Repeat("6\x1e", count), "\x1e") }
	for _, tt := range []struct {
		name    string
		body    func(n int) string
		most    int
		refused string
	}{
		{"packets of a POST", noops, 1000, "400; closed"},
		{"bytes of a POST", func(size int) string { return "6" + strings.Repeat("x", size-1) }, largest, "413; open"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for size, want := range map[int]string{tt.most: "200; open", tt.most + 1: tt.refused} {
				s, err := n.poll(4)
				if err != nil {
					t.Fatal(err)
				}
				a, err := s.post(tt.body(size))
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprintf("%d; %s", a.status, s.state()); got != want {
					t.Errorf("%d came to %s, want %s", size, got, want)
				}
				s.leave()
			}
		})
	}
	t.Run("bytes of a URL", func(t *testing.T) {
		const path = "/socket.io/?EIO=0&transport=polling&x="
		for size, want := range map[int]int{8 << 10: 400, 8<<10 + 1: 414} {
			if a := n.get(t, path+strings.Repeat("x", size-len(path))); a.status != want {
				t.Errorf("%d came to %d, want %d", size, a.status, want)
			}
		}
	})
}

// TestFloods: messages as fast as they can be sent, and pings that are not read
// the answers to, cost the server next to nothing, and nobody else notices.
func TestFloods(t *testing.T) {
	n := start(t, "plain", server.Config{})
	t.Run("pings, and nothing is read", func(t *testing.T) {
		in := named(t, "ws-ping-flood")
		p, _, err := n.join("")
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		before := measure()
		n.canary.mark()
		// What the kernels do not take shows that the server has stopped to
		// answer; it reads on all the same.
		data := in.raw("")
		for range 4 {
			if _, err := p.conn.Write(data); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := p.conn.Write(clientFrame(ws.OpPing, []byte("last"))); err != nil {
			t.Fatal(err)
		}
		n.checkCanary(t)
		if after := measure(); after.heap > before.heap+maxGrowth {
			t.Errorf("the heap has %d bytes more, want at most %d", after.heap-before.heap, maxGrowth)
		}
		p.text(probe)
		out := p.finish(probeAck)
		if !strings.HasSuffix(out, "pong 4, open") {
			t.Errorf("reading at last it came to %s, want the answer to the last ping, and open", out)
		}
		if p.pongs >= 4*50_000 {
			t.Errorf("%d pongs came: nothing has been left out, so nothing was tested", p.pongs)
		}
	})
	t.Run("a POST full of events", func(t *testing.T) {
		s, err := n.poll(4)
		if err != nil {
			t.Fatal(err)
		}
		defer s.leave()
		if _, err := s.post(strings.TrimSuffix(strings.Repeat("42[\"x\"]\x1e", 1000), "\x1e")); err != nil {
			t.Fatal(err)
		}
		want := "open"
		if rateLimited {
			want = "closed"
		}
		if got := s.state(); got != want {
			t.Errorf("the session is %s, want it %s", got, want)
		}
	})
}

// TestSmuggling: no request hides behind a body whose end is in doubt, whether
// or not the first one is refused.
func TestSmuggling(t *testing.T) {
	n := start(t, "plain", server.Config{})
	s, err := n.poll(4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.leave()
	for _, path := range []string{s.path, "/api/publish", "/", "/healthz", "/nowhere"} {
		p, err := n.connect()
		if err != nil {
			t.Fatal(err)
		}
		p.send(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"+
			"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", path))
		a, err := p.answer("POST")
		if err != nil {
			t.Fatal(err)
		}
		if got := p.closed(); got != "closed" {
			t.Errorf("POST %s = %d, and then the connection is %s, want it closed", path, a.status, got)
		}
		p.close()
	}
}
