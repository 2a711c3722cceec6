package tags

import (
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
