package server

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The burst is let in, and no more; then what the rate allows.
func TestMessageRate(t *testing.T) {
	inBubble(t, Config{}, func(b *bubble) {
		a, other := b.open(home, ""), b.open(home, "")
		const event = `["unsubscribe","x"]`
		for i := range 100 {
			if code := a.ask(event); code != "" {
				b.t.Fatalf("message %d was refused: %s", i+1, code)
			}
		}
		if code := a.ask(event); code != "rate_limited" {
			b.t.Errorf("message 101 = %q, want rate_limited", code)
		}
		b.refused("messages", 1)
		if code := other.ask(event); code != "" {
			b.t.Errorf("another client's message = %s, want it let in", code)
		}
		time.Sleep(20 * time.Millisecond)
		if code := a.ask(event); code != "" {
			b.t.Errorf("a message after 20 ms = %s, want it let in", code)
		}
		if code := a.ask(event); code != "rate_limited" {
			b.t.Errorf("a second one after 20 ms = %q, want rate_limited", code)
		}
		b.refused("messages", 2)
	})
}

// What is no message is not counted as one, and what nobody handles is.
func TestWhatIsAMessage(t *testing.T) {
	for _, tt := range []struct {
		name, packet string
		counts       bool
	}{
		{"an event without a handler", `42["x"]`, true},
		{"an event without a payload", "42", true},
		{"identify", `42["identify","x"]`, true},
		{"a heartbeat", "3", false},
		{"an ack", "430[]", false},
		{"a subscribe", `42["subscribe","x"]`, false},
		{"the original's subscribe", `42["message","x"]`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{}, func(b *bubble) {
				a := b.open(home, "")
				for range 100 {
					a.say(tt.packet)
				}
				want := ""
				if tt.counts {
					want = "rate_limited"
				}
				if code := a.ask(`["unsubscribe","x"]`); code != want {
					b.t.Errorf("a message after 100 of them = %q, want %q", code, want)
				}
			})
		})
	}
}

// A page subscribes to all that it may at once, in one event or in many, and
// then at the rate.
func TestSubscribeRate(t *testing.T) {
	list := func(n int) string {
		tags := make([]string, n)
		for i := range tags {
			tags[i] = fmt.Sprint("c", i)
		}
		all, _ := json.Marshal(tags)
		return string(all)
	}
	for _, tt := range []struct {
		name   string
		events []string
	}{
		{"one event", []string{`["subscribe",` + list(128) + `]`}},
		{"an event each", func() (events []string) {
			for i := range 128 {
				events = append(events, fmt.Sprintf(`["subscribe","c%d"]`, i))
			}
			return events
		}()},
		{"half and half", []string{`["subscribe",` + list(64) + `]`, `["message",` + list(64) + `]`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{}, func(b *bubble) {
				a := b.open(home, "")
				for _, event := range tt.events {
					if code := a.ask(event); code != "" {
						b.t.Fatalf("%.40s was refused: %s", event, code)
					}
				}
				if code := a.ask(`["subscribe","c0"]`); code != "rate_limited" {
					b.t.Errorf("one more channel = %q, want rate_limited", code)
				}
				b.refused("subscribes", 1)
				time.Sleep(50 * time.Millisecond)
				if code := a.ask(`["subscribe","$bad"]`); code != "bad_channel" {
					b.t.Errorf("a bad channel after 50 ms = %q, want bad_channel", code)
				}
				if code := a.ask(`["subscribe","c0"]`); code != "rate_limited" {
					b.t.Errorf("a channel after it = %q, want rate_limited: a bad one counts too", code)
				}
			})
		})
	}
	inBubble(t, Config{MaxChannels: 500}, func(b *bubble) {
		a := b.open(home, "")
		if code := a.ask(`["subscribe",` + list(500) + `]`); code != "" {
			b.t.Errorf("500 channels at once, of 500 that a client may hear = %s, want them let in", code)
		}
	})
}

