// Command stream-server pushes what web servers publish to browsers.
//
// Without a command it serves; publish and subscribe are the two ends of the
// line, for people and scripts, bench is many of both, and doctor looks at a server
// from outside. The flags stand in docs/configuration.md; each
// has an environment variable of the same name: SB_, upper case, underscores,
// and those of serve may stand in the file that --config names.
//
// The exit code is 0, 1 for a fault, and 2 for wrong usage. SIGTERM and SIGINT
// end a command in order; a second one ends it at once, with 1, because what it
// was about to do for its clients is not done.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
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
	Why       why       `cmd:"" help:"Tell what became of the messages of a channel, and why somebody did not get them."`
	Bench     bench     `cmd:"" help:"Put a running server under load: real clients and messages, whoever else uses it."`
	Doctor    examine   `cmd:"" help:"Look at a running server from outside, and say what is in the way and how to mend it."`
	Health    health    `cmd:"" help:"Ask a running server how it is; the exit code is 0 if it is well."`
	Version   version   `cmd:"" help:"Print the version."`

	Completion completion `cmd:"" help:"Print what makes a shell complete commands and flags."`
}

func main() {
	os.Exit(run(os.Args[1:]))
}

// run is main with an exit code.
func run(args []string) int {
	ctx, stop := untilSignal()
	defer stop()
	r, err := read(ctx, args)
	if err != nil {
		return fail(err, exitUsage)
	}
	if err := r.command.Run(); err != nil {
		var usage usageError
		if errors.As(err, &usage) {
			return fail(err, exitUsage)
		}
		return fail(err, exitFault)
	}
	return 0
}

// untilSignal is a context that a signal to end cancels. The second one ends the
// process.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		<-signals
		cancel()
		<-signals
		os.Exit(fail(errors.New("ended by a second signal"), exitFault))
	}()
	return ctx, cancel
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

// stamped is the version that a build without a repository is told, by
// -ldflags '-X main.stamped=…'.
var stamped string

// buildVersion is the version of the module, or the commit it was built from.
func buildVersion() string {
	if stamped != "" {
		return stamped
	}
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
