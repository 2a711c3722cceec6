package main

import (
	"embed"
	"io"
	"os"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

// completion is the command that prints what makes a shell complete the others.
// It is made of the flags that there are, and runs no stream-server:
//
//	source <(stream-server completion bash)
type completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

//go:embed completion/*.tmpl
var completions embed.FS

// Run prints the script.
func (c *completion) Run(r *reading) error {
	return writeCompletion(os.Stdout, c.Shell, r.command.Model)
}

// A completable is a command, and a completableFlag a flag, as the scripts have them.
type (
	completable struct {
		Name, Help string
		Default    bool // it is meant when none is named
		Flags      []completableFlag
	}
	completableFlag struct {
		Name, Help  string
		Switch      bool     // it takes no value
		Values      []string // that it may have, if they are few
		File        bool     // the value is the name of one
		PlaceHolder string
	}
)

// harmless takes from a help what a shell would make something of.
var harmless = strings.NewReplacer("'", "", "`", "", `"`, "", "[", "(", "]", ")", ":", "", `\`, "", "$", "")

func writeCompletion(w io.Writer, shell string, model *kong.Application) error {
	var commands []completable
	for _, node := range model.Leaves(true) {
		c := completable{Name: node.Name, Help: firstSentence(node.Help), Default: model.DefaultCmd == node}
		for _, flag := range append(model.Flags[:len(model.Flags):len(model.Flags)], node.Flags...) {
			f := completableFlag{
				Name: flag.Name, Help: firstSentence(flag.Help), Switch: flag.IsBool(), PlaceHolder: harmless.Replace(flag.FormatPlaceHolder()),
				File: flag.PlaceHolder == "FILE" || flag.PlaceHolder == "DIR" || flag.PlaceHolder == "SOCKET",
			}
			if flag.Enum != "" {
				f.Values = flag.EnumSlice()
			}
			c.Flags = append(c.Flags, f)
		}
		if len(node.Positional) > 0 && node.Positional[0].Enum != "" {
			c.Flags = append(c.Flags, completableFlag{Values: node.Positional[0].EnumSlice()})
		}
		commands = append(commands, c)
	}
	scripts, err := template.New("").Funcs(template.FuncMap{"join": strings.Join}).ParseFS(completions, "completion/*.tmpl")
	if err != nil {
		return err
	}
	return scripts.ExecuteTemplate(w, shell+".tmpl", commands)
}

// firstSentence is what there is room for beside a flag.
func firstSentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	first, _, _ = strings.Cut(first, "; ")
	return harmless.Replace(strings.TrimSuffix(first, "."))
}
