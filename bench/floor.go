package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// A floor is the least that a fan-out can cost: for each message, one write of
// the finished frame to each socket of the channel, in a bare loop.
type floor struct {
	mu      sync.Mutex
	sockets map[string][]io.Writer // guarded by mu
	bare    bool                   // writes by sendto, and not by net.Conn
}

// serveFloor prints its address to out. Messages come from in, a line each with
// a channel and data; or from a Redis, if there is an address of one.
func serveFloor(in io.Reader, out io.Writer, bare bool, redis string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	f := &floor{sockets: make(map[string][]io.Writer), bare: bare}
	go f.accept(listener) // ends with the process
	if redis != "" {
		return f.readRedis(redis, func() { fmt.Fprintln(out, listener.Addr()) })
	}
	fmt.Fprintln(out, listener.Addr())
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		channel, data, _ := strings.Cut(lines.Text(), " ")
		f.fanOut(n, channel, data)
	}
	return lines.Err()
}

// accept takes clients: each names its channel in a line, and hears "ok".
func (f *floor) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		channel, err := bufio.NewReaderSize(conn, 64).ReadString('\n')
		if err != nil {
			continue
		}
		var to io.Writer = conn
		if f.bare {
			if to, err = bareSocket(conn); err != nil {
				continue
			}
		}
		channel = strings.TrimSpace(channel)
		f.mu.Lock()
		f.sockets[channel] = append(f.sockets[channel], to)
		f.mu.Unlock()
		fmt.Fprintln(conn, "ok")
		if f.bare {
			_ = conn.Close() // the duplicate stays
		}
	}
}

// fanOut sends what the stream server sends for its nth message: the position
// is made up, and as long as a real one.
func (f *floor) fanOut(n int, channel, data string) {
	text := fmt.Sprintf(`42[%q,%s,"%s"]`, channel, data, position(n))
	frame := ws.MustCompileFrame(ws.NewTextFrame([]byte(text)))
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, to := range f.sockets[channel] {
		_, _ = to.Write(frame)
	}
}

// position is a made up one, as long as ours: node, number, epoch, fingerprint.
func position(n int) string {
	return "abcdefgh." + strconv.FormatInt(int64(n), 36) + ".abcdefgh.abcdefghijk"
}

// readRedis hears all channels of a Redis. It reads what Redis pushes itself,
// because a library is more than the least.
func (f *floor) readRedis(address string, ready func()) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "PSUBSCRIBE "+redisPrefix+"*\r\n"); err != nil {
		return err
	}
	r := bufio.NewReader(conn)
	// *3, then psubscribe, the pattern and :1, each after its length but the last.
	for range 6 {
		if _, err := r.ReadString('\n'); err != nil {
			return err
		}
	}
	ready()
	// *4, then pmessage, the pattern, the channel and the data, each after its length.
	for n := 1; ; n++ {
		var lines [9]string
		for i := range lines {
			if lines[i], err = r.ReadString('\n'); err != nil {
				return err
			}
		}
		channel := strings.TrimPrefix(strings.TrimSpace(lines[6]), redisPrefix)
		f.fanOut(n, channel, strings.TrimSpace(lines[8]))
	}
}

// A descriptor is a socket that Go's poller does not know.
type descriptor int

func bareSocket(conn net.Conn) (descriptor, error) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	controlErr := raw.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if controlErr != nil {
		return -1, controlErr
	}
	return descriptor(fd), err
}

// Write waits for the socket if it must, which the clients keep from happening.
func (d descriptor) Write(frame []byte) (int, error) {
	for left := frame; len(left) > 0; {
		// Go's scheduler is not told of the call, which makes it cheaper.
		n, _, err := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(d), uintptr(unsafe.Pointer(&left[0])), uintptr(len(left)),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch err {
		case 0:
			left = left[n:]
		case unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(d), Events: unix.POLLOUT}}, 1000)
		case unix.EINTR:
		default:
			return len(frame) - len(left), err
		}
	}
	return len(frame), nil
}
