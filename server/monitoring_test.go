package server_test

import (
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
)

// scraped is /metrics as it is.
func (n *node) scraped(t *testing.T) string {
	t.Helper()
	resp, err := n.http.Get(n.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// series are the samples without their values.
func series(text string) map[string]bool {
	found := make(map[string]bool)
	for line := range strings.Lines(text) {
		if name, _, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && !strings.HasPrefix(line, "#") {
			found[name+"}"] = true
		} else if name, _, ok := strings.Cut(line, " "); ok && !strings.HasPrefix(line, "#") {
			found[name] = true
		}
	}
	return found
}

// promtool runs it, and fails the test when it finds anything.
func promtool(t *testing.T, in string, args ...string) {
	t.Helper()
	c := exec.Command("promtool", args...)
	c.Stdin = strings.NewReader(in)
	if out, err := c.CombinedOutput(); err != nil || in != "" && len(out) > 0 {
		t.Errorf("promtool %v: %v: %s", args, err, out)
	}
}

// onRedis is a node on a Redis of its own, with which all metrics are there.
func onRedis(t *testing.T) *node {
	t.Helper()
	return startOnRedis(t, redistest.Start(t), "sb:")
}

// What is measured is named as Prometheus wants it, and there are no more series
// for more clients, channels and messages.
func TestMetricsConventions(t *testing.T) {
	n := onRedis(t)
	before := n.scraped(t)
	promtool(t, before, "check", "metrics")
	for range 5 {
		b := n.open(t, client.Options{})
		b.hear("a", "b", "member")
	}
	n.Message("a", []byte(`1`))
	n.Message("nobody hears this", []byte(`1`))
	n.open(t, client.Options{}).call("subscribe", "no,channel")
	n.get("/socket.io/?EIO=9&transport=made-up&sid=made-up")
	after := series(n.scraped(t))
	for name := range series(before) {
		delete(after, name)
	}
	if len(after) > 0 {
		t.Errorf("more series than before: %v", slices.Collect(maps.Keys(after)))
	}
	if got := n.metric(t, "stream_sessions_begun_total"); got != 6 {
		t.Errorf("%v sessions were begun, want 6", got)
	}
}

// A histogram is of messages: one that goes to three, and one to nobody.
func TestHistograms(t *testing.T) {
	n := start(t, server.Config{})
	for range 3 {
		n.open(t, client.Options{}).hear("x")
	}
	n.Message("x", []byte(`1`))
	n.Message("y", []byte(`1`))
	for name, want := range map[string]float64{
		`stream_message_clients_count`: 2, `stream_message_clients_sum`: 3,
		`stream_message_clients_bucket{le="0"}`: 1, `stream_message_clients_bucket{le="1"}`: 1, `stream_message_clients_bucket{le="3"}`: 2,
		`stream_delivery_duration_seconds_count`: 1, `stream_delivery_duration_seconds_bucket{le="10"}`: 1,
	} {
		if got := n.metric(t, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if took := n.metric(t, "stream_delivery_duration_seconds_sum"); took <= 0 || took > patience.Seconds() {
		t.Errorf("the delivery took %v s", took)
	}
}

// docs/metrics.md has each metric with its type and labels, and no other.
func TestMetricsDocument(t *testing.T) {
	text := onRedis(t).scraped(t)
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (stream_\w+) (\w+)$`).FindAllStringSubmatch(text, -1) {
		labels := ""
		if sample := regexp.MustCompile(`(?m)^` + m[1] + `\{(.*)\}`).FindStringSubmatch(text); sample != nil {
			labels = strings.Join(regexp.MustCompile(`\w+=`).FindAllString(sample[1], -1), " ")
		}
		want = append(want, m[1]+" "+m[2]+" "+labels)
	}
	document, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(stream_\\w+)` \\| (\\w+) \\| ?([^|]*)\\|").FindAllStringSubmatch(string(document), -1) {
		labels := regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(m[3], -1)
		names := make([]string, len(labels))
		for i, label := range labels {
			names[i] = label[1] + "="
		}
		slices.Sort(names)
		told = append(told, m[1]+" "+m[2]+" "+strings.Join(names, " "))
	}
	slices.Sort(told)
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("docs/metrics.md has\n%s\nwant\n%s", strings.Join(told, "\n"), strings.Join(want, "\n"))
	}
}

// The dashboard and the alerts ask for what there is, and do what their tests say.
func TestMonitoringExamples(t *testing.T) {
	const dir = "../examples/monitoring/"
	promtool(t, "", "check", "config", dir+"prometheus.yml")
	promtool(t, "", "check", "rules", dir+"alerts.yml")
	promtool(t, "", "test", "rules", dir+"alerts_test.yml")

	text := onRedis(t).scraped(t)
	there := map[string]bool{"up": true}
	labels := map[string]bool{"instance": true, "job": true}
	for name := range series(text) {
		name, inside, _ := strings.Cut(name, "{")
		there[name] = true
		for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(inside, -1) {
			labels[label[1]] = true
		}
	}
	var asked []string
	var dashboard struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	board, err := os.ReadFile(dir + "dashboard.json")
	if err != nil || json.Unmarshal(board, &dashboard) != nil {
		t.Fatalf("dashboard.json: %v", err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			asked = append(asked, target.Expr)
		}
	}
	alerts, err := os.ReadFile(dir + "alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`expr: (.*\n(?:\s{10,}.*\n)*)`).FindAllSubmatch(alerts, -1) {
		asked = append(asked, string(m[1]))
	}
	if len(asked) < 40 {
		t.Errorf("only %d questions were found", len(asked))
	}
	for _, expr := range asked {
		names := regexp.MustCompile(`\b(?:(?:stream|process|go)_\w+|up\b)`).FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("%s asks for nothing of ours", expr)
		}
		for _, name := range names {
			if !there[name] {
				t.Errorf("%s asks for %s, which /metrics does not have", expr, name)
			}
		}
		for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
			for label := range strings.SplitSeq(by[1], ", ") {
				if !labels[label] {
					t.Errorf("%s sums by %s, which no metric has", expr, label)
				}
			}
		}
	}
	document, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`alert: (\w+)`).FindAllSubmatch(alerts, -1) {
		if !strings.Contains(string(document), "| `"+string(m[1])+"` |") {
			t.Errorf("docs/metrics.md does not say what to do about %s", m[1])
		}
	}
}
