package main

import (
	"fmt"
	"html"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// The generated part of performance.md stands between these lines.
const (
	markBegin = "<!-- bench -->\n"
	markEnd   = "<!-- /bench -->\n"
)

// write puts the results into a folder's performance.md, and the plot beside.
func (r *report) write(folder, text string) error {
	name := filepath.Join(folder, "performance.md")
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	page, err := replaceGenerated(string(old), text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := os.WriteFile(name, []byte(page), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "performance.svg"), []byte(r.plot()), 0o644)
}

// replaceGenerated keeps what people wrote.
func replaceGenerated(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, markBegin)
	_, after, ok2 := strings.Cut(rest, markEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("no lines %q and %q", strings.TrimSpace(markBegin), strings.TrimSpace(markEnd))
	}
	return before + markBegin + "\n" + strings.TrimRight(text, "\n") + "\n\n" + markEnd + after, nil
}

// Measures of the plot, in pixels.
const (
	plotWidth = 860
	labelAt   = 250 // right end of the labels, left end of the bars
	barHigh   = 16
	rowHigh   = 22
	panelHead = 34
)

// plot is bars of CPU per delivery, a panel for each column, on a page of any
// colour.
func (r *report) plot() string {
	var b strings.Builder
	panel := panelHead + rowHigh*len(r.subjects) + 14
	high := 40 + panel*len(r.columns())
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" role="img">`+"\n", plotWidth, high)
	b.WriteString("<title>CPU of the server for each delivery</title>\n")
	b.WriteString(`<style>
text { fill: #222 } .line { stroke: #222 } .floor { fill: #8a8f98 } .ours { fill: #2f7de1 } .peer { fill: #d9822b }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .line { stroke: #ddd } }
</style>` + "\n")
	b.WriteString(`<text x="10" y="24" font-size="16" font-weight="bold">Server CPU for each delivery, µs: shorter is better</text>` + "\n")
	longest := 0.0
	for _, s := range r.subjects {
		for _, c := range r.columns() {
			if v := r.results.median(cell{s.name, c[0], c[1]}, "cpu"); v > longest {
				longest = v
			}
		}
	}
	for i, c := range r.columns() {
		r.panel(&b, c, 40+i*panel, longest)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// panel is one column from y on; a line goes down from the end of the floor.
func (r *report) panel(b *strings.Builder, c [2]int, y int, longest float64) {
	scale := float64(plotWidth-labelAt-140) / longest
	fmt.Fprintf(b, `<text x="10" y="%d" font-weight="bold">%s clients, %s</text>`+"\n", y+20, thousands(c[0]), plural(c[1], "channel"))
	y += panelHead
	floor := r.results.median(cell{floorName, c[0], c[1]}, "cpu")
	for i, s := range r.subjects {
		v := r.results.median(cell{s.name, c[0], c[1]}, "cpu")
		top := y + i*rowHigh
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, labelAt-8, top+barHigh-3, html.EscapeString(s.label))
		if math.IsNaN(v) {
			fmt.Fprintf(b, `<text x="%d" y="%d">not measured</text>`+"\n", labelAt+4, top+barHigh-3)
			continue
		}
		class := "peer"
		switch {
		case s.ours:
			class = "ours"
		case strings.HasPrefix(s.name, floorName):
			class = "floor"
		}
		note := fmt.Sprintf("%.1f µs", v)
		if !math.IsNaN(floor) && s.name != floorName {
			note += fmt.Sprintf(" (× %s)", show(r.results.ratio(cell{s.name, c[0], c[1]}, "cpu", floorName, "cpu"), 2))
		}
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/><text x="%.1f" y="%d">%s</text>`+"\n",
			class, labelAt, top, v*scale, barHigh, labelAt+v*scale+6, top+barHigh-3, note)
	}
	if !math.IsNaN(floor) {
		x := labelAt + floor*scale
		fmt.Fprintf(b, `<line class="line" x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke-dasharray="3 3"/>`+"\n", x, x, y-4, y+rowHigh*len(r.subjects))
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}
