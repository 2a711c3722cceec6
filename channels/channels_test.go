package channels

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestPublishReachesTheClientsOfTheChannel(t *testing.T) {
	broker := newFakeBroker()
	cs := New(Config{Broker: broker, Encode: encodeNothing})
	a, b := &fakeClient{id: "a"}, &fakeClient{id: "b"}

	if n := cs.Publish("score", []byte("0")); n != 0 {
		t.Errorf("Publish to nobody = %d, want 0", n)
	}
	subscribe(cs, "score", a)
	subscribe(cs, "score", b)
	subscribe(cs, "score", b) // twice changes nothing
	subscribe(cs, "other", b)
	if n := cs.Publish("score", []byte("1")); n != 2 {
		t.Errorf("Publish to two clients = %d, want 2", n)
	}
	cs.Unsubscribe("score", "b")
	cs.Unsubscribe("score", "b")
	cs.Unsubscribe("nowhere", "b")
	if n := cs.Publish("score", []byte("2")); n != 1 {
		t.Errorf("Publish to one client = %d, want 1", n)
	}
	if got := a.seen(); got != "1 2" {
		t.Errorf("a got %q, want %q", got, "1 2")
	}
	if got := b.seen(); got != "1" {
		t.Errorf("b got %q, want %q", got, "1")
	}
	if got := a.rounds[0].Encoding; got != "score" {
		t.Errorf("Encoding = %v, want what Encode returned", got)
	}
	if a.got[0] != b.got[0] {
		t.Error("two clients got two messages, want one shared by both")
	}
	cs.Unsubscribe("score", "a")
	cs.Unsubscribe("other", "b")
	if heard, lingering := cs.Len(); heard != 0 || lingering != 0 {
		t.Errorf("Len after everybody left = %d, %d, want 0, 0", heard, lingering)
	}
	if got := broker.listening(); len(got) != 0 {
		t.Errorf("the broker still listens to %v", got)
	}
}

func TestPositionsOfOneChannelAscend(t *testing.T) {
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
	c := &fakeClient{id: "c"}
	at := subscribe(cs, "x", c).Position
	for range 40 {
		cs.Publish("x", []byte("1"))
	}
	seen := map[Position]bool{at: true}
	for i, m := range c.got {
		if m.Position == "" || seen[m.Position] {
			t.Fatalf("message %d has position %q, which is empty or was there before", i, m.Position)
		}
		seen[m.Position] = true
	}
	if got := subscribe(cs, "x", &fakeClient{id: "d"}).Position; got != c.got[39].Position {
		t.Errorf("Subscribe says position %q, want that of the newest message, %q", got, c.got[39].Position)
	}
}

func TestLiveAndLost(t *testing.T) {
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
	early, waiting := &fakeClient{id: "early"}, &fakeClient{id: "waiting"}

	sub := cs.Subscribe("x", waiting, nil)
	if liveNow(sub) {
		t.Fatal("the channel is live before the broker said so")
	}
	cs.Lost("broken") // nobody was promised anything yet
	cs.Live("x")
	if !liveNow(sub) || waiting.seen() != "" {
		t.Errorf("after Live: live %v, got %q, want true and no gap", liveNow(sub), waiting.seen())
	}
	if sub.Early() {
		t.Error("Early says that a live channel is not")
	}

	cs.Lost("broken")
	if sub := cs.Subscribe("x", early, nil); liveNow(sub) {
		t.Error("a subscription made while the broker is away is live")
	}
	cs.Live("x")
	cs.Live("x") // says it only once
	if got := waiting.seen(); got != "!broken" {
		t.Errorf("the client that was there got %q, want %q", got, "!broken")
	}

	other := &fakeClient{id: "other"}
	cs.Subscribe("y", other, nil)
	cs.Live("y")
	cs.Lost("too_large", "y")
	cs.Live("y")
	if got := other.seen(); got != "!too_large" {
		t.Errorf("the client of the lost channel got %q, want %q", got, "!too_large")
	}
	if got := waiting.seen(); got != "!broken" {
		t.Errorf("the client of another channel got %q, want nothing new", got)
	}
}

