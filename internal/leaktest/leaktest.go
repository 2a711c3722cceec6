// Package leaktest finds goroutines of this module that outlive the tests
// which started them.
package leaktest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// Main runs the tests of a package, and fails when they leave a goroutine
// behind. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	if left := Left(); code == 0 && left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s", left)
		code = 1
	}
	os.Exit(code)
}

// grace is how long goroutines that were told to end may take.
const grace = 5 * time.Second

// Left is the stacks of the goroutines, other than the caller's, that run code
// of this module and do not end within some seconds; empty if there are none.
func Left() string {
	deadline := time.Now().Add(grace)
	for {
		left := stacks()
		if left == "" || time.Now().After(deadline) {
			return left
		}
		<-time.After(20 * time.Millisecond)
	}
}

func stacks() string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var left bytes.Buffer
	for i, stack := range bytes.Split(buf, []byte("\n\n")) {
		own := i == 0 || bytes.Contains(stack, []byte("testing.tRunner"))
		if !own && bytes.Contains(stack, []byte("sb-stream/stream-server")) {
			left.Write(stack)
			left.WriteString("\n\n")
		}
	}
	return left.String()
}
