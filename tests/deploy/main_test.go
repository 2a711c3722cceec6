// Package deploy ends servers, and replaces them, while clients are connected.
//
// DRAIN is how long the drain takes, 3 s if it is not set, and CLIENTS how many
// clients there are then, 200. SB_BINARY is the binary that is run; without it
// one is built.
package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

// binary is the path of the server.
var binary = os.Getenv("SB_BINARY")

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if binary == "" {
		dir, err := os.MkdirTemp("", "deploy")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "stream-server")
		if out, err := exec.Command("go", "build", "-o", binary, "../..").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
			return 1
		}
	}
	code := m.Run()
	if left := leaktest.Left(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s", left)
		return 1
	}
	return code
}
