package tags

import (
	"errors"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		tag string
		ok  bool
	}{
		{"feed:football:fantasy", true},
		{"user#42", true},
		{"chat room", true},
		{"zimmer/é", true},
		{"日本", true},
		{"private:*", true},
		{strings.Repeat("x", 255), true},
		{strings.Repeat("x", 256), false},
		{"", false},
		{" x", false},
		{"x ", false},
		{"a,b", false},
		{"$gap", false},
		{"__proto__", false},
		{"connect", false},
		{"reconnect_attempt", false},
		{"newListener", false},
		{"subscribe", false},
		{"message", false},
		{"a\nb", false},
		{"a\x00b", false},
		{"a\u200bb", false},
		{"a\u00a0b", false},
		{"a\xffb", false},
	} {
		if err := Check(tt.tag); (err == nil) != tt.ok {
			t.Errorf("Check(%q) = %v, want ok %v", tt.tag, err, tt.ok)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, tag string
		want         bool
	}{
		{"score:*", "score:1", true},
		{"score:*", "score:", true},
		{"score:*", "score", false},
		{"score:*", "high score:1", false},
		{"score", "score", true},
		{"score", "score:1", false},
		{"*", "anything", true},
		{"message:*", "message:1", true},
		{"user#*", "user#42", true},
	} {
		if err := CheckPattern(tt.pattern); err != nil {
			t.Errorf("CheckPattern(%q) = %v, want nil", tt.pattern, err)
		}
		if got := (Patterns{"other", tt.pattern}).Match(tt.tag); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.tag, got, tt.want)
		}
	}
	for _, pattern := range []string{"", "a,b", "$x", "$*", "__*", "a*b*", "**", "message", " x*", strings.Repeat("x", 255) + "*"} {
		if err := CheckPattern(pattern); !errors.Is(err, Err) {
			t.Errorf("CheckPattern(%q) = %v, want a fault", pattern, err)
		}
	}
}
