package server

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// The descriptors that are left for other things than new connections are an
// eighth of the limit, within these.
const (
	leastReserve = 16
	mostReserve  = 128
)

// descriptors knows whether descriptors are short. Its methods belong to one
// goroutine.
type descriptors struct {
	room int // connections before it has to count again
}

// short reports whether the next connection should wait. It is called once for
// each, and counts seldom while there are many left: half of those that are
// free may go to others meanwhile.
func (d *descriptors) short() bool {
	if d.room > 0 {
		d.room--
		return false
	}
	var limit unix.Rlimit
	open, err := countDescriptors()
	if err != nil || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return errors.Is(err, unix.EMFILE)
	}
	most := int(min(limit.Cur, 1<<30))
	free := most - min(max(most/8, leastReserve), mostReserve) - open
	d.room = free / 2
	return free <= 0
}

// countDescriptors is how many are open.
func countDescriptors() (int, error) {
	const path = "/proc/self/fd"
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	if n := info.Size(); n > 0 { // since Linux 6.2
		return int(n), nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names), err
}

// outOfDescriptors reports whether the process or the system has none left.
func outOfDescriptors(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE)
}
