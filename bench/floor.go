package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// serveFloor is the least that a fan-out can cost: for each line of in, a
// channel and data, one sendto of the finished frame to each socket of the
// channel, in a bare loop. Its address is the first line of out.
func serveFloor(in io.Reader, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, listener.Addr())
	var mu sync.Mutex
	sockets := map[string][]int{}
	go func() { // ends with the process
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			channel, err := bufio.NewReader(conn).ReadString('\n')
			if err != nil {
				continue
			}
			raw, err := conn.(*net.TCPConn).SyscallConn()
			if err != nil {
				continue
			}
			_ = raw.Control(func(fd uintptr) {
				duplicate, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
				if err != nil {
					return
				}
				mu.Lock()
				channel = strings.TrimSpace(channel)
				sockets[channel] = append(sockets[channel], duplicate)
				mu.Unlock()
			})
			fmt.Fprintln(conn, "ok")
			_ = conn.Close() // the duplicate stays
		}
	}()
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		channel, data, _ := strings.Cut(lines.Text(), " ")
		text := fmt.Sprintf(`42[%q,%s,"abcdef.%d"]`, channel, data, n)
		frame := ws.MustCompileFrame(ws.NewTextFrame([]byte(text)))
		mu.Lock()
		for _, fd := range sockets[channel] {
			send(fd, frame)
		}
		mu.Unlock()
	}
	return lines.Err()
}

// send waits for the socket if it must, which the clients keep from happening.
func send(fd int, frame []byte) {
	for len(frame) > 0 {
		n, err := unix.Write(fd, frame)
		switch err {
		case nil:
			frame = frame[n:]
		case unix.EAGAIN:
			_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, 1000)
		case unix.EINTR:
		default:
			return
		}
	}
}
