package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile is a flag that names a YAML file, in which any other flag of the
// command may stand: its name without dashes in front, and a value or a list.
//
//	redis: redis://127.0.0.1:6379
//	drain: 30s
//	origins: [https://app.example, https://admin.example]
//
// What the command line or the environment has comes before the file.
type configFile string

// maxConfig is more than all flags take, in bytes.
const maxConfig = 1 << 20

// BeforeResolve is a hook of kong. Its errors name the line, and no value of a
// secret.
func (configFile) BeforeResolve(command *kong.Context, at *kong.Path, twins secretFiles) error {
	if !slices.Contains(command.Flags(), at.Flag) {
		return nil // the environment has it, and this is another command
	}
	path := string(command.FlagValue(at.Flag).(configFile))
	if path == "" {
		return nil
	}
	settings, err := readConfig(path, command.Flags())
	if err != nil {
		return err
	}
	command.AddResolver(&configured{settings, twins})
	return nil
}

// configured is a kong.Resolver of what a file says: by the name of the flag
// a string, or a list as []any.
type configured struct {
	settings map[string]any
	twins    secretFiles
}

// Validate is for kong: readConfig has done it.
func (*configured) Validate(*kong.Application) error { return nil }

// Resolve is the value of a flag, nil for none. A secret and its file are one
// thing: if the command line has either, the configuration has neither.
func (c *configured) Resolve(command *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value := c.settings[flag.Name]
	if value == nil || given(command, flag) {
		return nil, nil
	}
	for twin, secret := range c.twins {
		if flag == twin && given(command, secret) || flag == secret && given(command, twin) {
			return nil, nil
		}
	}
	return value, nil
}

// given reports whether the command line or the environment has a flag.
func given(command *kong.Context, flag *kong.Flag) bool {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return true
		}
	}
	return slices.ContainsFunc(command.Path, func(p *kong.Path) bool { return p.Flag == flag && !p.Resolved })
}

// readConfig reads a file, and says all that is wrong with it.
func readConfig(path string, flags []*kong.Flag) (map[string]any, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%s has more than %d bytes", path, maxConfig)
	}
	var document, another yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil // there are comments, or nothing
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	root := document.Content[0]
	switch {
	case !errors.Is(decoder.Decode(&another), io.EOF):
		return nil, fmt.Errorf("%s has more than one document", path)
	case root.Kind != yaml.MappingNode:
		return nil, fmt.Errorf("%s:%d: want the name of a flag, a colon and its value on each line", path, root.Line)
	}
	settings := make(map[string]any)
	var faults []error
	for i := 0; i < len(root.Content); i += 2 {
		key := root.Content[i]
		value, err := settingOf(key, root.Content[i+1], flags)
		if _, twice := settings[key.Value]; twice {
			err = fmt.Errorf("%s stands here for the second time", key.Value)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", path, key.Line, err))
			continue
		}
		settings[key.Value] = value
	}
	return settings, errors.Join(faults...)
}

// settingOf is the value of one flag.
func settingOf(key, node *yaml.Node, flags []*kong.Flag) (any, error) {
	i := slices.IndexFunc(flags, func(f *kong.Flag) bool { return f.Name == key.Value })
	if i < 0 || key.Value == "help" || key.Value == "config" {
		return nil, fmt.Errorf("there is no %s to be set here: is it %s?", key.Value, nearest(key.Value, flags))
	}
	flag := flags[i]
	var value any
	switch {
	case node.Kind == yaml.ScalarNode && node.Tag == "!!null":
		return nil, fmt.Errorf("%s has no value: leave it out, or write \"\"", flag.Name)
	case node.Kind == yaml.ScalarNode:
		value = node.Value
	case node.Kind == yaml.SequenceNode && flag.IsSlice():
		list := make([]any, len(node.Content))
		for i, item := range node.Content {
			if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
				return nil, fmt.Errorf("%s is a list of values, and one of them is none", flag.Name)
			}
			list[i] = item.Value
		}
		return list, nil
	default:
		return nil, fmt.Errorf("%s takes one value", flag.Name)
	}
	if flag.Enum != "" && !slices.Contains(flag.EnumSlice(), node.Value) {
		return nil, fmt.Errorf("%s is one of %s", flag.Name, strings.Join(flag.EnumSlice(), ", "))
	}
	// kong would find it too, and not know the line.
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	return value, flag.Parse(scan, reflect.New(flag.Target.Type()).Elem())
}

// nearest is the name of the flag that somebody may have meant.
func nearest(name string, flags []*kong.Flag) string {
	best, least := "", 0
	for _, flag := range flags {
		if d := distance(strings.TrimLeft(name, "-"), flag.Name); best == "" || d < least {
			best, least = flag.Name, d
		}
	}
	return best
}

// distance is how many letters have to be changed, added or taken away to make b
// of a (Levenshtein). Only the first 64 bytes count.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1) // of the prefix of a before this one
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
