package channels

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// keeping is a map whose channels keep so much, live at once.
func keeping(count, bytes int) *Channels {
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing, Keep: count, Age: time.Minute, Bytes: bytes, Linger: time.Minute})
	return cs
}

// hear makes a client hear a channel, after a position if there is one.
func hear(cs *Channels, tag string, since Position) (*fakeClient, Subscription) {
	c := &fakeClient{id: fmt.Sprint(cs.seq.last.Add(1))}
	var missed *Missed
	if at, ok := since.Place(); ok {
		missed = &Missed{After: at.Number}
	}
	sub := cs.Subscribe(tag, c, missed)
	cs.Live(tag)
	return c, sub
}

func publish(cs *Channels, tag string, data ...string) {
	for _, d := range data {
		cs.Publish(tag, []byte(d))
	}
}

func TestReplay(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(cs *Channels)
		room int
		want string // what it gets, recovered or not
	}{
		{"nothing was missed", func(*Channels) {}, 100, "true:"},
		{"some", func(cs *Channels) { publish(cs, "x", "2", "3") }, 100, "true:2 3"},
		{"of this channel", func(cs *Channels) { publish(cs, "y", "9"); publish(cs, "x", "2") }, 100, "true:2"},
		{"as many as are kept", func(cs *Channels) { publish(cs, "x", "2", "3", "4", "5") }, 100, "true:2 3 4 5"},
		{"one more than are kept", func(cs *Channels) { publish(cs, "x", "2", "3", "4", "5", "6") }, 100, "false:"},
		{"as large as may be", func(cs *Channels) { publish(cs, "x", "22", "33") }, 4, "true:22 33"},
		{"larger", func(cs *Channels) { publish(cs, "x", "22", "333") }, 4, "false:"},
		{"a break", func(cs *Channels) { cs.Lost("broker_lost"); cs.Live("x"); publish(cs, "x", "2") }, 100, "false:"},
		{"a break without messages", func(cs *Channels) { cs.Lost("broker_lost"); cs.Live("x") }, 100, "false:"},
		{"a break that lasts", func(cs *Channels) { cs.Lost("broker_lost") }, 100, "false:"},
		{"a message that was refused", func(cs *Channels) { cs.Gap("x", "too_deep") }, 100, "false:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cs := keeping(4, 1<<20)
			defer cs.Close()
			first, _ := hear(cs, "x", "")
			hear(cs, "y", "")
			publish(cs, "x", "1")
			since := first.got[0].Position
			cs.Unsubscribe("x", first.id)
			tt.do(cs)
			at, _ := since.Place()
			c := &fakeClient{id: "back"}
			sub := cs.Subscribe("x", c, &Missed{After: at.Number, Room: &tt.room})
			if got := fmt.Sprint(sub.Recovered, ":", c.seen()); got != tt.want {
				t.Errorf("it gets %s, want %s", got, tt.want)
			}
			if want := len(strings.Fields(c.seen())); sub.Replayed != want {
				t.Errorf("Replayed = %d, want %d", sub.Replayed, want)
			}
			cs.Live("x")
			publish(cs, "x", "next")
			if !strings.HasSuffix(c.seen(), "next") {
				t.Errorf("it has heard %s, and no more", c.seen())
			}
		})
	}
}

// Who hears the channel already is not sent twice what it has.
func TestReplayToNobodyTwice(t *testing.T) {
	cs := keeping(4, 1<<20)
	defer cs.Close()
	c, _ := hear(cs, "x", "")
	publish(cs, "x", "1", "2")
	at, _ := c.got[0].Position.Place()
	if sub := cs.Subscribe("x", c, &Missed{After: at.Number}); sub.Recovered || c.seen() != "1 2" {
		t.Errorf("it is recovered %v, and has %s", sub.Recovered, c.seen())
	}
}

