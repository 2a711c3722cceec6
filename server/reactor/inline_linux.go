package reactor

import (
	"errors"

	"golang.org/x/sys/unix"
)

// nonBlocking says that sendOnce and receiveOnce work on this system.
const nonBlocking = true

// maxVectors is the kernel's limit for one writev.
const maxVectors = 1024

// sendOnce sends what the kernel takes now, which may be nothing.
func sendOnce(fd int, bufs [][]byte) (n int, err error) {
	for {
		if len(bufs) == 1 {
			n, err = unix.Write(fd, bufs[0])
		} else {
			n, err = unix.Writev(fd, bufs[:min(len(bufs), maxVectors)])
		}
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EAGAIN) {
		return 0, nil
	}
	return max(n, 0), err
}

// receiveOnce reads what is there. wait means that nothing is.
func receiveOnce(fd int, p []byte) (n int, wait bool, err error) {
	for {
		n, err = unix.Read(fd, p)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EAGAIN) {
		return 0, true, nil
	}
	return max(n, 0), false, err
}