func TestEarlyAnswerIsToldOfTheGap(t *testing.T) {
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
	c := &fakeClient{id: "c"}
	sub := cs.Subscribe("x", c, nil)
	if !sub.Early() {
		t.Fatal("Early = false for a channel that is not live")
	}
	cs.Live("x")
	if got := c.seen(); got != "!subscribed_late" {
		t.Errorf("got %q, want %q", got, "!subscribed_late")
	}

	// Somebody else who comes after the first has left was promised nothing.
	cs.Subscribe("y", c, nil).Early()
	cs.Subscribe("y", &fakeClient{id: "keeps the channel"}, nil)
	cs.Unsubscribe("y", "keeps the channel")
	cs.Unsubscribe("y", "c")
	d := &fakeClient{id: "d"}
	cs.Subscribe("y", d, nil)
	cs.Live("y")
	if got := d.seen(); got != "" {
		t.Errorf("a client that waited got %q, want nothing", got)
	}
}

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// pass lets time of the bubble go by, and all happen that is due then.
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		broker := newFakeBroker()
		cs := New(Config{Broker: broker, Linger: time.Minute, Encode: encodeNothing})
		c := &fakeClient{id: "c"}
		cs.Subscribe("a", c, nil)
		cs.Live("a")
		cs.Unsubscribe("a", "c")
		if heard, lingering := cs.Len(); heard != 0 || lingering != 1 {
			t.Fatalf("Len = %d, %d, want 0, 1", heard, lingering)
		}
		pass(30 * time.Second)
		cs.Subscribe("b", c, nil)
		cs.Unsubscribe("b", "c")
		if sub := cs.Subscribe("a", c, nil); !liveNow(sub) {
			t.Error("a channel that lingers is not live for who comes back")
		}
		pass(45 * time.Second) // the first minute of "a" is over, but it is heard
		cs.Unsubscribe("a", "c")
		if got := broker.listening(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("listening to %v, want [a b]", got)
		}
		pass(59 * time.Second)
		if got := broker.listening(); !slices.Equal(got, []string{"a"}) {
			t.Errorf("listening to %v, want [a]", got)
		}
		pass(time.Second)
		if got := broker.listening(); len(got) != 0 {
			t.Errorf("listening to %v after the linger, want nothing", got)
		}
		if heard, lingering := cs.Len(); heard != 0 || lingering != 0 {
			t.Errorf("Len = %d, %d, want 0, 0", heard, lingering)
		}
	})
}

// Everybody comes and goes at once; each client must see the messages of each
// channel in one order and without a hole from its subscribe to its leaving.
func TestConcurrentUse(t *testing.T) {
	const publishers, clients, rounds = 4, 8, 200
	broker := newFakeBroker()
	cs := New(Config{Broker: broker, Encode: encodeNothing})
	witness := &fakeClient{id: "witness"}
	subscribe(cs, "x", witness)

	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range rounds {
				cs.Publish("x", fmt.Appendf(nil, "%d-%d", p, i))
			}
		})
	}
	guests := make([]*fakeClient, clients)
	for i := range guests {
		guests[i] = &fakeClient{id: fmt.Sprint("guest ", i)}
		wg.Go(func() {
			for range rounds {
				cs.Subscribe("x", guests[i], nil)
				cs.Subscribe("y", guests[i], nil)
				cs.Unsubscribe("x", guests[i].id)
				cs.Unsubscribe("y", guests[i].id)
			}
		})
	}
	wg.Wait()
	for cs.find("x").walking() { // the last rounds may be sent by a goroutine of their own
		runtime.Gosched()
	}
	if len(witness.got) != publishers*rounds {
		t.Fatalf("the witness got %d messages, want %d", len(witness.got), publishers*rounds)
	}
	index := map[*Message]int{}
	for i, m := range witness.got {
		index[m] = i
	}
	for _, g := range guests {
		for i := 1; i < len(g.got); i++ {
			if index[g.got[i-1]] >= index[g.got[i]] {
				t.Fatalf("%s saw message %d before message %d", g.id, index[g.got[i-1]], index[g.got[i]])
			}
		}
	}
	cs.Unsubscribe("x", "witness")
	if got := broker.listening(); len(got) != 0 {
		t.Errorf("the broker still listens to %v", got)
	}
}
