package redis

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
)

// Whoever asks is not told where this side's end of the connection is
// (RELIABILITY.md P1).
func TestCauseHasNoPort(t *testing.T) {
	here, there := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 50123}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 6379}
	for _, err := range []error{syscall.ECONNRESET, syscall.EPIPE, io.EOF, net.ErrClosed} {
		for _, op := range []string{"read", "write"} {
			got := cause(t.Context(), &net.OpError{Op: op, Net: "tcp", Source: here, Addr: there, Err: err})
			if !errors.Is(got, err) || strings.Contains(got.Error(), "50123") {
				t.Errorf("cause of a %s = %v, want %v alone", op, got, err)
			}
		}
	}
	dial := &net.OpError{Op: "dial", Net: "tcp", Addr: there, Err: syscall.ECONNREFUSED}
	if got := cause(t.Context(), dial); !strings.Contains(got.Error(), "6379") {
		t.Errorf("cause of a dial = %v, want to know where Redis was looked for", got)
	}
}
