package server

import (
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/channels"
)

// What a client keeps says where it stood in these channels, and nothing of any
// others.
func TestStanding(t *testing.T) {
	const a, b, c = "nodeaaaa.1.lx.0", "nodeaaaa.2.lx.11@1700000000000-5", "nodebbbb.zz.lx.18a"
	told := func(tags, at string) string {
		s := parseStanding(strings.Split(tags, ","), "")
		for i, position := range strings.Split(at, " ") {
			s.at[i] = channels.Position(position)
		}
		return s.id()
	}
	three := told("x,y,z", a+" "+b+" "+c)
	for _, tt := range []struct {
		name, tags, text string
		known            string // positions, in the order of tags
	}{
		{"one", "x", a, a},
		{"one, kept by the broker", "x", b, b},
		{"three", "x,y,z", three, a + " " + b + " " + c},
		{"of other channels", "x,y,w", three, ""},
		{"of more channels", "x,y", three, ""},
		{"of one of them", "x", three, ""},
		{"one for three", "x,y,z", a, ""},
		{"one position is none", "x,y,z", told("x,y,z", a+" nonsense "+c), a + " " + c},
		{"one is missing", "x,y,z", strings.TrimSuffix(three, ","+c), ""},
		{"the sum alone", "x,y,z", strings.SplitAfter(three, "!")[0], ""},
		{"nothing", "x,y", "", ""},
		{"noise", "x,y", "!!,,!", ""},
	} {
		tags := strings.Split(tt.tags, ",")
		s := parseStanding(tags, tt.text)
		var known []string
		for i := range tags {
			if _, ok := s.places()[tags[i]]; ok {
				known = append(known, string(s.at[i]))
			}
		}
		if got := strings.Join(known, " "); got != tt.known {
			t.Errorf("%s: it knows %q, want %q", tt.name, got, tt.known)
		}
	}
}

// No message breaks out of its event, and none is changed but for its white space.
func TestEventText(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    channels.Message
		want string
	}{
		{"", channels.Message{Data: []byte("1"), Position: "p"}, "data: 1\nid: p\n\n"},
		{"x y", channels.Message{Data: []byte("{\n\"a\":\r\n\"\\n\"}"), Position: "p"}, "event: x y\ndata: { \"a\":  \"\\n\"}\nid: p\n\n"},
		{"", channels.Message{Gap: "lost"}, "event: $gap\ndata: {\"channel\":\"x y\",\"reason\":\"lost\"}\n\n"},
		{"x y", channels.Message{Gap: "lost"}, "event: $gap\ndata: {\"channel\":\"x y\",\"reason\":\"lost\"}\n\n"},
	} {
		if got := string(appendEnd(appendEvent(nil, tt.name, "x y", &tt.m), string(tt.m.Position))); got != tt.want {
			t.Errorf("appendEvent(%q, %+v) = %q, want %q", tt.name, tt.m, got, tt.want)
		}
	}
}
