package reactor

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// SetPatience makes the kernel end a connection whose peer has not acknowledged,
// or taken, anything for so long: one that never answers is not missed
// otherwise. What is no TCP is left as it is.
func SetPatience(c net.Conn, d time.Duration) {
	tcp, ok := transport(c).(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
	})
}
