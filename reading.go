package main

import (
	"context"
	"reflect"

	"github.com/alecthomas/kong"
)

// A reading is what the command line, the environment and the files that they
// name say at one time. All of it can be read again.
type reading struct {
	args     []string
	commands commands
	command  *kong.Context
	secrets  secretFiles
}

// read reads them; ctx is that of the command.
func read(ctx context.Context, args []string) (*reading, error) {
	r := &reading{args: args, secrets: make(secretFiles)}
	parser, err := kong.New(&r.commands,
		kong.Name("stream-server"),
		kong.Description("Pushes what web servers publish to browsers: Socket.IO on the wire, Redis PUBLISH behind."),
		kong.PostBuild(r.secrets.add),
		kong.DefaultEnvars("SB"),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(r, r.secrets),
	)
	if err != nil {
		return nil, err
	}
	if r.command, err = parser.Parse(args); err != nil {
		return nil, err
	}
	return r, r.secrets.read(r.command)
}

// values are those of the flags, by their names. A secret that a file holds is
// that of its flag.
func (r *reading) values() map[string]any {
	values := make(map[string]any)
	for _, flag := range r.command.Flags() {
		if r.secrets[flag] == nil {
			values[flag.Name] = flag.Target.Interface()
		}
	}
	return values
}

// changes are the flags that have another value than before: those that a reload
// changes, which have the tag reload:"", and those that take a restart.
func (r *reading) changes(before map[string]any) (reloaded, restart []string) {
	now := r.values()
	for _, flag := range r.command.Flags() {
		value, ok := now[flag.Name]
		switch {
		case !ok || reflect.DeepEqual(value, before[flag.Name]):
		case flag.Tag.Has("reload"):
			reloaded = append(reloaded, flag.Name)
		default:
			restart = append(restart, flag.Name)
		}
	}
	return reloaded, restart
}
