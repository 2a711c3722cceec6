package reactor

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxReads is how often a socket is read before the next has its turn.
const maxReads = 4

// A socket is a Conn of a Reactor. Only its poller removes and closes the
// descriptor, after it has marked the socket dead under mu: a writer that holds
// mu and finds it alive cannot write to a descriptor that is another's by now.
type socket struct {
	// Constant.
	poller  *poller
	handler Handler
	fd      int32

	slot uint32 // guarded by mu until it is registered, constant then

	mu         sync.Mutex
	finished   bool        // owned by the poller; Closed was called
	registered bool        // guarded by mu; events come
	busy       bool        // guarded by mu; something taken has yet to be sent
	closing    bool        // guarded by mu; Close was called
	dead       bool        // guarded by mu; nothing is sent any more
	ended      bool        // guarded by mu; the peer has ended its side
	err        error       // guarded by mu; why it is dead
	pending    [][]byte    // guarded by mu; what the kernel did not take yet
	timer      *time.Timer // guarded by mu; bounds Close; nil before
}

func (s *socket) Start(early []byte) {
	s.mu.Lock()
	dead := s.dead
	s.mu.Unlock()
	if dead || len(early) > 0 {
		if early == nil {
			early = []byte{} // a start
		}
		s.poller.do(task{socket: s, early: early})
		return
	}
	s.start()
}

// begin starts a socket from its poller, with what was read before.
func (s *socket) begin(early []byte) {
	s.pass(early)
	s.start()
}

// start makes events come, or ends a socket that is dead already.
func (s *socket) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registered = true
	if s.dead {
		s.finishLaterLocked()
		return
	}
	if err := s.poller.register(s); err != nil {
		s.killLocked(err)
	}
}

// noSlot is the slot of a socket that is not registered.
const noSlot = ^uint32(0)

// event acts on what epoll said.
func (s *socket) event(events uint32) {
	const in = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR
	if events&(unix.EPOLLOUT|unix.EPOLLHUP|unix.EPOLLERR) != 0 {
		s.flush()
	}
	if events&in != 0 {
		s.receive(events&^(unix.EPOLLIN|unix.EPOLLOUT) != 0)
	}
}

// receive reads what is there, within reason. Less than a buffer is all, unless
// the end is there too: an edge comes for what arrives later.
func (s *socket) receive(end bool) {
	for range maxReads {
		if s.finished {
			return
		}
		n, wait, err := receiveOnce(int(s.fd), s.poller.buf[:])
		switch {
		case wait:
			return
		case err != nil:
			s.end(err)
			return
		case n == 0:
			s.end(io.EOF)
			return
		}
		s.pass(s.poller.buf[:n])
		if n < len(s.poller.buf) && !end {
			return
		}
	}
	s.poller.again = append(s.poller.again, s)
}

// pass gives p to the handler, unless Close was called.
func (s *socket) pass(p []byte) {
	s.mu.Lock()
	done := s.closing || s.dead
	s.mu.Unlock()
	if !done && len(p) > 0 {
		s.handler.Read(p)
	}
}

// end notes that the peer has ended its side. What Close left to send is still
// sent then.
func (s *socket) end(err error) {
	s.mu.Lock()
	if s.closing && !s.dead && errors.Is(err, io.EOF) && len(s.pending) > 0 {
		s.ended = true
		s.mu.Unlock()
		return
	}
	if !s.dead {
		s.dead, s.err = true, err
	}
	s.mu.Unlock()
	s.finish()
}

// finish is the end of the socket, in its poller.
func (s *socket) finish() {
	if s.finished {
		return
	}
	s.finished = true
	s.mu.Lock()
	s.dead = true
	s.pending = nil
	if s.timer != nil {
		s.timer.Stop()
	}
	err := s.err
	if s.closing || err == nil {
		err = net.ErrClosed
	}
	if s.slot != noSlot {
		s.poller.release(s.slot)
	}
	_ = unix.Close(int(s.fd)) // which takes it from epoll too
	s.mu.Unlock()
	s.handler.Closed(err)
}

func (s *socket) Busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

func (s *socket) Close(last ...[]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.dead {
		return
	}
	s.closing = true
	s.timer = time.AfterFunc(flushTimeout, s.expire)
	s.pending = append(s.pending, last...)
	s.busy = true
	s.flushLocked()
	if s.dead { // it cannot be sent
		s.finishLaterLocked()
	}
}

// expire ends a Close that has taken long enough.
func (s *socket) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.killLocked(net.ErrClosed)
}

func (s *socket) Abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	// A reset: the kernel drops what the peer would not take.
	_ = unix.SetsockoptLinger(int(s.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	s.killLocked(net.ErrClosed)
}

// killLocked makes the poller end the socket.
func (s *socket) killLocked(err error) {
	if s.dead {
		return
	}
	s.dead, s.err = true, err
	s.pending = nil
	s.finishLaterLocked()
}

// finishLaterLocked has the poller finish a dead socket. Before Start that is
// left to it.
func (s *socket) finishLaterLocked() {
	if s.registered {
		s.poller.do(task{socket: s})
	}
}
