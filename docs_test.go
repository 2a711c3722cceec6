package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// The pages that are made of the flags: `make docs` writes them.
const (
	configurationPage = "docs/configuration.md"
	exampleConfig     = "examples/config/stream-server.yaml"
)

const configurationIntro = `# Configuration

Every flag has a variable in the environment, and those of ` + "`serve`" + `, which is the command when none is named, may stand
in a YAML file that ` + "`--config`" + ` names: [examples/config/stream-server.yaml](../examples/config/stream-server.yaml) has all of them.
What the command line has comes before the environment, that before the file, and that before the default. A key of
the file that is no flag, or a value that is none, is an error with its line, and the server does not start.

` + "```sh" + `
stream-server --config examples/config/stream-server.yaml --log-level debug
` + "```" + `

- A list is written with commas in a flag and in the environment, and as a list in YAML.
- A size is written as ` + "`65536`, `64KiB` or `1MiB`" + `, and a time as ` + "`25s`, `5m` or `1h30m`" + `.
- A flag marked *secret* has a twin, ` + "`--…-file`" + `, with a file to read it from: one on a line for a list. What stands on the
  command line or in the environment is seen by other programs. [security.md](security.md) says more.

## Reload

` + "`SIGHUP`" + ` has the server read the file of ` + "`--config`" + ` again, and the files of secrets and of TLS. What is marked *reload* below changes
at once, and as a whole: no request is judged by half of it. Clients stay connected; a channel that they may not hear any more
is taken from them (` + "`$expired`" + `). If anything is wrong, nothing changes, and the log says why. What has changed and is not
marked is named in the log, and takes a restart.

` + "```sh" + `
kill -HUP "$(pidof stream-server)"
` + "```" + `

This page is written by ` + "`make docs`" + `, and a test holds it to the flags.
`

// model is the command line as it is described, without an environment.
func model(t *testing.T) (*kong.Application, secretFiles) {
	t.Helper()
	r, err := read(t.Context(), []string{"version"})
	if err != nil {
		t.Fatal(err)
	}
	return r.command.Model, r.secrets
}

// described are the flags of a command that a page has: all but help, and files
// of secrets.
func described(command *kong.Node, twins secretFiles) (flags []*kong.Flag) {
	for _, flag := range command.Flags {
		if flag.Name != "help" && twins[flag] == nil {
			flags = append(flags, flag)
		}
	}
	return flags
}

func configurationText(app *kong.Application, twins secretFiles) string {
	var b strings.Builder
	b.WriteString(configurationIntro)
	for _, command := range app.Leaves(true) {
		flags := described(command, twins)
		if len(flags) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", command.Name, command.Help)
		b.WriteString("| flag | environment | default | | meaning |\n|---|---|---|---|---|\n")
		for _, flag := range flags {
			var marks []string
			for _, mark := range []string{"secret", "reload"} {
				if flag.Tag.Has(mark) {
					marks = append(marks, mark)
				}
			}
			value := "none"
			switch {
			case flag.Default != "":
				value = "`" + flag.Default + "`"
			case flag.IsBool():
				value = "off"
			}
			meaning := strings.NewReplacer("|", `\|`, "*", `\*`, "{}", "`{}`").Replace(flag.Help)
			fmt.Fprintf(&b, "| `--%s` | `%s` | %s | %s | %s |\n", flag.Name, strings.Join(flag.Envs, "`, `"), value, strings.Join(marks, ", "), meaning)
		}
	}
	return b.String()
}

const exampleIntro = `# Every flag of stream-server, as it is when it is not set: what has no default is
# behind a #. Keep the lines that you change.
#
#   stream-server --config examples/config/stream-server.yaml
#
# SIGHUP has it read again; what is marked (restart) then takes a restart.
# docs/configuration.md says the rest.
`

func exampleText(command *kong.Node, twins secretFiles) string {
	var b strings.Builder
	b.WriteString(exampleIntro)
	for _, flag := range described(command, twins) {
		if flag.Name == "config" {
			continue
		}
		help := flag.Help
		if !flag.Tag.Has("reload") {
			help += " (restart)"
		}
		if flag.Tag.Has("secret") {
			help += " Or, with the name of a file that holds it: " + flag.Name + "-file."
		}
		fmt.Fprintf(&b, "\n%s\n", wrap(help, "# ", 100))
		switch {
		case flag.Default == "" && flag.IsBool():
			fmt.Fprintf(&b, "%s: false\n", flag.Name)
		case flag.Default == "":
			placeholder := strconv.Quote(flag.PlaceHolder)
			if flag.IsSlice() {
				placeholder = "[" + placeholder + "]"
			}
			fmt.Fprintf(&b, "#%s: %s\n", flag.Name, placeholder)
		case flag.IsSlice():
			list := strings.Split(flag.Default, ",")
			for i, item := range list {
				list[i] = strconv.Quote(item)
			}
			fmt.Fprintf(&b, "%s: [%s]\n", flag.Name, strings.Join(list, ", "))
		case strings.ContainsAny(flag.Default, ":#*"):
			fmt.Fprintf(&b, "%s: %q\n", flag.Name, flag.Default)
		default:
			fmt.Fprintf(&b, "%s: %s\n", flag.Name, flag.Default)
		}
	}
	return b.String()
}

// wrap breaks a text into lines that begin with a prefix.
func wrap(text, prefix string, width int) string {
	lines, line := "", prefix
	for word := range strings.FieldsSeq(text) {
		if line != prefix && len(line)+1+len(word) > width {
			lines, line = lines+line+"\n", prefix
		}
		if line != prefix {
			line += " "
		}
		line += word
	}
	return lines + line
}

// The pages are what the flags make of them. SB_WRITE_DOCS writes them.
func TestDocs(t *testing.T) {
	app, twins := model(t)
	for path, want := range map[string]string{
		configurationPage: configurationText(app, twins),
		exampleConfig:     exampleText(app.DefaultCmd, twins),
	} {
		if os.Getenv("SB_WRITE_DOCS") != "" {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(path); err != nil || string(have) != want {
			t.Errorf("%s is not what the flags make of it, %v: run make docs", path, err)
		}
	}
}

// The example sets nothing that is not so anyway, and with the # taken away, each
// flag is there.
func TestExampleConfig(t *testing.T) {
	bare, err := read(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	with, err := read(t.Context(), []string{"--config", exampleConfig})
	if err != nil {
		t.Fatal(err)
	}
	want, have := bare.values(), with.values()
	delete(want, "config")
	delete(have, "config")
	for name := range want {
		if !reflect.DeepEqual(want[name], have[name]) {
			t.Errorf("the example makes %s %v, want its default %v", name, have[name], want[name])
		}
	}
	text, err := os.ReadFile(exampleConfig)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "# ") {
			line = line[1:]
		}
		lines = append(lines, line)
	}
	var all map[string]any
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "")), &all); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if _, ok := all[name]; !ok && name != "help" {
			t.Errorf("the example does not have %s", name)
		}
	}
}
