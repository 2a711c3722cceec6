package channels

import (
	"fmt"
	"strings"
	"testing"
)

func TestPosition(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   Position
		want Place
		ok   bool
	}{
		{"of a message", "abc23456.2s.a.32rrvthnxts", Place{Node: "abc23456", Number: 100, time: 10, print: fingerprint{3, 1 << 48}}, true},
		{"at the beginning", "n.0.0.0", Place{Node: "n"}, true},
		{"of a stream", "n.1.2.0@5-6", Place{Node: "n", Number: 1, time: 2, ID: "5-6"}, true},
		{"empty", "", Place{}, false},
		{"no node", ".0.0.0", Place{}, false},
		{"fewer fields", "n.0.0", Place{}, false},
		{"more fields", "n.0.0.0.0", Place{}, false},
		{"an empty id", "n.0.0.0@", Place{}, false},
		{"no number", "n.-1.0.0", Place{}, false},
		{"a number too large", Position("n." + strings.Repeat("z", 20) + ".0.0"), Place{}, false},
		{"another form of a number", "n.01.0.0", Place{}, false},
		{"a time before the first", "n.0.-1.0", Place{}, false},
		{"too deep", "n.0.0.91", Place{}, false},
		{"no depth", "n.0.0.", Place{}, false},
		{"too long", Position("n.0.0.0@" + strings.Repeat("1", 200)), Place{}, false},
		{"what it was before", "ABCDEF.1", Place{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.in.Place()
			if ok != tt.ok || ok && got != tt.want {
				t.Errorf("Place(%q) = %+v, %v, want %+v, %v", tt.in, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// What parses is written as it was read.
func FuzzPosition(f *testing.F) {
	for _, seed := range []string{"n.0.0.0", "abc23456.2s.c2wfrdts.32rrvthnxts@1700000000000-5", "ABCDEF.1", "a.b.c.d@e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if at, ok := Position(in).Place(); ok && at.position() != Position(in) {
			t.Errorf("%q is read as %+v and written as %q", in, at, at.position())
		}
	})
}

// Fingerprints are of one length, so that frames are, and tell the order.
func TestFingerprint(t *testing.T) {
	var a, b trail
	for _, s := range []string{"1", "2", "3"} {
		a.add(sumOf([]byte(s)))
	}
	for _, s := range []string{"0", "1", "3", "2"} {
		b.add(sumOf([]byte(s)))
	}
	if a.print(3) == b.print(3) || a.print(2) == b.print(2) {
		t.Error("another order has the same fingerprint")
	}
	if got := a.print(4); got != (fingerprint{}) {
		t.Errorf("a fingerprint over more messages than there are is %+v", got)
	}
	for i := range 100 {
		a.add(sumOf(fmt.Append(nil, i)))
		if p := (Place{Node: "n", print: a.print(a.n)}).position(); len(p) != len("n.0.0.8")+10 {
			t.Errorf("a position is %q", p)
		}
	}
}
