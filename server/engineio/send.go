package engineio

import "sync"

// flushFrames is how many frames go into one write at most.
const flushFrames = 64

// vectors are the lists of buffers for one write.
var vectors = sync.Pool{New: func() any { return new([flushFrames][]byte) }}

// An Outcome is what became of a bundle.
type Outcome uint8

// Outcomes.
const (
	Sent    Outcome = iota // the socket has taken it, or a poll that waited
	Waits                  // it is queued, for a poll or behind others
	Behind                 // it is queued as the first, because the WebSocket takes no more
	Dropped                // the session was closed as slow
	Ended                  // it had ended before, or is about to
)

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
	if s.ws != nil && s.ws.frames.deflates {
		f, _ = f.deflate(s.server.opts.CompressThreshold)
	}
	if s.held && s.queued+len(f.buf) > mostHeld {
		s.uncorkLocked()
	}
	if s.state != stateOpen || !s.roomLocked(len(f.buf), 1) {
		return
	}
	s.server.stats.sent(s, 1, len(f.buf))
	s.pushLocked(f)
}

// SendAll sends the messages of a bundle as one unit: no other message comes
// between them. They are measured together. It is the fifth hop of a message,
// and allocates nothing for a client that keeps up.
func (s *Session) SendAll(b *Bundle) Outcome {
	if s.b64 {
		b = b.base64()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ws != nil && s.ws.frames.deflates {
		b = b.deflated(s.server.opts.CompressThreshold)
	}
	switch {
	case s.state != stateOpen:
		return Ended
	case s.ws != nil && len(s.queue) == 0 && !s.held && s.ws.conn.Write(b.wire):
		s.server.stats.sent(s, len(b.frames), len(b.wire))
		return Sent
	default:
		return s.queueAllLocked(b.latest, 1, b.frames)
	}
}

// queueAllLocked is SendAll to a client that does not take the frames at once;
// the newest message is so many of them.
func (s *Session) queueAllLocked(latest string, newest int, frames []Frame) Outcome {
	if s.held && s.queued+sizeOf(frames) > mostHeld {
		s.uncorkLocked()
	}
	if latest != "" {
		s.dropLocked(latest)
		frames = frames[len(frames)-newest:]
	}
	size := sizeOf(frames)
	if !s.roomLocked(size, len(frames)) {
		return Dropped
	}
	before := len(s.queue)
	s.server.stats.sent(s, len(frames), size)
	for _, f := range frames {
		s.queueLocked(f)
	}
	if !s.held {
		s.flushLocked()
	}
	switch {
	case len(s.queue) == 0, s.held: // what is held goes when the turn is over
		return Sent
	case s.ws != nil && before == 0:
		return Behind
	default:
		return Waits
	}
}

func sizeOf(frames []Frame) (size int) {
	for _, f := range frames {
		size += len(f.buf)
	}
	return size
}

// dropLocked takes the messages of this name off the queue: a newer one
// follows.
func (s *Session) dropLocked(latest string) {
	kept := s.queue[:0]
	for _, f := range s.queue {
		if f.latest == latest {
			s.countLocked(-len(f.buf))
			s.server.stats.replaced.Add(1)
		} else {
			kept = append(kept, f)
		}
	}
	clear(s.queue[len(kept):])
	s.queue = kept
}

// roomLocked reports whether so much more may wait for the client, who is
// closed if not.
func (s *Session) roomLocked(size, messages int) bool {
	opts := &s.server.opts
	switch {
	case len(s.queue) == 0:
		return true
	case s.queued+size > opts.QueueBytes, len(s.queue)+messages > opts.QueueMessages:
		opts.limited(LimitQueue)
	case s.server.stats.queued.Load()+int64(size) > int64(opts.TotalQueueBytes):
		opts.limited(LimitTotalQueue)
	default:
		return true
	}
	s.server.stats.slow.Add(1)
	s.cutLocked()
	return false
}

// pushLocked sends f at once if nothing is before it, or queues it.
func (s *Session) pushLocked(f Frame) {
	if s.ws != nil && len(s.queue) == 0 && !s.held && s.ws.conn.Write(f.buf) {
		return
	}
	s.queueLocked(f)
	if s.ws == nil {
		s.answerLocked()
	}
}

// mostHeld is how many bytes are held back while messages of the client are
// handled.
const mostHeld = 8 << 10

// cork holds back what is sent on the WebSocket until the turn is released, so
// that all that one packet of the client causes is one packet too.
func (s *Session) cork() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
}

// uncorkLocked sends what is held back.
func (s *Session) uncorkLocked() {
	if s.held {
		s.held = false
		if s.ws != nil && s.state == stateOpen {
			s.flushLocked()
		}
	}
}

func (s *Session) queueLocked(f Frame) {
	s.queue = append(s.queue, f)
	s.countLocked(len(f.buf))
}

// countLocked counts bytes into the queue, or out of it.
func (s *Session) countLocked(size int) {
	s.queued += size
	s.server.stats.queued.Add(int64(size))
}

// flushLocked gives the transport what is queued, if it takes it now.
func (s *Session) flushLocked() {
	if s.ws == nil {
		s.answerLocked()
		return
	}
	for len(s.queue) > 0 {
		n := min(len(s.queue), flushFrames)
		for n > 1 && s.queue[n-1].joined { // nothing of a message is dropped once some of it is sent
			n--
		}
		list := vectors.Get().(*[flushFrames][]byte)
		size := 0
		for i, f := range s.queue[:n] {
			list[i] = f.buf
			size += len(f.buf)
		}
		taken := s.ws.conn.WriteAll(list[:n]...)
		clear(list[:n])
		vectors.Put(list)
		if !taken {
			return
		}
		clear(s.queue[:n])
		s.queue = s.queue[n:]
		s.countLocked(-size)
	}
	s.queue = nil
}

// takeQueueLocked empties the queue.
func (s *Session) takeQueueLocked() []Frame {
	frames := s.queue
	s.queue = nil
	s.countLocked(-s.queued)
	return frames
}

// Writable reports whether a message would leave at once: a poll waits for one,
// or the WebSocket has nothing unsent.
func (s *Session) Writable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uncorkLocked()
	switch {
	case s.state != stateOpen || len(s.queue) > 0:
		return false
	case s.ws != nil:
		return !s.ws.conn.Busy()
	default:
		return s.poll != nil && s.answering == nil
	}
}
