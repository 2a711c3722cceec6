package channels

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// slowClient takes a while for each round.
type slowClient struct {
	id   string
	time time.Duration
}

func (c slowClient) ID() string  { return c.id }
func (c slowClient) Send(*Round) { time.Sleep(c.time) }

// Sent is told once for each round, when its last client has been sent it, and
// the time is that since its first message came. A gap is no message.
func TestSent(t *testing.T) {
	for _, clients := range []int{1, 2 * partSize} { // walked by the publisher, and beside it
		t.Run(fmt.Sprint(clients), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told []time.Duration
				messages := 0
				cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing, Sent: func(r *Round, took time.Duration) {
					told = append(told, took)
					messages += len(r.Messages)
				}})
				defer cs.Close()
				for i := range clients {
					subscribe(cs, "x", slowClient{fmt.Sprint(i), time.Second / time.Duration(clients)})
				}
				cs.Publish("x", []byte("1"))
				time.Sleep(2 * time.Second)
				cs.Gap("x", "lost")
				cs.Publish("nobody", []byte("1"))
				time.Sleep(2 * time.Second)
				if !slices.Equal(told, []time.Duration{time.Second}) || messages != 1 {
					t.Errorf("it was told of %v and %d messages, want 1 s and 1", told, messages)
				}
			})
		})
	}
}
