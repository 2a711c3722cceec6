package reactor

import "golang.org/x/sys/unix"

func (s *socket) Write(buf []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy || s.closing || s.dead {
		return false
	}
	n, err := sendNow(int(s.fd), buf)
	switch {
	case err != nil:
		s.killLocked(err)
	case n < len(buf):
		return s.sentLocked(n, [][]byte{buf})
	}
	return true
}

func (s *socket) WriteAll(bufs ...[]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(bufs) == 0 {
		return true
	}
	if s.busy || s.closing || s.dead {
		return false
	}
	n, err := sendOnce(int(s.fd), bufs)
	if err != nil {
		s.killLocked(err)
		return true // taken, and lost with the socket: Closed follows
	}
	return s.sentLocked(n, bufs)
}

// sentLocked keeps what is left of bufs after n bytes of them were sent. It is
// true: they are taken.
func (s *socket) sentLocked(n int, bufs [][]byte) bool {
	var err error
	s.pendLocked(bufs, n)
	// No edge comes before the kernel has refused something.
	for n > 0 && len(s.pending) > 0 {
		if n, err = s.sendPendingLocked(); err != nil {
			s.killLocked(err)
			return true
		}
	}
	s.busy = len(s.pending) > 0
	return true
}

// sendPendingLocked sends what the kernel takes now of what is pending.
func (s *socket) sendPendingLocked() (n int, err error) {
	if n, err = sendOnce(int(s.fd), s.pending); n > 0 {
		rest := s.pending
		s.pending = nil
		s.pendLocked(rest, n)
	}
	return n, err
}

// pendLocked keeps what of bufs comes after the first n bytes.
func (s *socket) pendLocked(bufs [][]byte, n int) {
	for i, b := range bufs {
		if n < len(b) {
			s.pending = append(append(s.pending, b[n:]), bufs[i+1:]...)
			return
		}
		n -= len(b)
	}
}

// flush sends what is pending. When all is sent it tells the handler, or ends
// the stream after Close.
func (s *socket) flush() {
	s.mu.Lock()
	drained := s.flushLocked()
	finish := s.dead
	s.mu.Unlock()
	if finish {
		s.finish()
	} else if drained {
		s.handler.Writable()
	}
}

// flushLocked reports whether the handler may write again.
func (s *socket) flushLocked() bool {
	if s.dead || !s.busy && !s.closing {
		return false
	}
	for len(s.pending) > 0 {
		n, err := s.sendPendingLocked()
		if err != nil {
			s.dead, s.err = true, err
			return false
		}
		if n == 0 {
			return false
		}
	}
	if s.closing {
		s.endStreamLocked()
		return false
	}
	s.busy = false
	return true
}

// endStreamLocked tells the peer that nothing follows, once, and gives it a
// moment to end its side.
func (s *socket) endStreamLocked() {
	switch {
	case s.ended:
		s.dead = true
	case s.busy: // not yet ended
		s.busy = false
		_ = unix.Shutdown(int(s.fd), unix.SHUT_WR)
		s.timer.Reset(lingerTimeout)
	}
}