// Who goes on after 100 refusals in a row is closed, and not told to stay away.
func TestFloodIsClosed(t *testing.T) {
	inBubble(t, Config{}, func(b *bubble) {
		a := b.open(home, "")
		for range 100 + 99 {
			a.say(`42["x"]`)
		}
		time.Sleep(20 * time.Millisecond) // one is let in, and the count begins anew
		for range 1 + 99 {
			a.say(`42["x"]`)
		}
		synctest.Wait()
		if a.closed || b.sessions.Len() != 1 {
			b.t.Fatal("the client was closed after 99 refusals in a row")
		}
		a.say(`42["x"]`)
		synctest.Wait()
		if !a.closed || b.sessions.Len() != 0 {
			b.t.Error("the client was not closed after 100 refusals in a row")
		}
		b.refused("messages", 199)
		for _, m := range a.next() {
			if strings.HasPrefix(m, "41") {
				b.t.Errorf("the client was sent %s: it would not come back", m)
			}
		}
	})
}

// The sessions of a member, and of an address, have a limit together, and a new
// session is no way around it.
func TestSharedRates(t *testing.T) {
	const event = `["unsubscribe","x"]`
	for _, tt := range []struct {
		name, limit  string
		config       Config
		first, other [2]string // address and member
	}{
		{
			"member", "messages_per_member",
			Config{RatesPerMember: 2},
			[2]string{home, "m"},
			[2]string{home, "n"},
		},
		{
			"address", "messages_per_address",
			Config{RatesPerAddress: 2},
			[2]string{home, ""},
			[2]string{"192.0.2.2:1000", ""},
		},
		{
			"network of version 6", "messages_per_address",
			Config{RatesPerAddress: 2},
			[2]string{"[2001:db8::%d]:1000", ""},
			[2]string{"[2001:db8:0:1::1]:1000", ""},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, tt.config, func(b *bubble) {
				opened := 0
				open := func(who [2]string) *recorder {
					opened++
					who[0] = strings.Replace(who[0], "%d", fmt.Sprint(opened), 1)
					if who[1] == "" {
						return b.open(who[0], "")
					}
					return b.open(who[0], b.token(who[1]))
				}
				for i := range 2 {
					a := open(tt.first)
					for range 100 {
						if code := a.ask(event); code != "" {
							b.t.Fatalf("a message of session %d was refused: %s", i+1, code)
						}
					}
					a.Close()
					synctest.Wait()
				}
				if code := open(tt.first).ask(event); code != "rate_limited" {
					b.t.Errorf("a message of the third session = %q, want rate_limited", code)
				}
				b.refused(tt.limit, 1)
				if code := open(tt.other).ask(event); code != "" {
					b.t.Errorf("a message of somebody else = %q, want it let in", code)
				}
			})
		})
	}
	inBubble(t, Config{RatesPerMember: 1}, func(b *bubble) {
		for i := range 3 { // guests are as many as they like
			a := b.open(home, "")
			for range 100 {
				if code := a.ask(event); code != "" {
					b.t.Fatalf("a message of guest %d was refused: %s", i+1, code)
				}
			}
		}
	})
}

// To connect in vain is free for nobody.
func TestConnectRate(t *testing.T) {
	inBubble(t, Config{}, func(b *bubble) {
		a := b.dial(home)
		for i := range 100 {
			a.say(`40{"token":"garbage"}`)
			if list := a.next(); !strings.Contains(list[len(list)-1], "bad_token") {
				b.t.Fatalf("CONNECT %d was answered %q, want bad_token", i+1, list)
			}
		}
		a.say(`40{"token":"garbage"}`)
		synctest.Wait()
		if !a.closed {
			b.t.Error("the client was not closed after CONNECT 101")
		}
		b.refused("messages", 1)

		a = b.dial(home)
		for range 101 { // the first is free
			a.say("40")
			a.say("41")
		}
		synctest.Wait()
		if a.closed {
			b.t.Error("the client was closed after 100 times of coming back")
		}
		a.say("40")
		synctest.Wait()
		if !a.closed {
			b.t.Error("the client was not closed after 101 times of coming back")
		}
	})
}

// No limit is one that 0 of the flags has switched off.
func TestRatesOff(t *testing.T) {
	inBubble(t, Config{MessageRate: -1, SubscribeRate: -1}, func(b *bubble) {
		a := b.open(home, b.token("m"))
		for range 1000 {
			if code := a.ask(`["unsubscribe","x"]`) + a.ask(`["subscribe","x"]`); code != "" {
				b.t.Fatalf("refused: %s", code)
			}
		}
	})
}
