package tags

import (
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzCheck: a tag that passes is one that every client can be told of and that
// means nothing else to any; and nothing is allocated to find out.
func FuzzCheck(f *testing.F) {
	for _, tag := range []string{
		"feed:football:fantasy", "user#42", "日本", "private:*", "", " x", "a,b", "$gap", "__proto__", "connect", "message",
		"a\x00b", "a\u200bb", "a\xffb", "\u202e", "e\u0301", strings.Repeat("x", Max), strings.Repeat("é", Max/2+1),
	} {
		f.Add(tag)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		var err error
		if used := allocated(func() { err = Check(tag) }); used > 10*uint64(len(tag)) {
			t.Errorf("Check of %d bytes allocated %d", len(tag), used)
		}
		if err != nil {
			if !errors.Is(err, Err) || strings.Contains(err.Error(), tag) && len(tag) > 20 {
				t.Errorf("Check(%q) = %q, want a fault that can be shown", tag, err)
			}
			return
		}
		if tag == "" || len(tag) > 255 || !utf8.ValidString(tag) || strings.TrimSpace(tag) != tag || strings.ContainsAny(tag, ",\r\n\x00\x1e") ||
			tag[0] == '$' || strings.HasPrefix(tag, "__") || slices.Contains(taken, tag) ||
			strings.ContainsFunc(tag, func(r rune) bool { return unicode.In(r, unicode.C) }) {
			t.Errorf("Check(%q) = nil", tag)
		}
		if text, err := json.Marshal(tag); err != nil {
			t.Error(err)
		} else if back := ""; json.Unmarshal(text, &back) != nil || back != tag {
			t.Errorf("%q comes back from JSON as %q", tag, back)
		}
		if !strings.HasSuffix(tag, "*") && (CheckPattern(tag) != nil || !(Patterns{tag}).Match(tag)) {
			t.Errorf("%q is a tag and no pattern of itself", tag)
		}
	})
}

// allocated is how many bytes f allocates, the least of three times: others
// allocate too.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	least := ^uint64(0)
	for range 3 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// FuzzPattern: a pattern that passes matches what begins like it, or is it, and
// nothing else.
func FuzzPattern(f *testing.F) {
	for _, tt := range [][2]string{{"score:*", "score:1"}, {"score", "score"}, {"*", "x"}, {"a*b*", "ab"}, {"**", "*"}, {"user#*", "user"}, {"é*", "é\u0301"}} {
		f.Add(tt[0], tt[1])
	}
	f.Fuzz(func(t *testing.T, pattern, tag string) {
		if CheckPattern(pattern) != nil || Check(tag) != nil {
			return
		}
		want := pattern == tag
		if n := len(pattern) - 1; pattern[n] == '*' {
			want = want || len(tag) >= n && tag[:n] == pattern[:n]
		}
		if got := (Patterns{"$", pattern}).Match(tag); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, tag, got, want)
		}
	})
}
