package engineio

import (
	"sync/atomic"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// Stats are counts since the server was made, and Sessions what there is now.
type Stats struct {
	Sessions   map[SessionKind]int
	Upgrades   uint64 // that were finished
	SlowClosed uint64 // sessions closed because too much waited for them
	Replaced   uint64 // messages that a newer one took the place of, for clients behind
	Queued     int64  // bytes that wait for clients now

	MessagesIn, BytesIn   uint64 // packets of clients, and their data
	MessagesOut, BytesOut uint64 // messages sent to clients, as on a WebSocket
}

// A SessionKind is how sessions are counted.
type SessionKind struct {
	Version   packet.Version
	Transport string // as of Session.Transport
}

// Stats is the counts as they are.
func (s *Server) Stats() Stats {
	c := &s.stats
	stats := Stats{
		Sessions:   make(map[SessionKind]int, len(c.sessions)),
		Upgrades:   c.upgrades.Load(),
		SlowClosed: c.slow.Load(),
		Replaced:   c.replaced.Load(),
		Queued:     c.queued.Load(),
		MessagesIn: c.messagesIn.Load(),
		BytesIn:    c.bytesIn.Load(),
	}
	for i := range c.out {
		stats.MessagesOut += c.out[i].messages.Load()
		stats.BytesOut += c.out[i].bytes.Load()
	}
	for _, v := range []packet.Version{packet.Plain, packet.V1, packet.V3, packet.V4} {
		other := webSocket
		if v == packet.Plain {
			other = serverSent
		}
		for _, t := range []string{polling, other} {
			stats.Sessions[SessionKind{v, t}] = int(c.kind(v, t).Load())
		}
	}
	return stats
}

// counters are what Stats reads.
type counters struct {
	sessions            [8]atomic.Int64
	upgrades, slow      atomic.Uint64
	replaced            atomic.Uint64
	queued              atomic.Int64
	messagesIn, bytesIn atomic.Uint64
	out                 [outCounters]outCounter
}

// outCounters is how many counters share the counting of what is sent, so that
// cores that send at once seldom wait for each other's.
const outCounters = 8

// An outCounter has a cache line of its own.
type outCounter struct {
	messages, bytes atomic.Uint64
	_               [48]byte
}

func (c *counters) kind(v packet.Version, transport string) *atomic.Int64 {
	i := 0
	switch v {
	case packet.V3:
		i = 2
	case packet.V4:
		i = 4
	case packet.Plain:
		i = 6
	}
	if transport != polling {
		i++
	}
	return &c.sessions[i]
}

func (c *counters) opened(v packet.Version, transport string) { c.kind(v, transport).Add(1) }

func (c *counters) closed(v packet.Version, transport string) { c.kind(v, transport).Add(-1) }

func (c *counters) upgraded(v packet.Version) {
	c.upgrades.Add(1)
	c.closed(v, polling)
	c.opened(v, webSocket)
}

func (c *counters) received(size int) {
	c.messagesIn.Add(1)
	c.bytesIn.Add(uint64(size))
}

func (c *counters) sent(s *Session, messages, size int) {
	out := &c.out[s.counter]
	out.messages.Add(uint64(messages))
	out.bytes.Add(uint64(size))
}
