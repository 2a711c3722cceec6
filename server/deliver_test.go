package server

import (
	"strings"
	"testing"
)

func TestTooDeep(t *testing.T) {
	nested := func(open, shut string, n int) string { return strings.Repeat(open, n) + strings.Repeat(shut, n) }
	for _, tt := range []struct {
		name, data string
		want       bool
	}{
		{"most arrays", nested("[", "]", maxPublishNesting), false},
		{"one more", nested("[", "]", maxPublishNesting+1), true},
		{"most objects", nested(`{"a":`, "}", maxPublishNesting), false},
		{"one more object", nested(`{"a":`, "}", maxPublishNesting+1), true},
		{"not closed", strings.Repeat("[", maxPublishNesting+1), true},
		{"after white space", "\n " + nested("[", "]", maxPublishNesting+1), true},
		{"wide", "[" + strings.Repeat("[],", maxPublishNesting) + "{}]", false},
		{"in a string", `["` + strings.Repeat("[", maxPublishNesting+1) + `"]`, false},
		{"after an escaped quote", `["\"` + strings.Repeat("[", maxPublishNesting+1) + `"]`, false},
		{"a string that does not end", `["` + strings.Repeat("[", maxPublishNesting) + `\`, false},
		{"text", "see " + strings.Repeat("[", maxPublishNesting+1), false},
		{"nothing", "", false},
		{"white space", " ", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tooDeep([]byte(tt.data)); got != tt.want {
				t.Errorf("tooDeep(%.40q) = %v, want %v", tt.data, got, tt.want)
			}
		})
	}
}

func TestLoggable(t *testing.T) {
	for in, want := range map[string]string{
		"https://app.example":          "https://app.example",
		"a\r\nb":                       "a\ufffd\ufffdb",
		"\x1b[31mred":                  "\ufffd[31mred",
		"\u009b31m\u2028":              "\ufffd31m\ufffd",
		"\xff":                         "\ufffd",
		strings.Repeat("x", 1<<20):     strings.Repeat("x", 200),
		strings.Repeat("x", 199) + "é": strings.Repeat("x", 199) + "\ufffd",
	} {
		if got := loggable(in); got != want {
			t.Errorf("loggable(%.40q) = %q, want %q", in, got, want)
		}
	}
}
