package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// A Status is how a check went.
type Status string

// The statuses. A warning is of what works now and may not always.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
	Skip Status = "skip" // not looked at; Seen says why
)

// A Finding is what one check has found.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Seen   string `json:"seen"`
	Means  string `json:"means,omitempty"` // for who uses the server
	Mend   string `json:"mend,omitempty"`  // the flag, or the line of the proxy
	Millis int64  `json:"milliseconds"`    // that the check took
}

func ok(format string, args ...any) Finding {
	return Finding{Status: OK, Seen: fmt.Sprintf(format, args...)}
}

func skip(format string, args ...any) Finding {
	return Finding{Status: Skip, Seen: fmt.Sprintf(format, args...)}
}

// A fault says what it means and how to mend it, beside what was seen.
func fault(status Status, seen, means, mend string) Finding {
	return Finding{Status: status, Seen: seen, Means: means, Mend: mend}
}

// String is the finding as one line.
func (f Finding) String() string {
	line := fmt.Sprintf("%-4s  %-11s  %s", f.Status, f.Check, f.Seen)
	if f.Means != "" {
		line += ": " + f.Means
	}
	if f.Mend != "" {
		line += ". Mend: " + f.Mend
	}
	return line
}

// A Report is all that a visit found.
type Report struct {
	URL      string         `json:"url"`
	Time     time.Time      `json:"time"`
	Findings []Finding      `json:"checks"`
	Count    map[Status]int `json:"count"`
}

func (r *Report) add(f Finding) {
	r.Findings = append(r.Findings, f)
	r.Count[f.Status]++
}

// Summary is the last line of a report.
func (r *Report) Summary() string {
	var parts []string
	for _, s := range []Status{OK, Warn, Fail, Skip} {
		parts = append(parts, fmt.Sprintf("%d %s", r.Count[s], s))
	}
	return strings.Join(parts, ", ")
}

// WriteJSON writes the report as one document.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}
