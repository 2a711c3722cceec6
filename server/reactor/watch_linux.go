package reactor

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Watch is a connection that waits in a Reactor. The descriptor stays that of
// its net.TCPConn, which is neither used nor closed until Leave; then it goes on
// as if nothing had been.
//
// The guest calls its methods one at a time, under a lock of its own, and none
// after Leave.
type Watch struct {
	// Constant once it waits.
	poller *poller
	guest  Guest
	fd     int32
	slot   uint32
}

// Watch makes c wait with w, whose events g gets: the first may come before it
// returns. What there is to read by then is such an event.
func (r *Reactor) Watch(w *Watch, c *net.TCPConn, g Guest) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	w.guest = g
	w.poller = r.pollers[int(r.next.Add(1))%len(r.pollers)]
	if err := raw.Control(func(fd uintptr) { w.fd = int32(fd) }); err != nil {
		return err
	}
	return w.poller.add(w, w.fd, watched, &w.slot)
}

// watched are the events of a Watch.
const watched = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET

// CallAll has all guests called.
func (r *Reactor) CallAll() {
	for _, p := range r.pollers {
		for _, w := range p.watches() {
			w.Call()
		}
	}
}

func (p *poller) watches() (all []*Watch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.slots {
		if w, ok := at.entry.(*Watch); ok {
			all = append(all, w)
		}
	}
	return all
}

func (w *Watch) event(events uint32) {
	var e Event
	for _, k := range [...]struct {
		event  Event
		events uint32
	}{
		{Readable, unix.EPOLLIN},
		{Ended, unix.EPOLLRDHUP},
		{Writable, unix.EPOLLOUT},
		{Failed, unix.EPOLLHUP | unix.EPOLLERR},
	} {
		if events&k.events != 0 {
			e |= k.event
		}
	}
	w.guest.Event(e)
}

// Send sends what the kernel takes of buf now, which may be nothing.
func (w *Watch) Send(buf []byte) (n int, err error) { return sendNow(int(w.fd), buf) }

// AwaitRoom makes an event come when the kernel takes more, if need be at once.
func (w *Watch) AwaitRoom() error {
	w.poller.mu.Lock()
	generation := w.poller.slots[w.slot].generation
	w.poller.mu.Unlock()
	event := unix.EpollEvent{Events: watched | unix.EPOLLOUT, Fd: int32(w.slot), Pad: int32(generation)}
	return control(w.poller.epoll, unix.EPOLL_CTL_MOD, int(w.fd), &event)
}

// Ended reports whether there is nothing to read but the end.
func (w *Watch) Ended() bool {
	var one [1]byte
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(w.fd), uintptr(unsafe.Pointer(&one[0])), 1,
			unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			return n == 0
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			return true
		}
	}
}

// Call has the guest called soon, by the poller: Event(Called).
func (w *Watch) Call() { w.poller.do(task{watch: w}) }

// Leave ends the waiting.
func (w *Watch) Leave() {
	_ = control(w.poller.epoll, unix.EPOLL_CTL_DEL, int(w.fd), nil)
	w.poller.release(w.slot)
}
