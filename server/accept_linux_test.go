package server

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestAcceptWithoutDescriptors checks that an error that time mends is not
// passed on, and is not tried again at once.
func TestAcceptWithoutDescriptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := newFakeListener()
		log, _ := logTo()
		l := newPausingListener(fake, func() bool { return false }, new(atomic.Uint64), log)
		other := errors.New("another")
		for _, err := range []error{syscall.EMFILE, syscall.ENFILE, other} {
			fake.next <- err
		}
		start := time.Now()
		if _, err := l.Accept(); !errors.Is(err, other) {
			t.Errorf("Accept() = %v, want %v", err, other)
		}
		if d := time.Since(start); d != 2*acceptPause {
			t.Errorf("Accept() took %v, want a pause after each of two errors", d)
		}
	})
}
