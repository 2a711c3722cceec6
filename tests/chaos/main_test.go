// Package chaos kills, stops, cuts off and slows down real stream servers and
// real Redis servers while clients listen, and proves what became of every
// message (RELIABILITY.md, rows F).
//
// A [scene] is the nodes, their Redis behind toxiproxy, a balancer, clients
// that behave as the shim does, and publishers. What was published is in each
// [channel], what a client saw in each [history], and [check] says what is
// missing and whether that was told. Each test is a row of the table; [report]
// collects them.
//
// Without flags the tests are short. With -long they have the clients and the
// times of RELIABILITY.md, all rows, and at the end the table, which -write
// puts into docs/chaos.md. SB_BINARY is the stream server; without it one is
// built.
package chaos

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

var (
	long    = flag.Bool("long", false, "all rows, with the figures of RELIABILITY.md")
	writes  = flag.Bool("write", false, "put the table into docs/chaos.md")
	verbose = flag.Bool("logs", false, "show the logs of the nodes of what fails")

	scratch string // a folder that goes with the run
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if scratch, err = os.MkdirTemp("", "chaos"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	began := time.Now()
	code := m.Run()
	if left := leaktest.Left(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s", left)
		code = 1
	}
	if len(rows) == 0 {
		return code
	}
	text := table(rows)
	if *long {
		fmt.Println(text)
	}
	if *writes {
		if err := write(text, time.Since(began)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// longOnly leaves a row to make chaos.
func longOnly(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("in make chaos")
	}
}
