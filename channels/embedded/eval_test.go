package embedded

import (
	"slices"
	"strings"
	"testing"
)

// TestEval: the script by which Laravel publishes, as its versions indent it,
// and no other.
func TestEval(t *testing.T) {
	b, s := start(t, Config{})
	conn := dial(t, b)
	const script = "for i = 2, #ARGV do\n  redis.call('publish', ARGV[i], ARGV[1])\nend"
	for _, tt := range []struct {
		args []any
		ok   bool
	}{
		{[]any{script, 0, "1", "sb:score", "sb:news"}, true},
		{[]any{strings.ReplaceAll(script, "\n", "\n    "), 0, "2", "sb:score"}, true},
		{[]any{script, 0, "3"}, true},
		{[]any{script, 0}, false},
		{[]any{script, 1, "4", "sb:score"}, false},
		{[]any{"return redis.call('publish', 'sb:score', '5')", 0, "5", "sb:score"}, false},
	} {
		answer, err := conn.Do("EVAL", tt.args...)
		if (err == nil) != tt.ok || err == nil && answer != nil {
			t.Errorf("EVAL %q = %v, %v", tt.args, answer, err)
		}
	}
	want := []string{"score 1", "news 1", "score 2"}
	if got := s.seen(); !slices.Equal(got, want) {
		t.Errorf("published %q, want %q", got, want)
	}
}
