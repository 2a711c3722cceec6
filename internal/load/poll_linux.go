package load

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An epoller is the poller on an epoll of its own. The descriptors are out of
// Go's poller, which would read each socket twice for each message: once to
// have it, and once to learn that there is no more.
type epoller struct {
	fd      int
	members []*client // by the number in their events
	events  [128]unix.EpollEvent
	buffer  [64 << 10]byte
}

// newPoller is for connections that are sockets, or encrypted.
func newPoller(encrypted bool) (poller, error) {
	if encrypted {
		return newGoroutines(), nil
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	return &epoller{fd: fd}, nil
}

func (p *epoller) add(c *client, conn net.Conn) error {
	socket, err := detach(conn)
	if err != nil {
		return err
	}
	c.conn = socket
	if c.deaf {
		return nil
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(p.members))}
	p.members = append(p.members, c)
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, int(socket), &event))
}

func (p *epoller) wait(until time.Time, feed func(c *client, data []byte, err error)) error {
	n, err := p.ready(time.Until(until))
	if err != nil {
		return err
	}
	for _, event := range p.events[:n] {
		c := p.members[event.Fd]
		if c.closed {
			continue
		}
		n, err := unix.Read(int(c.conn.(socket)), p.buffer[:])
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
		case err != nil:
			feed(c, nil, os.NewSyscallError("read", err))
		case n == 0:
			feed(c, nil, io.EOF)
		default:
			feed(c, p.buffer[:n], nil)
		}
	}
	return nil
}

// ready fills events. Short times are waited for by ppoll, because epoll_wait
// counts in milliseconds.
func (p *epoller) ready(d time.Duration) (int, error) {
	d = max(d, 0)
	if d > 0 && d < 5*time.Millisecond {
		timeout := unix.NsecToTimespec(int64(d))
		n, err := unix.Ppoll([]unix.PollFd{{Fd: int32(p.fd), Events: unix.POLLIN}}, &timeout, nil)
		if n == 0 || errors.Is(err, unix.EINTR) {
			return 0, nil
		}
		d = 0
	}
	n, err := unix.EpollWait(p.fd, p.events[:], int(d.Milliseconds()))
	if errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, os.NewSyscallError("epoll_wait", err)
}

func (p *epoller) close() { _ = unix.Close(p.fd) }

// A socket is a descriptor that Go's poller does not know.
type socket int

// detach takes the descriptor out of a connection, and closes that.
func detach(conn net.Conn) (socket, error) {
	defer conn.Close()
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return -1, errors.New("load: no TCP connection")
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	controlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(controlErr, err); err != nil {
		return -1, err
	}
	return socket(fd), nil
}

// Write does not wait: what a client sends is small.
func (s socket) Write(b []byte) (int, error) { return unix.Write(int(s), b) }

func (s socket) Close() error { return unix.Close(int(s)) }

// deafen makes the buffers of a connection small, so that not reading is felt
// by the server soon: its own buffer follows the size of the segments.
func deafen(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_MAXSEG, 536)
	})
}
