package reactor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// These are the calls of the system that never wait. Go's scheduler is not told
// of them, as it is of those that may: that costs time, wakes the thread that
// watches over such calls, and may cost the goroutine its core.

// nonBlocking says that sendOnce and receiveOnce work on this system.
const nonBlocking = true

// maxVectors is how many buffers one call sends.
const maxVectors = 64

// sendOnce sends what the kernel takes now, which may be nothing.
func sendOnce(fd int, bufs [][]byte) (n int, err error) {
	if len(bufs) == 1 {
		return sendNow(fd, bufs[0])
	}
	var vectors [maxVectors]unix.Iovec
	used := 0
	for _, b := range bufs[:min(len(bufs), maxVectors)] {
		if len(b) > 0 {
			vectors[used].Base = &b[0]
			vectors[used].SetLen(len(b))
			used++
		}
	}
	message := unix.Msghdr{Iov: &vectors[0]}
	message.SetIovlen(used)
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if errno != unix.EINTR {
			return sent(n, errno)
		}
	}
}

// sendNow is sendOnce of one buffer.
func sendNow(fd int, buf []byte) (n int, err error) {
	if len(buf) == 0 {
		return 0, nil
	}
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if errno != unix.EINTR {
			return sent(n, errno)
		}
	}
}

func sent(n uintptr, errno unix.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN:
		return 0, nil
	default:
		return 0, errno
	}
}

// receiveOnce reads what is there. wait means that nothing is.
func receiveOnce(fd int, p []byte) (n int, wait bool, err error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)),
			unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return int(n), false, nil
		case unix.EAGAIN:
			return 0, true, nil
		case unix.EINTR:
		default:
			return 0, false, errno
		}
	}
}

// control is epoll_ctl.
func control(epoll, op, fd int, event *unix.EpollEvent) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epoll), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(event)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// ready fills events with those that there are, and returns how many.
func ready(epoll int, events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])),
		uintptr(len(events)), 0, 0, 0)
	if errno != 0 { // EINTR
		return 0
	}
	return int(n)
}
