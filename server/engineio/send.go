package engineio

import "sync"

// flushFrames is how many frames go into one write at most.
const flushFrames = 64

// vectors are the lists of buffers for one write.
var vectors = sync.Pool{New: func() any { return new([flushFrames][]byte) }}

// Send sends one message after those sent before. A client that leaves more
// waiting than the options allow is closed as slow; nothing is ever left out.
// One message is let into an empty queue whatever its size. On a session that
// has ended or is about to, Send does nothing.
func (s *Session) Send(f Frame) {
	if s.b64 {
		f = f.Base64()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen || !s.roomLocked(len(f.buf), 1) {
		return
	}
	s.server.stats.sent(len(f.buf))
	s.pushLocked(f)
}

// SendAll sends messages as one unit: no other message comes between them. They
// are measured together.
func (s *Session) SendAll(frames []Frame) {
	if s.b64 {
		text := make([]Frame, len(frames))
		for i, f := range frames {
			text[i] = f.Base64()
		}
		frames = text
	}
	size := 0
	for _, f := range frames {
		size += len(f.buf)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen || !s.roomLocked(size, len(frames)) {
		return
	}
	for _, f := range frames {
		s.server.stats.sent(len(f.buf))
		s.queueLocked(f)
	}
	s.flushLocked()
}

// roomLocked reports whether so much more may wait for the client, who is
// closed if not.
func (s *Session) roomLocked(size, messages int) bool {
	opts := &s.server.opts
	if len(s.queue) == 0 || s.queued+size <= opts.QueueBytes && len(s.queue)+messages <= opts.QueueMessages {
		return true
	}
	s.server.stats.slow.Add(1)
	s.cutLocked()
	return false
}

// pushLocked sends f at once if nothing is before it, or queues it.
func (s *Session) pushLocked(f Frame) {
	if s.ws != nil && len(s.queue) == 0 && s.ws.writeLocked(f) {
		return
	}
	s.queueLocked(f)
	if s.ws == nil {
		s.answerLocked()
	}
}

func (s *Session) queueLocked(f Frame) {
	s.queue = append(s.queue, f)
	s.queued += len(f.buf)
}

// flushLocked gives the transport what is queued, if it takes it now.
func (s *Session) flushLocked() {
	if s.ws == nil {
		s.answerLocked()
		return
	}
	for len(s.queue) > 0 {
		n := min(len(s.queue), flushFrames)
		list := vectors.Get().(*[flushFrames][]byte)
		size := 0
		for i, f := range s.queue[:n] {
			list[i] = f.buf
			size += len(f.buf)
		}
		taken := s.ws.conn.Write(list[:n]...)
		clear(list[:n])
		vectors.Put(list)
		if !taken {
			return
		}
		clear(s.queue[:n])
		s.queue = s.queue[n:]
		s.queued -= size
	}
	s.queue = nil
}

// takeQueueLocked empties the queue.
func (s *Session) takeQueueLocked() []Frame {
	frames := s.queue
	s.queue, s.queued = nil, 0
	return frames
}

// Writable reports whether a message would leave at once: a poll waits for one,
// or the WebSocket has nothing unsent.
func (s *Session) Writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != stateOpen || len(s.queue) > 0:
		return false
	case s.ws != nil:
		return !s.ws.conn.Busy()
	default:
		return s.poll != nil && s.answering == nil
	}
}
