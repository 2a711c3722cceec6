package load

import (
	"time"

	"github.com/gobwas/ws"
)

// turn serves the clients until something has come or the time is over.
func (s *Swarm) turn(until time.Time) error {
	if s.config.Protocol.BeatEvery > 0 {
		s.sendBeats()
		until = earlier(until, time.Now().Add(s.config.Protocol.BeatEvery/10))
	}
	return s.poller.wait(until, s.feed)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// sendBeats sends the heartbeats that are due since the last time, spread over
// the interval.
func (s *Swarm) sendBeats() {
	every := s.config.Protocol.BeatEvery
	due := int(time.Since(s.beaten) * time.Duration(len(s.clients)) / every)
	if due == 0 {
		return
	}
	s.beaten = time.Now()
	frame := clientFrame(ws.OpText, s.config.Protocol.Beat)
	for range min(due, len(s.clients)) {
		c := s.clients[s.beating%len(s.clients)]
		s.beating++
		if !c.closed {
			_, _ = c.conn.Write(frame) // reading tells when it is closed
		}
	}
}

// feed takes what a client received.
func (s *Swarm) feed(c *client, data []byte, err error) {
	if err != nil {
		s.lose(c)
		return
	}
	now := time.Since(s.started)
	if len(c.rest) > 0 {
		c.rest = append(c.rest, data...)
		data = c.rest
	}
	for !c.closed {
		op, payload, size, err := nextFrame(data)
		if err != nil {
			s.lose(c)
			return
		}
		if size == 0 {
			break
		}
		s.frame(c, op, payload, now)
		data = data[size:]
	}
	if len(data) == 0 && cap(c.rest) > 4096 {
		c.rest = nil
	}
	c.rest = append(c.rest[:0], data...)
}

func (s *Swarm) frame(c *client, op ws.OpCode, payload []byte, now time.Duration) {
	switch op {
	case ws.OpClose:
		s.lose(c)
	case ws.OpPing:
		_, _ = c.conn.Write(clientFrame(ws.OpPong, payload))
	case ws.OpText, ws.OpBinary:
		m, rest, ok := nextPayload(payload)
		if !ok {
			s.answer(c, payload)
			return
		}
		s.phase.bytes += int64(len(payload))
		for ; ok; m, rest, ok = nextPayload(rest) {
			s.arrived(c, m, now)
		}
	}
}

// answer writes what the protocol says to a frame without a message.
func (s *Swarm) answer(c *client, frame []byte) {
	if s.config.Protocol.Answer == nil {
		return
	}
	if text := s.config.Protocol.Answer(frame); text != nil {
		_, _ = c.conn.Write(clientFrame(ws.OpText, text))
	}
}

// arrived checks and counts a message.
func (s *Swarm) arrived(c *client, m message, now time.Duration) {
	p := s.phase
	if m.channel != c.channel {
		p.faults.Foreign++
		return
	}
	switch c.order.see(m.number) {
	case doubled:
		p.faults.Doubled++
		return
	case late:
		p.faults.Swapped++
	case inOrder, early:
	}
	channel := &s.channels[c.channel]
	if m.number <= channel.base || m.number > channel.sent {
		return // a straggler of a phase before
	}
	p.delivered++
	if p.latency != nil {
		_ = p.latency.RecordValue(int64(min(now-m.due, maxLatency)))
	}
	channel.arrived(p, m.number)
}

// lose ends a client whose connection ended. What it should still get is lost.
func (s *Swarm) lose(c *client) {
	if c.closed {
		return
	}
	c.closed = true
	_ = c.conn.Close()
	s.phase.faults.Closed++
	channel := &s.channels[c.channel]
	channel.listeners--
	for n := max(c.order.last, channel.base) + 1; n <= channel.sent; n++ {
		channel.arrived(s.phase, n)
	}
}
