package main

import (
	"testing"
	"time"
)

func TestTrimIsDueAfterWaves(t *testing.T) {
	const mib = 1 << 20
	start := time.Unix(1_000_000, 0)
	trimmer := &trimmer{}
	for _, step := range []struct {
		what            string
		second          int
		live, allocated uint64
		want            bool
	}{
		{"nothing has happened", 1, 4 * mib, 1 * mib, false},
		{"clients connect", 2, 10 * mib, 100 * mib, false},
		{"and more", 3, 20 * mib, 200 * mib, false},
		{"they are there", 4, 20 * mib, 200*mib + 1000, true},
		{"quiet", 5, 20 * mib, 200*mib + 2000, false},
		{"another wave", 6, 20 * mib, 300 * mib, false},
		{"too soon", 7, 20 * mib, 300 * mib, false},
		{"a minute later", 64, 20 * mib, 300*mib + 500<<10, true},
		{"little by little", 200, 20 * mib, 305 * mib, false},
		{"still little", 201, 20 * mib, 305*mib + 1, false},
		{"it sums up", 400, 20 * mib, 314*mib + 500<<10, false},
		{"and is over", 401, 20 * mib, 314*mib + 600<<10, true},
	} {
		if got := trimmer.due(start.Add(time.Duration(step.second)*time.Second), step.live, step.allocated); got != step.want {
			t.Errorf("%s: due = %v, want %v", step.what, got, step.want)
		}
	}
}

func TestGarbageHasHeadroom(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		live uint64
		want int
	}{{0, 200}, {1 * mib, 200}, {5 * mib, 160}, {8 * mib, 100}, {1000 * mib, 100}} {
		if got := percent(tt.live); got != tt.want {
			t.Errorf("percent(%d) = %d, want %d", tt.live, got, tt.want)
		}
	}
}
