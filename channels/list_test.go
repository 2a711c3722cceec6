package channels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestPage(t *testing.T) {
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
	var all []Listing
	for i := range 3000 {
		tag := fmt.Sprintf("%s:%d-%d", []string{"a", "b", "é"}[i%3], rand.IntN(1000), i)
		for j := range 1 + i%2 {
			subscribe(cs, tag, &fakeClient{id: strconv.Itoa(j)})
		}
		all = append(all, Listing{tag, 1 + i%2})
	}
	slices.SortFunc(all, func(a, b Listing) int { return strings.Compare(a.Tag, b.Tag) })
	for _, tt := range []struct {
		prefix, after string
		limit         int
	}{
		{"", "", 1},
		{"", "", 100},
		{"", "", 1000},
		{"", "", 5000},
		{"b:", "", 7},
		{"é:", "é:5", 10},
		{"", all[1499].Tag, 200},
		{"", all[2999].Tag, 5},
		{"z", "", 5},
		{"a:", "b", 5},
		{"b", "a", 4000},
	} {
		var want []Listing
		for _, l := range all {
			if strings.HasPrefix(l.Tag, tt.prefix) && l.Tag > tt.after && len(want) < tt.limit {
				want = append(want, l)
			}
		}
		if got := cs.Page(tt.prefix, tt.after, tt.limit); !slices.Equal(got, want) {
			t.Errorf("Page(%q, %q, %d) has %d channels, want %d, or others", tt.prefix, tt.after, tt.limit, len(got), len(want))
		}
	}
}

// Those who stay are on the page whoever comes and goes beside them, and nobody
// twice.
func TestPageWhileOthersComeAndGo(t *testing.T) {
	const stay = 3 * breath
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
	c := &fakeClient{id: "c"}
	var want []string
	for i := range stay {
		want = append(want, fmt.Sprintf("stay:%05d", i))
		subscribe(cs, want[i], c)
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	for range 2 {
		others.Go(func() { // ends with stop
			for {
				select {
				case <-stop:
					return
				default:
				}
				tag := fmt.Sprintf("guest:%d", rand.IntN(5000))
				subscribe(cs, tag, c)
				cs.Unsubscribe(fmt.Sprintf("guest:%d", rand.IntN(5000)), "c")
			}
		})
	}
	for range 10 {
		var got []string
		for _, l := range cs.Page("", "guest:~", 2*stay) {
			got = append(got, l.Tag)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("Page has %d channels of those who stay, want %d", len(got), stay)
		}
		tags := cs.Page("guest:", "", 10_000)
		if n := len(slices.CompactFunc(slices.Clone(tags), func(a, b Listing) bool { return a.Tag == b.Tag })); n != len(tags) {
			t.Fatalf("%d of %d channels are on the page twice", len(tags)-n, len(tags))
		}
	}
	close(stop)
	others.Wait()
}

func TestHearing(t *testing.T) {
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
	for range cs.Hearing("x") {
		t.Fatal("somebody hears a channel that nobody hears")
	}
	for _, n := range []int{1, partSize, partSize + 1, 10 * partSize} {
		tag := strconv.Itoa(n)
		want := map[string]bool{}
		for i := range n {
			id := strconv.Itoa(i)
			want[id] = true
			subscribe(cs, tag, &fakeClient{id: id})
		}
		for c := range cs.Hearing(tag) {
			if !want[c.ID()] {
				t.Fatalf("%s of %d hears twice, or should not", c.ID(), n)
			}
			delete(want, c.ID())
			cs.Unsubscribe(tag, c.ID()) // no lock is held
		}
		if len(want) != 0 {
			t.Errorf("%d of %d clients were left out", len(want), n)
		}
	}
	subscribe(cs, "y", &fakeClient{id: "1"})
	subscribe(cs, "y", &fakeClient{id: "2"})
	seen := 0
	for range cs.Hearing("y") {
		seen++
		break
	}
	if seen != 1 {
		t.Errorf("%d clients were looked at before a break, want 1", seen)
	}
}

// BenchmarkPage is the list of a thousand of very many channels.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
			c := &fakeClient{id: "c"}
			for i := range n {
				subscribe(cs, "own:"+strconv.Itoa(i), c)
			}
			b.ReportAllocs()
			for b.Loop() {
				if got := len(cs.Page("", "", 1000)); got != 1000 {
					b.Fatalf("%d channels, want 1000", got)
				}
			}
		})
	}
}
