package engineio

import (
	"fmt"
	"slices"
	"testing"

	"github.com/sb-stream/stream-server/server/reactor"
)

// A stingy Conn takes as many writes as it may, and keeps what it took.
type stingy struct {
	reactor.Conn
	may   int
	taken []string
}

func (c *stingy) Busy() bool        { return true }
func (c *stingy) Write([]byte) bool { return false }

func (c *stingy) WriteAll(bufs ...[]byte) bool {
	if c.may--; c.may < 0 {
		return false
	}
	for _, b := range bufs {
		c.taken = append(c.taken, string(b))
	}
	return true
}

// The parts of a message go out together or are dropped together, also where a
// newer one takes its place between two writes.
func TestPartsStayTogether(t *testing.T) {
	server := NewServer(nil, nil)
	for lone := range 3 { // frames before them, so that each part is at the edge of a write once
		conn := &stingy{}
		s := &Session{server: server, longPolling: neverPolled, ws: &socket{conn: conn}}
		for i := range lone {
			s.Send(PlainFrame(fmt.Append(nil, "lone ", i)))
		}
		send := func(i int) {
			s.SendParts(fmt.Sprint("channel ", i), 2, PlainFrame(fmt.Append(nil, "head ", i)).Joined(), PlainFrame(fmt.Append(nil, "tail ", i)))
		}
		for i := range flushFrames {
			send(i)
		}
		conn.may = 1
		send(flushFrames) // has the first write made
		for i := range flushFrames {
			send(i)
		}
		conn.may = 10
		send(flushFrames)
		got := slices.DeleteFunc(conn.taken, func(text string) bool { return text[0] == 'l' })
		if len(got) < 2*flushFrames || len(got)%2 != 0 {
			t.Fatalf("with %d before them %d frames were sent", lone, len(got))
		}
		for i := 0; i < len(got); i += 2 {
			if got[i][0] != 'h' || got[i+1] != "tail"+got[i][4:] {
				t.Fatalf("with %d before them %q is followed by %q", lone, got[i], got[i+1])
			}
		}
	}
}
