package load

import (
	"slices"
	"testing"
)

func TestOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []int64
		want []verdict
	}{
		{"as published", []int64{1, 2, 3}, []verdict{inOrder, inOrder, inOrder}},
		{"missing", []int64{1, 3, 4}, []verdict{inOrder, early, inOrder}},
		{"the first missing", []int64{2, 3}, []verdict{early, inOrder}},
		{"doubled", []int64{1, 2, 2, 1, 3}, []verdict{inOrder, inOrder, doubled, doubled, inOrder}},
		{"swapped", []int64{1, 3, 2, 4}, []verdict{inOrder, early, late, inOrder}},
		{"swapped and doubled", []int64{2, 1, 1}, []verdict{early, late, doubled}},
		{"in the middle of a hole", []int64{6, 3, 2, 5, 3, 1, 4}, []verdict{early, late, late, late, doubled, late, late}},
		{"two holes", []int64{2, 4, 3, 1, 5}, []verdict{early, early, late, late, inOrder}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var o order
			var got []verdict
			for _, n := range tt.in {
				got = append(got, o.see(n))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("see(%v) = %v, want %v", tt.in, got, tt.want)
			}
		})
	}
}

func TestOrderForgetsOldHoles(t *testing.T) {
	var o order
	for n := int64(2); n <= 1000; n += 2 {
		o.see(n)
	}
	if len(o.holes) != maxHoles {
		t.Errorf("%d holes are remembered, want %d", len(o.holes), maxHoles)
	}
	if got := o.see(999); got != late {
		t.Errorf("the last hole is %v, want late", got)
	}
}

func TestPayload(t *testing.T) {
	want := message{17, 1234, 56789}
	payload := appendPayload(nil, want, 128)
	if len(payload) != 128 {
		t.Errorf("the payload has %d bytes, want 128", len(payload))
	}
	second := message{3, 1, 0}
	text := `42["bench:17",` + string(payload) + `,"p.1"]` + "\n" + string(appendPayload(nil, second, 0))
	got, rest, ok := nextPayload([]byte(text))
	if !ok || got != want {
		t.Errorf("nextPayload = %v %v, want %v", got, ok, want)
	}
	got, rest, ok = nextPayload(rest)
	if !ok || got != second {
		t.Errorf("the next is %v %v, want %v", got, ok, second)
	}
	if got, _, ok = nextPayload(rest); ok {
		t.Errorf("there is another: %v", got)
	}
	for _, text := range []string{"", "2", `{"c":`, `{"c":1}`, `{"c":1,"n":x`, `{"c":1,"n":2,"t":`, `{"c":-1,"n":2,"t":3,"pad":"`} {
		if got, _, ok := nextPayload([]byte(text)); ok {
			t.Errorf("nextPayload(%q) = %v, want none", text, got)
		}
	}
}
