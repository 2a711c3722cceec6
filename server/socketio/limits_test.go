package socketio_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/server/socketio"
)

// TestNamespaceLimit: a client is in so many namespaces, and one that asks for
// another is sent away.
func TestNamespaceLimit(t *testing.T) {
	const most = 16 // RELIABILITY.md section 2
	s, base := newServer(t)
	for i := range most + 1 {
		s.OnConnect(fmt.Sprintf("/n%d", i), func(socketio.Conn) error { return nil })
	}
	p := open(t, base, "4")
	for i := range most {
		p.post(fmt.Sprintf("40/n%d,", i))
		if got, want := anyID(p.poll()), fmt.Sprintf(`40/n%d,{"sid":"…"}`, i); got != want {
			t.Fatalf("CONNECT number %d = %s, want %s", i+1, got, want)
		}
	}
	p.postTo(fmt.Sprintf("40/n%d,", most), true)
	if got := p.poll(); got != "6\x1e1" {
		t.Errorf("the poll after one too many = %q, want the end", got)
	}
}

// TestAttachmentsBeforeConnect: nothing is kept for who is not in the
// namespace.
func TestAttachmentsBeforeConnect(t *testing.T) {
	_, base := newServer(t)
	p := open(t, base, "4")
	p.postTo(`451-["echo",{"_placeholder":true,"num":0}]`, true)
	if got := p.poll(); got != "6\x1e1" {
		t.Errorf("the poll = %q, want the end", got)
	}
}

// TestAttachmentsLimit: an event and its attachments together have the size of
// a message.
func TestAttachmentsLimit(t *testing.T) {
	const event = `["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	for _, tt := range []struct {
		name  string
		extra int
		want  string
	}{
		{"just fit", 0, `42["echo-back"`},
		{"one byte more", 1, gone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, base := newServer(t)
			p := open(t, base, "4")
			p.post("40")
			p.poll()
			p.post("452-" + event)
			size := (64<<10 - len(event)) / 2
			// Each is a POST of its own, in base64.
			for i, n := range []int{size, 64<<10 - len(event) - size + tt.extra} {
				data := strings.Repeat("A", (n+2)/3*4)
				switch n % 3 {
				case 1:
					data = data[:len(data)-2] + "=="
				case 2:
					data = data[:len(data)-1] + "="
				}
				got := p.do(http.Post(p.url, "text/plain", strings.NewReader("b"+data)))
				if want := map[bool]string{true: "ok", false: tt.want}[i == 0 || tt.extra == 0]; got != want {
					t.Fatalf("attachment %d = %s, want %s", i, got, want)
				}
			}
			if tt.extra == 0 {
				if got := p.poll(); !strings.HasPrefix(got, tt.want) {
					t.Errorf("the poll = %.60q, want %s", got, tt.want)
				}
			}
		})
	}
}
