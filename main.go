// Command stream-server pushes what web servers publish to browsers.
//
// Without a command it serves; publish and subscribe are the two ends of the
// line, for people and scripts, and bench is many of both. The flags stand in DESIGN.md section 9; each
// has an environment variable of the same name: SB_, upper case, underscores.
//
// The exit code is 0, 1 for a fault, and 2 for wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitFault = 1
	exitUsage = 2
)

// commands is what the command line may say.
type commands struct {
	Serve     serve     `cmd:"" default:"withargs" help:"Run the stream server (the default)."`
	Publish   publish   `cmd:"" help:"Publish one message to a channel."`
	Subscribe subscribe `cmd:"" help:"Print what arrives on channels."`
	Bench     bench     `cmd:"" help:"Put a running server under load: real clients and messages, whoever else uses it."`
	Version   version   `cmd:"" help:"Print the version."`
}

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is main with an exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c commands
	parser, err := kong.New(&c,
		kong.Name("stream-server"),
		kong.Description("Pushes what web servers publish to browsers: Socket.IO on the wire, Redis PUBLISH behind."),
		kong.DefaultEnvars("SB"),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return fail(err, exitFault)
	}
	command, err := parser.Parse(args)
	if err != nil {
		return fail(err, exitUsage)
	}
	if err := command.Run(); err != nil {
		var usage usageError
		if errors.As(err, &usage) {
			return fail(err, exitUsage)
		}
		return fail(err, exitFault)
	}
	return 0
}

// A usageError is a fault of the command line that only the command found.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// fail prints an error as one line, or a line for each of several.
func fail(err error, code int) int {
	fmt.Fprintln(os.Stderr, "stream-server:", err)
	return code
}

type version struct{}

// Run prints the version.
func (version) Run() error {
	_, err := fmt.Println(buildVersion())
	return err
}

// buildVersion is the version of the module, or the commit it was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return "devel-" + setting.Value[:min(12, len(setting.Value))]
		}
	}
	return "devel"
}
