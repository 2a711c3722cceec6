package chaos

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A row is one of RELIABILITY.md, or a form of it, with what came out.
type row struct {
	id      string
	what    string // the fault
	goal    string
	peer    string // the Node peer's figure
	figures []string
	missed  []string
	kinds   *[kinds]verdict // nil where nothing is published for the checker
}

// The rows that ran, in the order in which they ended.
var (
	rowsMu sync.Mutex
	rows   []*row
)

// report adds a row to the table when the test ends.
func report(t *testing.T, r row) *row {
	t.Cleanup(func() {
		if t.Failed() && len(r.missed) == 0 {
			r.missed = append(r.missed, "something else failed: the log has it")
		}
		rowsMu.Lock()
		defer rowsMu.Unlock()
		rows = append(rows, &r)
	})
	return &r
}

// expect notes a figure with its goal, and fails the test if that is missed.
func (r *row) expect(t *testing.T, met bool, format string, args ...any) {
	t.Helper()
	figure := fmt.Sprintf(format, args...)
	r.figures = append(r.figures, figure)
	if met {
		t.Log(figure)
		return
	}
	r.missed = append(r.missed, figure)
	t.Errorf("missed: %s", figure)
}

// atMost is expect of a time.
func (r *row) atMost(t *testing.T, what string, took, most time.Duration) {
	t.Helper()
	r.expect(t, took >= 0 && took <= most, "%s %s (at most %v)", what, short(took), most)
}

// short is a time as people write it.
func short(d time.Duration) string {
	switch {
	case d < 0:
		return "never"
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// judge takes the verdicts. No kind may have anything lost silently, twice or
// out of order; those of whole have nothing told either, because all of it
// comes.
func (r *row) judge(t *testing.T, by [kinds]verdict, whole ...kind) {
	t.Helper()
	r.kinds = &by
	for k, v := range by {
		if v.owed == 0 {
			r.expect(t, false, "nothing was published on channels %s", kind(k))
		}
		for _, fault := range v.faults {
			t.Log(fault)
		}
	}
	bad := func(v verdict) string { return fmt.Sprintf("%d lost, %d twice", v.lost, v.twice+v.swapped+v.foreign) }
	var durable, plain verdict
	for k, v := range by {
		if kind(k).durable() {
			durable.add(v)
		} else {
			plain.add(v)
		}
	}
	r.expect(t, durable.wrong() == 0, "durable: %s", bad(durable))
	r.expect(t, plain.wrong() == 0, "plain: %s silently", bad(plain))
	for _, k := range whole {
		if by[k].told > 0 {
			r.expect(t, false, "%s: %d told, and all could have come", k, by[k].told)
		}
	}
}

// table is the report as Markdown.
func table(rows []*row) string {
	slices.SortStableFunc(rows, func(a, b *row) int { return order(a.id) - order(b.id) })
	var b strings.Builder
	fmt.Fprintf(&b, "| # | fault | goal | Node peer | ours | met |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		met := "yes"
		if len(r.missed) > 0 {
			met = "**no**: " + strings.Join(r.missed, "; ")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.id, r.what, r.goal, r.peer, strings.Join(r.figures, "; "), met)
	}
	fmt.Fprintf(&b, "\n| # | fault | channels | owed | got | recovered | told | lost | twice |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		if r.kinds == nil {
			continue
		}
		for k, v := range r.kinds {
			fmt.Fprintf(&b, "| %s | %s | %s | %d | %d | %d | %d | %d | %d |\n",
				r.id, r.what, kind(k), v.owed, v.got, v.replayed, v.told, v.lost, v.twice+v.swapped+v.foreign)
		}
	}
	return b.String()
}

// order is F1, F2, … F11, and then the rest.
func order(id string) int {
	n := 0
	if _, err := fmt.Sscanf(id, "F%d", &n); err != nil {
		return 1000
	}
	return n
}

// The generated part of docs/chaos.md stands between these lines.
const (
	page      = "../../docs/chaos.md"
	markBegin = "<!-- chaos -->\n"
	markEnd   = "<!-- /chaos -->\n"
)

// write puts the table into the page, and keeps what people wrote.
func write(text string, took time.Duration) error {
	old, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), markBegin)
	_, after, ok2 := strings.Cut(rest, markEnd)
	if !ok || !ok2 {
		return fmt.Errorf("%s: no lines %q and %q", page, markBegin, markEnd)
	}
	where := fmt.Sprintf("%s, %d cores, Go %s, in %v", runtime.GOOS, runtime.NumCPU(), strings.TrimPrefix(runtime.Version(), "go"), took.Round(time.Second))
	return os.WriteFile(page, []byte(before+markBegin+"\nRun on "+where+".\n\n"+text+"\n"+markEnd+after), 0o644)
}
