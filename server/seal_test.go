package server

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

var clusterKey, otherKey = []byte("0123456789abcdef"), []byte("fedcba9876543210")

func TestSeal(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	a := newSeal([][]byte{clusterKey}, clock)
	b := newSeal([][]byte{otherKey, clusterKey}, clock) // in the middle of a rotation
	stranger := newSeal([][]byte{otherKey}, clock)
	say := func(s *seal, id string) []byte {
		t.Helper()
		data, err := s.close(nodesTag, nodeMessage{Node: "a", ID: id, Kind: "k", Body: []byte(`{"x":"<é>"}`)})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	first := say(a, "1")
	m, err := b.open(nodesTag, first)
	if err != nil || m.Node != "a" || m.ID != "1" || m.Kind != "k" || string(m.Body) != `{"x":"<é>"}` {
		t.Fatalf("open = %+v, %v, want what was said", m, err)
	}
	for _, tt := range []struct {
		name, tag string
		data      []byte
		want      error
	}{
		{"again", nodesTag, first, errTwice},
		{"on another tag", nodeTag + "a", say(a, "2"), errForged},
		{"with a key that only strangers have", nodesTag, say(newSeal([][]byte{[]byte("another key of 16")}, clock), "3"), errForged},
		{"with another kind", nodesTag, bytes.Replace(say(a, "4"), []byte(`"kind":"k"`), []byte(`"kind":"K"`), 1), errForged},
		{"with another id", nodesTag, bytes.Replace(first, []byte(`"id":"1"`), []byte(`"id":"5"`), 1), errForged},
		{"without a signature", nodesTag, []byte(`{"message":{"node":"a","id":"6","time":1,"kind":"k"}}`), errForged},
		{"with an empty signature", nodesTag, []byte(`{"mac":"","message":{"node":"a","id":"6"}}`), errForged},
		{"with a space", nodesTag, append([]byte(" "), say(a, "7")...), errForged},
		{"with more behind it", nodesTag, append(say(a, "8"), '}'), errForged},
		{"cut", nodesTag, first[:len(first)-1], errForged},
		{"cut in the signature", nodesTag, first[:20], errForged},
		{"empty", nodesTag, nil, errForged},
		{"text", nodesTag, []byte("goal!"), errForged},
		{"a number", nodesTag, []byte("1"), errForged},
		{"large", nodesTag, bytes.Repeat([]byte(sealHead), 10_000), errForged},
	} {
		if m, err := b.open(tt.tag, tt.data); !errors.Is(err, tt.want) || m.ID != "" {
			t.Errorf("what comes %s = %+v, %v, want %v and nothing else", tt.name, m, err, tt.want)
		}
	}
	if _, err := a.open(nodesTag, say(b, "9")); !errors.Is(err, errForged) {
		t.Errorf("the first key signs: %v at a node without it, want %v", err, errForged)
	}
	if _, err := b.open(nodesTag, say(stranger, "10")); err != nil {
		t.Errorf("the first key is believed: %v", err)
	}
}

func TestSealOfAnotherTime(t *testing.T) {
	began := time.Now().Truncate(time.Millisecond)
	now := began
	clock := func() time.Time { return now }
	a, b := newSeal([][]byte{clusterKey}, clock), newSeal([][]byte{clusterKey}, clock)
	for _, tt := range []struct {
		name       string
		said, came time.Duration // after the beginning
		want       error
	}{
		{"at once", 0, 0, nil},
		{"before the node began", -time.Millisecond, 0, errStale},
		{"30 s old", time.Minute, 90 * time.Second, nil},
		{"older", time.Minute, 90*time.Second + time.Millisecond, errStale},
		{"30 s ahead", 3 * time.Minute, 150 * time.Second, nil},
		{"further ahead", 3*time.Minute + time.Millisecond, 150 * time.Second, errStale},
	} {
		now = began.Add(tt.said)
		data, err := a.close(nodesTag, nodeMessage{ID: tt.name})
		if err != nil {
			t.Fatal(err)
		}
		now = began.Add(tt.came)
		if _, err := b.open(nodesTag, data); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		// As long as anybody believes it, it is not believed twice.
		for ; tt.want == nil && now.Before(began.Add(tt.said+freshness+time.Second)); now = now.Add(time.Second) {
			if _, err := b.open(nodesTag, data); err == nil {
				t.Fatalf("%s: opened again %v later", tt.name, now.Sub(began.Add(tt.came)))
			}
		}
	}
	now = now.Add(time.Hour)
	data, _ := a.close(nodesTag, nodeMessage{ID: "last"})
	if _, err := b.open(nodesTag, data); err != nil {
		t.Fatal(err)
	}
	if len(b.known) != 1 || len(b.forget) != 1 {
		t.Errorf("%d and %d ids are kept after an hour, want the last", len(b.known), len(b.forget))
	}
}

// Nothing that somebody without the key makes up opens.
func FuzzSeal(f *testing.F) {
	good, err := newSeal([][]byte{otherKey}, time.Now).close(nodesTag, nodeMessage{Node: "a", ID: "1", Kind: "k"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(sealHead + sealMiddle + sealTail))
	f.Add([]byte(sealHead + strings.Repeat("A", 43) + sealMiddle + "null" + sealTail))
	s := newSeal([][]byte{clusterKey}, time.Now)
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := s.open(nodesTag, data); err == nil {
			t.Errorf("open(%q) = %+v", data, m)
		}
	})
}
