package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// readWith reads the command line with a file of this text.
func readWith(t *testing.T, text string, args ...string) (*reading, error) {
	t.Helper()
	return read(t.Context(), append([]string{"--config", written(t, text)}, args...))
}

func TestConfig(t *testing.T) {
	r, err := readWith(t, `
# A comment.
listen: 127.0.0.1:1
drain: 1m30s
max-message: 128KiB
compress: yes
message-rate: 7
private: ["a,b", 'c:*']
origins: https://a.example,https://b.example
public: []
jwt-key:
  - "planted,one"
  - |-
    -----BEGIN X-----
    planted
    -----END X-----
redis-prefix: ""
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"listen": "127.0.0.1:1", "drain": 90 * time.Second, "max-message": size(128 << 10), "compress": true, "message-rate": 7,
		"private": []string{"a,b", "c:*"}, "origins": []string{"https://a.example", "https://b.example"}, "public": []string{},
		"jwt-key":      []string{"planted,one", "-----BEGIN X-----\nplanted\n-----END X-----"},
		"redis-prefix": "", "ping-interval": 25 * time.Second,
	} {
		if have := r.values()[name]; !reflect.DeepEqual(have, want) {
			t.Errorf("%s is %#v, want %#v", name, have, want)
		}
	}
	if _, err := readWith(t, "# nothing\n"); err != nil {
		t.Errorf("a file of comments: %v, want no error", err)
	}
}

// The command line comes before the environment, that before the file, and that
// before the default; a secret and its file are one thing.
func TestConfigPrecedence(t *testing.T) {
	secret := written(t, "of a file\n")
	for _, tt := range []struct {
		name, env, file string
		args            []string
		flag            string
		want            any
	}{
		{"default", "", "drain: 1s", nil, "linger", time.Minute},
		{"file", "", "linger: 1s", nil, "linger", time.Second},
		{"environment", "SB_LINGER=2s", "linger: 1s", nil, "linger", 2 * time.Second},
		{"command line", "SB_LINGER=2s", "linger: 1s", []string{"--linger", "3s"}, "linger", 3 * time.Second},
		{"a list is replaced", "", "origins: [https://a.example]", []string{"--origins", "https://b.example"}, "origins", []string{"https://b.example"}},
		{"a file of a secret, by the file", "", "publish-key-file: " + secret, nil, "publish-key", []string{"of a file"}},
		{"a secret over its file", "", "publish-key-file: " + secret, []string{"--publish-key", "own"}, "publish-key", []string{"own"}},
		{"a file of a secret over it", "", "publish-key: [planted]", []string{"--publish-key-file", secret}, "publish-key", []string{"of a file"}},
		{"by the environment", "SB_PUBLISH_KEY_FILE=" + secret, "publish-key: [planted]", nil, "publish-key", []string{"of a file"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if name, value, ok := strings.Cut(tt.env, "="); ok {
				t.Setenv(name, value)
			}
			r, err := readWith(t, tt.file, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if have := r.values()[tt.flag]; !reflect.DeepEqual(have, tt.want) {
				t.Errorf("%s is %#v, want %#v", tt.flag, have, tt.want)
			}
		})
	}
	t.Setenv("SB_CONFIG", written(t, "linger: 4s"))
	r, err := read(t.Context(), nil)
	if err != nil || r.values()["linger"] != 4*time.Second {
		t.Errorf("with a file that the environment names: %v, want its linger", err)
	}
	if _, err := read(t.Context(), []string{"publish", "x", "1"}); err != nil {
		t.Errorf("another command with such a file: %v, want no error", err)
	}
}

func TestConfigIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string // parts of the error
	}{
		{"no flag", "listen: x\npublish-kye: planted\n", []string{":2:", "no publish-kye", "publish-key?"}},
		{"with dashes", "--drain: 1s", []string{":1:", "drain?"}},
		{"another command's", "rate: 5", []string{":1:", "no rate"}},
		{"itself", "config: x", []string{":1:", "no config"}},
		{"no time", "\ndrain: 10", []string{":2:", "--drain", "missing unit"}},
		{"no size", "max-message: much", []string{":1:", "--max-message", "no size"}},
		{"no number", "max-sessions: [1]", []string{":1:", "max-sessions takes one value"}},
		{"none of few", "log-level: loud", []string{":1:", "debug, info, warn, error"}},
		{"twice", "listen: a\nlisten: b", []string{":2:", "second time"}},
		{"nothing", "publish-key:", []string{":1:", "publish-key has no value"}},
		{"an object", "publish-key: {a: planted}", []string{":1:", "takes one value"}},
		{"a list in a list", "publish-key: [[planted]]", []string{":1:", "a list of values"}},
		{"an alias", "listen: &a planted\npath: *a", []string{":2:", "takes one value"}},
		{"a list", "- listen", []string{":1:", "the name of a flag"}},
		{"no YAML", "listen: a\ndrain: b: c", []string{"line 2"}},
		{"two documents", "listen: a\n---\nlisten: b", []string{"more than one document"}},
		{"too long", "# " + strings.Repeat("x", maxConfig), []string{"more than"}},
		{"all of it", "drain: 1\nlinger: 2", []string{":1:", ":2:"}},
	} {
		_, err := readWith(t, tt.text)
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %v, want %q in it", tt.name, err, part)
			}
		}
		if strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v holds a secret", tt.name, err)
		}
	}
	if _, err := read(t.Context(), []string{"--config", "/nowhere.yaml"}); err == nil || !strings.Contains(err.Error(), "/nowhere.yaml") {
		t.Errorf("no file: %v, want an error with its name", err)
	}
}

// What a reload does not change is what it does not say that it changes.
func TestChanges(t *testing.T) {
	path := written(t, "origins: [https://a.example]\nlog-level: warn\nlisten: a\n")
	before, err := read(t.Context(), []string{"--config", path})
	if err != nil {
		t.Fatal(err)
	}
	after, err := readWith(t, "origins: [https://b.example]\nlisten: b\nmax-sessions: 7\n")
	if err != nil {
		t.Fatal(err)
	}
	reloaded, restart := after.changes(before.values())
	if want := []string{"origins", "max-sessions", "log-level"}; !reflect.DeepEqual(reloaded, want) {
		t.Errorf("reloaded: %v, want %v", reloaded, want)
	}
	if want := []string{"config", "listen"}; !reflect.DeepEqual(restart, want) { // the file is another one here
		t.Errorf("restart: %v, want %v", restart, want)
	}
}
