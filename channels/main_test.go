package channels

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/sb-stream/stream-server/internal/brokertest"
)

// fakeBroker notes what is listened to.
type fakeBroker struct {
	brokertest.Near

	mu    sync.Mutex
	tags  map[string]bool
	calls []string
}

func newFakeBroker() *fakeBroker { return &fakeBroker{tags: map[string]bool{}} }

func (b *fakeBroker) note(verb, tag string, on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls = append(b.calls, verb+" "+tag)
	if on == b.tags[tag] {
		panic("the broker was told twice: " + verb + " " + tag)
	}
	b.tags[tag] = on
}

func (b *fakeBroker) Listen(tag string) { b.note("listen", tag, true) }

func (b *fakeBroker) Unlisten(tag string)           { b.note("unlisten", tag, false) }
func (*fakeBroker) Run(context.Context, Sink) error { return nil }

func (b *fakeBroker) listening() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for tag, on := range b.tags {
		if on {
			list = append(list, tag)
		}
	}
	slices.Sort(list)
	return list
}

// fakeClient notes what it is sent.
type fakeClient struct {
	id string

	mu     sync.Mutex
	got    []*Message
	rounds []*Round
}

func (c *fakeClient) ID() string { return c.id }

func (c *fakeClient) Send(r *Round) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rounds = append(c.rounds, r)
	for i := range r.Messages {
		c.got = append(c.got, &r.Messages[i])
	}
}

// seen is what the client got: the data, or the reason of a gap with a "!".
func (c *fakeClient) seen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, m := range c.got {
		if m.Gap != "" {
			list = append(list, "!"+m.Gap)
		} else {
			list = append(list, string(m.Data))
		}
	}
	return strings.Join(list, " ")
}

func encodeNothing(r *Round) any { return r.Channel }

func liveNow(s Subscription) bool {
	select {
	case <-s.Live:
		return true
	default:
		return false
	}
}

// subscribe is Subscribe to a channel that is live.
func subscribe(cs *Channels, tag string, c Client) Subscription {
	sub := cs.Subscribe(tag, c, nil)
	cs.Live(tag)
	return sub
}
