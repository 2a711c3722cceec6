package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// secretGrammar is a command line with secrets.
type secretGrammar struct {
	Serve struct {
		Key   string   `secret:"" placeholder:"SECRET" help:"A key."`
		Keys  []string `secret:"" help:"Keys."`
		Plain string   `help:"No secret."`
	} `cmd:"" default:"withargs"`
	Other struct {
		Token string `secret:""`
	} `cmd:""`
}

// parseSecrets is what run does before the command runs.
func parseSecrets(t *testing.T, args ...string) (secretGrammar, error) {
	t.Helper()
	var g secretGrammar
	secrets := make(secretFiles)
	parser, err := kong.New(&g, kong.PostBuild(secrets.add), kong.DefaultEnvars("SBTEST"))
	if err != nil {
		t.Fatal(err)
	}
	command, err := parser.Parse(args)
	if err != nil {
		t.Fatal(err)
	}
	return g, secrets.read(command)
}

// written is the path of a file with this text.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSecretFiles(t *testing.T) {
	for _, tt := range []struct {
		name, file, key string
		keys            []string
	}{
		{"as it is", "secret", "secret", []string{"secret"}},
		{"a newline", "secret\n", "secret", []string{"secret"}},
		{"that of Windows", "secret\r\n", "secret", []string{"secret"}},
		{"several newlines", "secret\n\n", "secret", []string{"secret"}},
		{"spaces are of the secret", " a b ", " a b ", []string{" a b "}},
		{"a comma does not divide", "a,b\n", "a,b", []string{"a,b"}},
		{"two", "new\nold\n", "new\nold", []string{"new", "old"}},
		{"PEM", "-----BEGIN A-----\nab\ncd\n-----END A-----\n", "-----BEGIN A-----\nab\ncd\n-----END A-----", []string{"-----BEGIN A-----\nab\ncd\n-----END A-----"}},
		{"PEM among lines", "new\n-----BEGIN A-----\nab\n-----END A-----\n\nold", "new\n-----BEGIN A-----\nab\n-----END A-----\n\nold", []string{"new", "-----BEGIN A-----\nab\n-----END A-----", "old"}},
		{"PEM that is cut", "-----BEGIN A-----\nab", "-----BEGIN A-----\nab", []string{"-----BEGIN A-----\nab"}},
		{"a stray end", "a\n-----END A-----", "a\n-----END A-----", []string{"a", "-----END A-----"}},
		{"two, written on Windows", "new\r\n\r\nold\r\n", "new\r\n\r\nold", []string{"new", "old"}},
	} {
		path := written(t, tt.file)
		g, err := parseSecrets(t, "--key-file", path, "--keys-file="+path)
		if err != nil || g.Serve.Key != tt.key || !slices.Equal(g.Serve.Keys, tt.keys) {
			t.Errorf("%s: %q and %q, %v, want %q and %q", tt.name, g.Serve.Key, g.Serve.Keys, err, tt.key, tt.keys)
		}
	}
	g, err := parseSecrets(t, "other", "--token-file", written(t, "secret\n"))
	if err != nil || g.Other.Token != "secret" {
		t.Errorf("of another command: %q, %v, want secret", g.Other.Token, err)
	}
	if g, err := parseSecrets(t, "--key", "a", "--keys", "b,c"); err != nil || g.Serve.Key != "a" || !slices.Equal(g.Serve.Keys, []string{"b", "c"}) {
		t.Errorf("without files: %+v, %v, want what the command line has", g.Serve, err)
	}
	t.Setenv("SBTEST_KEY_FILE", written(t, "of the environment"))
	if g, err := parseSecrets(t); err != nil || g.Serve.Key != "of the environment" {
		t.Errorf("by the environment: %q, %v, want what the file has", g.Serve.Key, err)
	}
	t.Setenv("SBTEST_KEY", "both")
	if _, err := parseSecrets(t); err == nil || !strings.Contains(err.Error(), "--key and --key-file are both set") {
		t.Errorf("both by the environment: %v, want an error", err)
	}
}

func TestSecretFilesAreRefused(t *testing.T) {
	good := written(t, "planted")
	for _, tt := range []struct {
		name string
		args []string
		want []string // parts of the error
	}{
		{"none there", []string{"--key-file", good + "-none"}, []string{"--key-file", good + "-none", "no such file"}},
		{"a directory", []string{"--key-file", filepath.Dir(good)}, []string{"--key-file", filepath.Dir(good), "directory"}},
		{"empty", []string{"--key-file", written(t, "\n\n")}, []string{"--key-file", "is empty"}},
		{"an empty list", []string{"--keys-file", written(t, "\r\n")}, []string{"--keys-file", "is empty"}},
		{"endless", []string{"--key-file", "/dev/zero"}, []string{"--key-file", "/dev/zero", "65536"}},
		{"both", []string{"--key", "planted", "--key-file", good}, []string{"--key and --key-file are both set"}},
		{"both of a list", []string{"--keys", "planted", "--keys-file", good}, []string{"--keys and --keys-file are both set"}},
		{"two faults", []string{"--key-file", good + "-none", "--keys-file", written(t, "")}, []string{"--key-file", "--keys-file"}},
	} {
		_, err := parseSecrets(t, tt.args...)
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
			t.Errorf("%s: %v holds the secret", tt.name, err)
		}
	}
}
