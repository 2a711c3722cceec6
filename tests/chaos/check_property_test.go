package chaos

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A world makes histories that keep every promise, with reconnects, replays,
// gaps and messages that Redis did not accept.
type world struct {
	*rand.Rand
	replies []bool
	entries []entry
	told    int // owed messages under a gap
}

// newWorld is one with at least 20 messages.
func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 1))}
	before := w.IntN(5) // published before anybody listens
	for range before {
		w.replies = append(w.replies, w.IntN(10) > 0)
	}
	w.entries = append(w.entries, entry{what: asked}, entry{what: answered, n: before})
	for len(w.replies) < 20+w.IntN(80) {
		switch w.IntN(12) {
		case 0: // away for a while, and all is replayed
			w.entries = append(w.entries, entry{what: asked})
			n := w.publish(w.IntN(5))
			w.entries = append(w.entries, entry{what: answered, n: len(w.replies), again: true, recovered: true, replayed: n})
		case 1: // away, and not recovered
			w.miss()
			w.entries = append(w.entries, entry{what: asked}, entry{what: answered, n: len(w.replies), again: true})
			w.publish(1)
		case 2: // the broker was away
			w.miss()
			w.entries = append(w.entries, entry{what: gap})
			w.publish(1)
		default:
			w.publish(1)
		}
	}
	return w
}

// publish sends messages that arrive, if Redis accepts them, or perhaps.
func (w *world) publish(n int) (arrived int) {
	for range n {
		accepted := w.IntN(10) > 0
		w.replies = append(w.replies, accepted)
		if accepted || w.IntN(2) == 0 {
			w.entries = append(w.entries, entry{what: message, n: len(w.replies)})
			arrived++
		}
	}
	return arrived
}

// miss sends some that do not arrive.
func (w *world) miss() {
	for range w.IntN(4) {
		accepted := w.IntN(10) > 0
		w.replies = append(w.replies, accepted)
		if accepted {
			w.told++
		}
	}
}

// owedMessages are the indexes of the entries of messages that are owed, and
// stand between others: a hole there has messages of the same connection on
// either side.
func (w *world) owedMessages() (at []int) {
	for i := 1; i < len(w.entries)-1; i++ {
		e := w.entries[i]
		if e.what == message && w.replies[e.n-1] && w.entries[i-1].what == message && w.entries[i+1].what == message {
			at = append(at, i)
		}
	}
	return at
}

// Histories that keep the promises pass, and a checker that is fed one fault
// finds that fault.
func TestCheckerFindsEveryFault(t *testing.T) {
	corrupted := make(map[string]int)
	for seed := range uint64(2000) {
		w := newWorld(seed)
		v := check(w.replies, w.entries)
		if v.wrong() != 0 || v.told != w.told || v.got+v.told < v.owed {
			t.Fatalf("seed %d: a good history has %+v, want %d told and nothing wrong", seed, v, w.told)
		}
		at := w.owedMessages()
		if len(at) == 0 {
			continue
		}
		i := at[w.IntN(len(at))]
		for name, corrupt := range map[string]func([]entry) []entry{
			"lost":    func(e []entry) []entry { return slices.Delete(e, i, i+1) },
			"twice":   func(e []entry) []entry { return slices.Insert(e, i+1+w.IntN(len(e)-i), e[i]) },
			"swapped": func(e []entry) []entry { e[i], e[i+1] = e[i+1], e[i]; return e },
			"foreign": func(e []entry) []entry { return slices.Insert(e, i, entry{what: message, n: len(w.replies) + 1}) },
			"end":     func(e []entry) []entry { return e[:i] },
		} {
			bad := check(w.replies, corrupt(slices.Clone(w.entries)))
			found := map[string]bool{
				"lost":    bad.lost == 1 && bad.told == v.told,
				"twice":   bad.twice == 1 && bad.lost == 0,
				"swapped": bad.swapped == 1,
				"foreign": bad.foreign == 1,
				"end":     bad.lost >= 1,
			}[name]
			if !found || len(bad.faults) == 0 {
				t.Fatalf("seed %d: a history with entry %d %s has %+v", seed, i, name, bad)
			}
			corrupted[name]++
		}
	}
	for name, n := range corrupted {
		if n < 1000 {
			t.Errorf("only %d histories were corrupted by %s", n, name)
		}
	}
}

// A hole whose gap is taken away is found, whoever told it.
func TestCheckerMissesTheGap(t *testing.T) {
	removed := 0
	for seed := range uint64(2000) {
		w := newWorld(seed)
		good := check(w.replies, w.entries)
		for i, e := range w.entries {
			if e.what != gap && (e.what != answered || !e.again || e.recovered) {
				continue
			}
			silent := slices.Clone(w.entries)
			if e.what == gap {
				silent = slices.Delete(silent, i, i+1)
			} else {
				silent[i].recovered = true // a server that says so, and it is not true
			}
			bad := check(w.replies, silent)
			if bad.told+bad.lost != good.told {
				t.Fatalf("seed %d: without the gap at %d there are %+v, want %d told or lost", seed, i, bad, good.told)
			}
			removed += bad.lost
		}
	}
	if removed < 1000 {
		t.Errorf("%d messages were lost without their gaps, want far more", removed)
	}
}

// What is told while an answer is under way counts as told, late; and not at
// all if that answer never comes.
func TestCheckerLateAnswers(t *testing.T) {
	yes := func(n int) []bool { return slices.Repeat([]bool{true}, n) }
	begin := []entry{{what: asked}, {what: answered}, {what: message, n: 1}}
	for _, tt := range []struct {
		name       string
		then       []entry
		told, lost int
	}{
		{"told late", []entry{{what: asked}, {what: message, n: 3}, {what: answered, again: true}}, 1, 0},
		{"recovered after a hole", []entry{{what: asked}, {what: message, n: 3}, {what: answered, again: true, recovered: true}}, 0, 1},
		{"no answer", []entry{{what: asked}, {what: message, n: 3}, {what: asked}, {what: answered, again: true, recovered: true}}, 0, 1},
		{"a gap after the newer message", []entry{{what: message, n: 3}, {what: gap}}, 0, 1},
		{"nothing at the end", []entry{{what: message, n: 2}}, 0, 1},
		{"a gap at the end", []entry{{what: message, n: 2}, {what: gap}}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := check(yes(3), append(slices.Clone(begin), tt.then...))
			if got.told != tt.told || got.lost != tt.lost {
				t.Errorf("check() = %d told, %d lost, want %d, %d: %+v", got.told, got.lost, tt.told, tt.lost, got)
			}
		})
	}
}
