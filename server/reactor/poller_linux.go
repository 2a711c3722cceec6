package reactor

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Reactor waits for many sockets with a few goroutines (DESIGN.md section 5):
// each of its pollers has an epoll instance, which is itself waited for by Go's
// poller, so that no thread is parked. All its methods may be called from any
// goroutine.
//
// The calls of a Handler come from the goroutine of a poller: one that waits
// keeps the other sockets of that poller waiting.
type Reactor struct {
	pollers []*poller
	next    atomic.Uint32
}

// maxPollers is enough to keep the cores of a large machine busy with what is
// done here, which is little beside what handlers do.
const maxPollers = 8

// NewReactor makes a Reactor. The error is [errors.ErrUnsupported] on systems
// without epoll, or that of the system, when descriptors have run out.
func NewReactor() (*Reactor, error) {
	r := &Reactor{}
	for range min(runtime.GOMAXPROCS(0), maxPollers) {
		p, err := newPoller()
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("reactor: %w", err)
		}
		r.pollers = append(r.pollers, p)
	}
	return r, nil
}

// New makes the Conn that owns c from now on. One that has no descriptor of its
// own, such as TLS, gets goroutines. The caller calls Start.
func (r *Reactor) New(c net.Conn, h Handler) Conn {
	fd, err := detach(c)
	if err != nil {
		return New(c, h)
	}
	p := r.pollers[int(r.next.Add(1))%len(r.pollers)]
	return &socket{poller: p, handler: h, fd: int32(fd), slot: noSlot}
}

// Close ends the pollers. Every Conn has ended before.
func (r *Reactor) Close() {
	for _, p := range r.pollers {
		p.close()
	}
}

// detach takes the descriptor from c, which is closed then. After an error c is
// as it was.
func detach(c net.Conn) (fd int, err error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return 0, errors.ErrUnsupported
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, err
	}
	if controlErr := raw.Control(func(f uintptr) { fd, err = unix.FcntlInt(f, unix.F_DUPFD_CLOEXEC, 0) }); controlErr != nil {
		return 0, controlErr
	}
	if err != nil {
		return 0, err
	}
	_ = c.Close() // the socket stays open by the duplicate
	return fd, nil
}

// A poller is one epoll instance with the sockets that are registered there.
type poller struct {
	// Constant.
	epoll int
	file  *os.File // of epoll
	raw   syscall.RawConn
	wake  int           // eventfd: tasks are there
	done  chan struct{} // closed when loop has ended

	mu    sync.Mutex
	slots []slot   // guarded by mu
	free  []uint32 // guarded by mu; indices of slots without a socket
	tasks []task   // guarded by mu; what others want done

	// Owned by loop.
	events [256]unix.EpollEvent
	ready  int       // of events
	again  []*socket // that have more to read than fair
	buf    [64 << 10]byte
}

// A slot is where a socket is registered. An event carries the index and the
// generation, so that it is never taken for one of the socket that had the slot
// before.
type slot struct {
	entry      entry
	generation uint32
}

// An entry is what a slot holds: a socket or a Watch.
type entry interface{ event(events uint32) }

// A task is what others want of a poller: that a socket is started with what
// was read before, or, if that is nil, is ended; or that a guest is called.
type task struct {
	socket *socket
	early  []byte
	watch  *Watch
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(epoll, true); err != nil { // so that os hands it to Go's poller
		_ = unix.Close(epoll)
		return nil, err
	}
	p := &poller{epoll: epoll, file: os.NewFile(uintptr(epoll), "epoll"), done: make(chan struct{})}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		_ = p.file.Close()
		return nil, err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -1}
	if err = control(epoll, unix.EPOLL_CTL_ADD, p.wake, &event); err == nil {
		p.raw, err = p.file.SyscallConn()
	}
	if err != nil {
		_ = p.file.Close()
		_ = unix.Close(p.wake)
		return nil, err
	}
	go p.loop()
	return p, nil
}

// close ends loop.
func (p *poller) close() {
	_ = p.file.Close()
	<-p.done
	_ = unix.Close(p.wake)
}

// register makes the events of a socket come. It may be called from any
// goroutine; the first event may come before it returns.
func (p *poller) register(s *socket) error {
	return p.add(s, s.fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET, &s.slot)
}

// add puts e into a slot, whose index it sets before the first event comes.
func (p *poller) add(e entry, fd int32, events uint32, at *uint32) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		p.free = append(p.free, uint32(len(p.slots)))
		p.slots = append(p.slots, slot{})
	}
	index := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	p.slots[index].entry = e
	*at = index
	event := unix.EpollEvent{Events: events, Fd: int32(index), Pad: int32(p.slots[index].generation)}
	err := control(p.epoll, unix.EPOLL_CTL_ADD, int(fd), &event)
	if err != nil {
		p.releaseLocked(index)
		*at = noSlot
	}
	return err
}

// release makes the slot of a socket free.
func (p *poller) release(index uint32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.releaseLocked(index)
}

func (p *poller) releaseLocked(index uint32) {
	at := &p.slots[index]
	at.entry = nil
	at.generation++
	p.free = append(p.free, index)
}

// find is whose event it is, or nil if that is gone.
func (p *poller) find(e *unix.EpollEvent) entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := p.slots[e.Fd]; at.generation == uint32(e.Pad) {
		return at.entry
	}
	return nil
}

// do has a task done by loop. It never waits.
func (p *poller) do(t task) {
	p.mu.Lock()
	p.tasks = append(p.tasks, t)
	first := len(p.tasks) == 1
	p.mu.Unlock()
	if first {
		var one [8]byte
		one[0] = 1
		_, _ = unix.Write(p.wake, one[:]) // it fails only when it is readable already
	}
}

// loop passes on events until close.
func (p *poller) loop() {
	defer close(p.done)
	for p.wait() {
		for i := range p.events[:p.ready] {
			e := &p.events[i]
			if e.Fd < 0 {
				p.clearWake()
				continue
			}
			if s := p.find(e); s != nil {
				s.event(e.Events)
			}
		}
		again := p.again
		p.again = nil
		for _, s := range again {
			s.receive(true)
		}
		p.runTasks()
	}
}

// wait fills events. With sockets that have more to read it does not wait.
func (p *poller) wait() bool {
	if len(p.again) > 0 {
		p.poll()
		return true
	}
	err := p.raw.Read(func(uintptr) bool {
		p.poll()
		return p.ready > 0
	})
	return err == nil
}

func (p *poller) poll() { p.ready = ready(p.epoll, p.events[:]) }

func (p *poller) clearWake() {
	var count [8]byte
	_, _ = unix.Read(p.wake, count[:])
}

func (p *poller) runTasks() {
	p.mu.Lock()
	tasks := p.tasks
	p.tasks = nil
	p.mu.Unlock()
	for _, t := range tasks {
		switch {
		case t.watch != nil:
			t.watch.guest.Event(Called)
		case t.early != nil:
			t.socket.begin(t.early)
		default:
			t.socket.finish()
		}
	}
}
