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

	MessagesIn, BytesIn   uint64 // packets of clients, and their data
	MessagesOut, BytesOut uint64 // messages sent to clients, as on a WebSocket
}

// A SessionKind is how sessions are counted.
type SessionKind struct {
	Version   packet.Version
	Transport string // "polling" or "websocket"
}

// Stats is the counts as they are.
func (s *Server) Stats() Stats {
	c := &s.stats
	stats := Stats{
		Sessions:    make(map[SessionKind]int, len(c.sessions)),
		Upgrades:    c.upgrades.Load(),
		SlowClosed:  c.slow.Load(),
		MessagesIn:  c.messagesIn.Load(),
		BytesIn:     c.bytesIn.Load(),
		MessagesOut: c.messagesOut.Load(),
		BytesOut:    c.bytesOut.Load(),
	}
	for _, v := range []packet.Version{packet.V1, packet.V3, packet.V4} {
		for _, t := range []string{polling, webSocket} {
			stats.Sessions[SessionKind{v, t}] = int(c.kind(v, t).Load())
		}
	}
	return stats
}

// counters are what Stats reads.
type counters struct {
	sessions              [6]atomic.Int64
	upgrades, slow        atomic.Uint64
	messagesIn, bytesIn   atomic.Uint64
	messagesOut, bytesOut atomic.Uint64
}

func (c *counters) kind(v packet.Version, transport string) *atomic.Int64 {
	i := 0
	switch v {
	case packet.V3:
		i = 2
	case packet.V4:
		i = 4
	}
	if transport == webSocket {
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

func (c *counters) sent(size int) {
	c.messagesOut.Add(1)
	c.bytesOut.Add(uint64(size))
}
