package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/internal/load"
)

// A report is the results as people read them.
type report struct {
	*sitting
	subjects []subject
	machine  []string
	took     time.Duration
	skipped  map[string]string // subject → why it is not there
}

// A table grows by rows of cells.
type table struct{ strings.Builder }

func newTable(head ...string) *table {
	t := new(table)
	t.row(head...)
	t.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	return t
}

func (t *table) row(cells ...string) {
	t.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// show is a figure with so many decimals, and a dash for none.
func show(v float64, decimals int) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.*f", decimals, v)
}

// columns are the combinations of clients and channels.
func (r *report) columns() (all [][2]int) {
	for _, n := range r.clients {
		for _, c := range r.channels {
			if c <= n {
				all = append(all, [2]int{n, c})
			}
		}
	}
	return all
}

func columnName(c [2]int) string { return fmt.Sprintf("N=%s C=%s", thousands(c[0]), thousands(c[1])) }

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// markdown is the whole generated part.
func (r *report) markdown() string {
	var b strings.Builder
	for _, line := range r.machine {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprintf(&b, "- medians of %d rounds, in %v; %s deliveries in each phase\n\n", r.times, r.took.Round(time.Second), thousands(r.deliveries))
	r.section(&b, "Goals", r.goals())
	r.section(&b, "Server CPU for each delivery, µs (and times the floor), one message at a time", r.perColumn("cpu", 2, true))
	if slices.Contains(r.channels, 1) {
		r.section(&b, "The same on one hot channel with 8 publishes under way", r.perClients("coalesced", 1))
	}
	r.section(&b, fmt.Sprintf("Latency at %s deliveries a second, p50 / p99 in ms", thousands(int(r.rate))), r.latencies())
	r.section(&b, "Idle subscribed clients", r.idleTable())
	r.section(&b, "One client in a hundred does not read", r.slowTable())
	r.section(&b, "What was delivered wrongly", r.faultTable())
	for _, s := range slices.Sorted(func(yield func(string) bool) {
		for name := range r.skipped {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintf(&b, "Not measured: %s (%s).\n", s, r.skipped[s])
	}
	for _, s := range r.subjects {
		for _, failure := range r.results.failed[s.name] {
			fmt.Fprintf(&b, "%s failed: %s.\n", s.label, failure)
		}
	}
	return b.String()
}

func (r *report) section(b *strings.Builder, title string, t *table) {
	if t != nil {
		fmt.Fprintf(b, "### %s\n\n%s\n", title, t)
	}
}

// perColumn is a metric in all columns, with its ratio to the floor.
func (r *report) perColumn(metric string, decimals int, ratio bool) *table {
	head := []string{"subject"}
	for _, c := range r.columns() {
		head = append(head, columnName(c))
	}
	t := newTable(head...)
	for _, s := range r.subjects {
		row := []string{s.label}
		for _, c := range r.columns() {
			at := cell{s.name, c[0], c[1]}
			text := show(r.results.median(at, metric), decimals)
			if ratio {
				text += fmt.Sprintf(" (%s)", show(r.results.ratio(at, metric, floorName, metric), 2))
			}
			row = append(row, text)
		}
		t.row(row...)
	}
	return t
}

// perClients is a metric on so many channels, beside the floor with one message
// at a time.
func (r *report) perClients(metric string, channels int) *table {
	head := []string{"subject"}
	for _, n := range r.clients {
		head = append(head, columnName([2]int{n, channels}))
	}
	t := newTable(head...)
	for _, s := range r.subjects {
		row := []string{s.label}
		for _, n := range r.clients {
			at := cell{s.name, n, channels}
			row = append(row, fmt.Sprintf("%s (%s)", show(r.results.median(at, metric), 2), show(r.results.ratio(at, metric, floorName, "cpu"), 2)))
		}
		t.row(row...)
	}
	return t
}

func (r *report) latencies() *table {
	head := []string{"subject"}
	for _, c := range r.columns() {
		head = append(head, columnName(c))
	}
	t := newTable(head...)
	for _, s := range r.subjects {
		row := []string{s.label}
		for _, c := range r.columns() {
			at := cell{s.name, c[0], c[1]}
			p50, p99 := r.results.median(at, "p50"), r.results.median(at, "p99")
			row = append(row, show(p50, 2)+" / "+show(p99, 2))
		}
		t.row(row...)
	}
	return t
}

func (r *report) idleTable() *table {
	head := []string{"subject"}
	for _, n := range r.clients {
		name := "N=" + thousands(n)
		head = append(head, name+": KiB each", name+": µs of CPU per connect", name+": ms of CPU per GC cycle (with idle workers)")
	}
	most := slices.Max(r.clients)
	t := newTable(append(head, "KiB per parked poll, N="+thousands(most), "KiB over TLS, N="+thousands(most))...)
	for _, s := range r.subjects {
		row := []string{s.label}
		for _, n := range r.clients {
			at := cell{s.name, n, r.channels[0]}
			row = append(row, show(r.results.median(at, "memory"), 2), show(r.results.median(at, "connect"), 0), show(r.results.median(at, "gc"), 1)+" ("+show(r.results.median(at, "gc all"), 1)+")")
		}
		special := cell{s.name, most, 1}
		t.row(append(row, show(r.results.median(special, "parked"), 2), show(r.results.median(special, "tls"), 2))...)
	}
	return t
}

func (r *report) slowTable() *table {
	t := newTable("subject", "lost by the others", "CPU per delivery, times that without", "closed as slow", "MiB grown at most", "MiB grown without")
	empty := true
	for _, s := range r.subjects {
		if !s.ours {
			continue
		}
		at, m := cell{s.name, r.slowClients(), 1}, r.results.median
		t.row(s.label, show(m(at, "slow lost"), 0), show(m(at, "slow cpu"), 2), show(m(at, "slow closed"), 0),
			show(m(at, "slow grown"), 1), show(m(at, "slow grown without"), 1))
		empty = false
	}
	if empty {
		return nil
	}
	return t
}

func (r *report) faultTable() *table {
	t := newTable("subject", "delivered", "lost", "doubled", "out of order", "of other channels", "clients closed", "bytes of a frame")
	for _, s := range r.subjects {
		f, ok := r.results.faults[s.name]
		if !ok {
			f = load.Faults{}
		}
		c := r.columns()[0]
		t.row(s.label, thousands(int(r.results.delivered[s.name])), thousands(int(f.Lost)), thousands(int(f.Doubled)), thousands(int(f.Swapped)),
			thousands(int(f.Foreign)), thousands(int(f.Closed)), show(r.results.median(cell{s.name, c[0], c[1]}, "bytes"), 1))
	}
	return t
}
