package server_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
)

// A journal is a log at every level, and looks for what no log may have
// (RELIABILITY.md P1).
type journal struct {
	mu       sync.Mutex
	allowed  []string       // guarded by mu; addresses that are nobody's secret
	said     map[string]int // guarded by mu; how often, by the text
	offences []string       // guarded by mu; lines that check has not told of yet
}

// logs is what all servers of these tests write to that have no log of their
// own.
var logs = &journal{}

// quiet is a logger that nobody reads but the journal.
func quiet() logrus.FieldLogger { return logs.logger() }

func (j *journal) logger() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(j)
	log.SetLevel(logrus.TraceLevel)
	log.SetFormatter(&logrus.JSONFormatter{})
	return log
}

// Secrets of tests have "planted" in them; ids and keys that are made at random
// have 23 letters and digits or more; tokens begin as JSON does in base64; and all
// clients are on this machine, or say that they are in a network of examples.
var secrets = regexp.MustCompile(`(?i:planted)|[A-Z2-7]{23}|eyJ[0-9A-Za-z_-]{8}|127\.0\.0\.1|::1\b|203\.0\.113\.|2001:db8`)

// Write takes one line of the log.
func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := string(line)
	var entry struct{ Msg string }
	if json.Unmarshal(line, &entry) != nil || strings.Count(text, "\n") != 1 {
		j.offences = append(j.offences, "not one line of JSON: "+text)
	}
	if j.said == nil {
		j.said = make(map[string]int)
	}
	j.said[entry.Msg]++
	for _, address := range j.allowed {
		text = strings.ReplaceAll(text, address, "")
	}
	if found := secrets.FindString(text); found != "" {
		j.offences = append(j.offences, fmt.Sprintf("%q stands in %s", found, line))
	}
	return len(line), nil
}

// allow lets the log have an address of a server.
func (j *journal) allow(address string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.allowed = append(j.allowed, address)
}

// count is how often the log has said so.
func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.said[text]
}

// check fails the test if the log has what it may not.
func (j *journal) check(t *testing.T) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, offence := range j.offences[:min(len(j.offences), 10)] {
		t.Errorf("a log must not have this: %s", offence)
	}
	j.offences = nil
}

// The search finds what it is to find.
func TestJournal(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want bool
	}{
		{"session opened", false},
		{"from 0123abcd", false},
		{"my Planted-token", true},
		{"the id MFRGGZDFMZTWQ2LKNNWG23TPOB", true},
		{"token eyJhbGciOiJIUzI1NiJ9.e30.x", true},
		{"from 127.0.0.1:1234", true},
		{"from [::1]:1234", true},
		{"Redis at 127.0.0.1:7777 is gone", false},
		{"from 203.0.113.77", true},
		{"from 2001:db8::7", true},
	} {
		j := &journal{}
		j.allow("127.0.0.1:7777")
		j.logger().Debug(tt.in)
		if got := len(j.offences) > 0; got != tt.want || j.count(tt.in) != 1 {
			t.Errorf("the log has said %q %d times, which is an offence: %v; want 1, %v", tt.in, j.count(tt.in), got, tt.want)
		}
	}
}
