package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Pages of many nodes, one after the other, are the sorted list of all, with the
// sums, whatever a page and an answer have room for.
func TestMergePages(t *testing.T) {
	for _, tt := range []struct{ nodes, channels, limit, room int }{
		{1, 0, 10, 1 << 20},
		{1, 10, 10, 1 << 20},
		{1, 11, 10, 1 << 20},
		{3, 200, 1, 1 << 20},
		{3, 200, 7, 1 << 20},
		{3, 500, 100, 1 << 20},
		{2, 300, 1000, 1 << 20},
		{3, 200, 50, 300},
		{3, 100, 50, 1},
		{2, 100, 1, 100},
	} {
		all := map[string]int{}
		shares := make([][]heardChannel, tt.nodes)
		for range tt.channels {
			tag := fmt.Sprintf("é<%s>%d", strings.Repeat("x", rand.IntN(20)), rand.Uint64())
			for i := range shares {
				if n := rand.IntN(3); n > 0 {
					all[tag] += n
					shares[i] = append(shares[i], heardChannel{tag, n})
				}
			}
		}
		var want []heardChannel
		for tag, n := range all {
			want = append(want, heardChannel{tag, n})
		}
		byTag := func(a, b heardChannel) int { return strings.Compare(a.Channel, b.Channel) }
		slices.SortFunc(want, byTag)
		for _, share := range shares {
			slices.SortFunc(share, byTag)
		}
		var got []heardChannel
		for after, more := "", true; more; {
			pages := make([]pageOf[heardChannel], tt.nodes)
			for i, share := range shares {
				begin, _ := slices.BinarySearchFunc(share, after+"\x00", func(c heardChannel, tag string) int { return strings.Compare(c.Channel, tag) })
				pages[i] = newPage(share[begin:], tt.limit, tt.room)
				if n := sizeOf(pages[i]); n > tt.room && len(pages[i].Items) > 1 {
					t.Fatalf("%+v: a page of %d bytes", tt, n)
				}
			}
			items, next := mergePages(pages, tt.limit, func(c heardChannel) string { return c.Channel },
				func(a, b heardChannel) heardChannel { return heardChannel{a.Channel, a.Sessions + b.Sessions} })
			if items == nil || len(items) > tt.limit || next != "" && (len(items) == 0 || next != items[len(items)-1].Channel) {
				t.Fatalf("%+v: a page of %d items, next %q", tt, len(items), next)
			}
			got = append(got, items...)
			after, more = next, next != ""
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %d channels in all, want %d, or others", tt, len(got), len(want))
		}
	}
}

func TestCountMembers(t *testing.T) {
	var members []uint64
	for i := range 40_000 {
		members = append(members, hashMember(fmt.Sprint("member-", i)))
	}
	// of is the sketch of a node with these members, each twice.
	of := func(from, to, most int) sketch {
		return newSketch(append(slices.Clone(members[from:to]), members[from:to]...), most)
	}
	for _, tt := range []struct {
		name     string
		sketches []sketch
		want     int
		exact    bool
	}{
		{"nobody", nil, 0, true},
		{"nobody on two nodes", []sketch{of(0, 0, 10), of(0, 0, 10)}, 0, true},
		{"one node", []sketch{of(0, 7, 10)}, 7, true},
		{"one node of very many", []sketch{of(0, 7000, 10), {}}, 7000, true},
		{"the same on two nodes", []sketch{of(0, 10, 10), of(0, 10, 10)}, 10, true},
		{"some on both", []sketch{of(0, 10, 10), of(5, 12, 10), {}}, 12, true},
		{"no room for a hash", []sketch{of(0, 10, 0), of(0, 10, 0)}, 10, false},
		{"many, the same", []sketch{of(0, 20_000, maxHashes), of(0, 20_000, maxHashes)}, 20_000, false},
		{"many, others", []sketch{of(0, 20_000, maxHashes), of(20_000, 40_000, maxHashes)}, 40_000, false},
		{"many, half of them the same", []sketch{of(0, 20_000, maxHashes), of(10_000, 30_000, maxHashes)}, 30_000, false},
		{"many and few", []sketch{of(0, 20_000, maxHashes), of(19_990, 20_010, maxHashes)}, 20_010, false},
	} {
		got, exact := countMembers(tt.sketches)
		// Within four times what a sketch of so many hashes is off by; the members
		// are the same in each run.
		if off := float64(got-tt.want) / float64(max(tt.want, 1)); exact != tt.exact || tt.exact && got != tt.want || off > 0.064 || off < -0.064 {
			t.Errorf("%s: %d, exact %v; want %d, exact %v", tt.name, got, exact, tt.want, tt.exact)
		}
	}
}
