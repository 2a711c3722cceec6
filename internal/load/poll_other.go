//go:build !linux

package load

import "syscall"

func newPoller(bool) (poller, error) { return newGoroutines(), nil }

// deafen does nothing: the buffers of a client that does not read are as large
// as others.
func deafen(_, _ string, _ syscall.RawConn) error { return nil }