func TestLatestReplaysOne(t *testing.T) {
	cs := New(Config{
		Broker: newFakeBroker(), Encode: encodeNothing, Keep: 9, Age: time.Minute, Bytes: 1 << 20,
		Linger: time.Minute, Latest: func(string) bool { return true },
	})
	defer cs.Close()
	first, sub := hear(cs, "x", "")
	publish(cs, "x", "1", "2", "3")
	cs.Unsubscribe("x", first.id)
	c, sub := hear(cs, "x", sub.Position)
	if !sub.Recovered || sub.Replayed != 1 || c.seen() != "3" {
		t.Errorf("it is recovered %v, replayed %d, and has %s; want the newest", sub.Recovered, sub.Replayed, c.seen())
	}
}

// Messages go when they are too old, or too much of all channels, the oldest
// first, and with their channel.
func TestRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cs := keeping(100, 10*(entryBytes+10))
		defer cs.Close()
		_, at := hear(cs, "x", "")
		hear(cs, "y", "")
		for i := range 6 {
			publish(cs, "x", fmt.Sprintf(`"x%07d"`, i))
			publish(cs, "y", fmt.Sprintf(`"y%07d"`, i))
		}
		if messages, bytes := cs.Kept(); messages != 10 || bytes != 10*(entryBytes+10) {
			t.Errorf("%d messages of %d bytes are kept", messages, bytes)
		}
		if _, sub := hear(cs, "x", at.Position); sub.Recovered {
			t.Error("recovered, though the first is gone")
		}
		time.Sleep(30 * time.Second)
		publish(cs, "x", `1`)
		time.Sleep(31*time.Second + sweepEvery)
		synctest.Wait()
		if messages, _ := cs.Kept(); messages != 1 {
			t.Errorf("%d messages are kept after their time, want 1", messages)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if messages, bytes := cs.Kept(); messages != 0 || bytes != 0 {
			t.Errorf("%d messages of %d bytes are kept when all are too old", messages, bytes)
		}
		c, _ := hear(cs, "z", "")
		publish(cs, "z", "1", "2")
		cs.Unsubscribe("z", c.id)
		if messages, _ := cs.Kept(); messages != 2 {
			t.Errorf("%d messages of a channel that lingers are kept, want 2", messages)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if messages, bytes := cs.Kept(); messages != 0 || bytes != 0 {
			t.Errorf("%d messages of %d bytes are kept of a channel that is gone", messages, bytes)
		}
	})
}

// Another node's position is found where the same messages came, if there is one
// such place and no other may be meant.
func TestFind(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before string // what this node hears before the other node does
		both   string // what both hear; the position is of the last
		after  string // what this node hears after it
		late   time.Duration
		want   string // what follows; "no" if it is not found
	}{
		{"the first", "", "a", "b c", 3 * time.Second, "b c"},
		{"among others", "a b", "c d", "e", 3 * time.Second, "e"},
		{"the newest", "a b", "c", "", 3 * time.Second, ""},
		{"too late", "", "a", "b", 900 * time.Millisecond, "no"},
		{"the same twice", "a", "a", "b", 3 * time.Second, "no"},
		{"the same later", "", "a", "b a", 3 * time.Second, "no"},
		{"told apart by those before", "x a", "y a", "b", 3 * time.Second, "b"},
		{"nine", "t u v w x y z", "a b c d e f g h i", "j", 3 * time.Second, "j"},
		{"none", "a b", "", "c", 3 * time.Second, "no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := keeping(100, 1<<20), keeping(100, 1<<20)
				defer here.Close()
				defer there.Close()
				hear(here, "x", "")
				time.Sleep(tt.late)
				publish(here, "x", strings.Fields(tt.before)...)
				time.Sleep(tt.late)
				hear(there, "x", "")
				publish(here, "x", strings.Fields(tt.both)...)
				publish(there, "x", strings.Fields(tt.both)...)
				_, sub := hear(there, "x", "")
				publish(here, "x", strings.Fields(tt.after)...)
				at, _ := sub.Position.Place()
				got := "no"
				if number, ok := here.Find("x", at); ok {
					list, _ := here.Between("x", number, here.Last())
					var data []string
					for _, m := range list {
						data = append(data, string(m.Data))
					}
					got = strings.Join(data, " ")
				}
				if got != tt.want {
					t.Errorf("after it comes %q, want %q", got, tt.want)
				}
			})
		})
	}
}
