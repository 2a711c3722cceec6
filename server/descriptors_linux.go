package server

import (
	"errors"

	"golang.org/x/sys/unix"
)

// The descriptors that are left for other things than new connections are an
// eighth of the limit, within these.
const (
	leastReserve = 16
	mostReserve  = 128
)

// descriptorsShort reports whether new connections should wait. The kernel
// gives out the lowest number that is free: if that is near the limit, nearly
// all are taken.
func descriptorsShort() bool {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return false
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return outOfDescriptors(err)
	}
	_ = unix.Close(fd)
	reserve := min(max(limit.Cur/8, leastReserve), mostReserve)
	return uint64(fd)+reserve >= limit.Cur
}

// outOfDescriptors reports whether the process or the system has none left.
func outOfDescriptors(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}
