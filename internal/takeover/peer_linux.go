package takeover

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// version is of what the two say to each other.
const version = 1

// longestLine is in bytes, and most is how many descriptors come with one.
const (
	longestLine = 4 << 10
	most        = 8
)

// A line is what one says to the other.
type line struct {
	Version   int        `json:"version,omitempty"`
	Listeners []Listener `json:"listeners,omitempty"`
	Ready     bool       `json:"ready,omitempty"`
	Leaving   bool       `json:"leaving,omitempty"`
	Error     string     `json:"error,omitempty"`
}

// A peer is the process at the other end. Its methods belong to one goroutine.
type peer struct{ conn *net.UnixConn }

func newPeer(conn *net.UnixConn) *peer {
	_ = conn.SetDeadline(time.Now().Add(answerTimeout))
	return &peer{conn}
}

func (p *peer) close() { _ = p.conn.Close() }

// same is the number of the process, and an error if it is not this user's.
func (p *peer) same(user int) (pid int, err error) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var who *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) {
		who, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(controlErr, err); err != nil {
		return 0, err
	}
	if int(who.Uid) != user {
		return int(who.Pid), fmt.Errorf("process %d is of user %d, and this one of user %d", who.Pid, who.Uid, user)
	}
	return int(who.Pid), nil
}

// say sends a line, and the sockets of its listeners.
func (p *peer) say(l line) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	return withDescriptors(l.Listeners, nil, func(descriptors []int) error {
		var rights []byte
		if len(descriptors) > 0 {
			rights = unix.UnixRights(descriptors...)
		}
		_, _, err := p.conn.WriteMsgUnix(data, rights, nil)
		return err
	})
}

// withDescriptors calls f with the descriptors of the listeners, which stay
// open and theirs meanwhile.
func withDescriptors(rest []Listener, descriptors []int, f func([]int) error) error {
	if len(rest) == 0 {
		return f(descriptors)
	}
	l, ok := rest[0].Socket.(syscall.Conn)
	if !ok {
		return fmt.Errorf("the listener %s has no descriptor", rest[0].Name)
	}
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) { err = withDescriptors(rest[1:], append(descriptors, int(fd)), f) })
	return errors.Join(controlErr, err)
}

// hear waits for a line, with what came along with it.
func (p *peer) hear() (l line, descriptors []int, err error) {
	data, rights := make([]byte, longestLine), make([]byte, unix.CmsgSpace(most*4))
	n, m, flags, _, err := p.conn.ReadMsgUnix(data, rights)
	if err != nil {
		return l, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return l, nil, err
	}
	for i := range messages {
		if list, err := unix.ParseUnixRights(&messages[i]); err == nil {
			descriptors = append(descriptors, list...)
		}
	}
	switch err = json.Unmarshal(data[:n], &l); {
	case n == 0:
		err = errors.New("it has ended")
	case flags&unix.MSG_CTRUNC != 0:
		err = errors.New("it gave more sockets than there are")
	case err != nil:
		err = fmt.Errorf("it said what is no line of ours: %w", err)
	case l.Error != "":
		err = errors.New(l.Error)
	}
	if err != nil {
		closeAll(descriptors)
		return l, nil, err
	}
	return l, descriptors, nil
}

func closeAll(descriptors []int) {
	for _, fd := range descriptors {
		_ = unix.Close(fd)
	}
}

// fetch asks for the listeners.
func (p *peer) fetch() ([]Listener, error) {
	if err := p.say(line{Version: version}); err != nil {
		return nil, err
	}
	l, descriptors, err := p.hear()
	if err != nil {
		return nil, err
	}
	if l.Version != version || len(descriptors) != len(l.Listeners) {
		closeAll(descriptors)
		return nil, fmt.Errorf("it gave %d sockets for %d listeners, in version %d; this is version %d", len(descriptors), len(l.Listeners), l.Version, version)
	}
	for i, fd := range descriptors {
		file := os.NewFile(uintptr(fd), l.Listeners[i].Name)
		socket, _ := net.FileListener(file) // has a copy, or is nil
		_ = file.Close()
		tcp, ok := socket.(*net.TCPListener)
		if !ok {
			closeAll(descriptors[i+1:])
			return nil, fmt.Errorf("what it gave for %s is no listening socket of TCP", l.Listeners[i].Name)
		}
		l.Listeners[i].Socket = listener{tcp}
	}
	return l.Listeners, nil
}

// A listener is one that was taken over. Its connections have no keep-alive of
// TCP, as those of the process that opened it had none.
type listener struct{ *net.TCPListener }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	_ = conn.SetKeepAlive(false)
	return conn, nil
}

// awaitWish waits for what fetch asks.
func (p *peer) awaitWish() error {
	l, _, err := p.hear()
	if err != nil {
		return err
	}
	if l.Version != version {
		err := fmt.Errorf("it speaks version %d, and this is version %d", l.Version, version)
		p.refuse(err)
		return err
	}
	return nil
}

// give answers fetch.
func (p *peer) give(listeners []Listener) error {
	return p.say(line{Version: version, Listeners: listeners})
}

func (p *peer) refuse(err error) { _ = p.say(line{Error: err.Error()}) }

// dismiss has the process leave, and waits until it says that it does.
func (p *peer) dismiss() error {
	_ = p.conn.SetDeadline(time.Now().Add(answerTimeout))
	if err := p.say(line{Ready: true}); err != nil {
		return err
	}
	l, _, err := p.hear()
	if err == nil && !l.Leaving {
		err = errors.New("it does not say that it leaves")
	}
	return err
}

// awaitReady waits until the process says so.
func (p *peer) awaitReady() error {
	_ = p.conn.SetDeadline(time.Now().Add(readyTimeout))
	l, _, err := p.hear()
	if err == nil && !l.Ready {
		err = errors.New("it does not say that it is ready")
	}
	_ = p.conn.SetDeadline(time.Now().Add(answerTimeout))
	return err
}
