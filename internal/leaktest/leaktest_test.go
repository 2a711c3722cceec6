package leaktest

import (
	"strings"
	"testing"
)

func TestLeft(t *testing.T) {
	stop := make(chan struct{})
	started := make(chan struct{})
	go func() { // ends with stop
		close(started)
		<-stop
	}()
	<-started
	if got := stacks(); !strings.Contains(got, "TestLeft") {
		t.Errorf("stacks() = %q, want the goroutine of this test", got)
	}
	close(stop)
	if got := Left(); got != "" {
		t.Errorf("Left() after it ended = %q, want nothing", got)
	}
}
