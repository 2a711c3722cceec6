package engineio

import (
	"net/http"
	"net/netip"

	"github.com/gobwas/ws"
)

// The limits of this package, as Options.Limited is told them.
const (
	LimitSessions   = "sessions"             // MaxSessions
	LimitPerAddress = "sessions_per_address" // MaxPerAddress
	LimitMessage    = "message"              // MaxPayload: a POST, a WebSocket message, also inflated
	LimitPackets    = "packets"              // MaxPackets
	LimitFragments  = "fragments"            // of a WebSocket message: 1,024
	LimitBody       = "body_timeout"         // BodyTimeout
	LimitUpgrade    = "upgrade_timeout"      // UpgradeTimeout
	LimitQueue      = "queue"                // QueueBytes, QueueMessages
	LimitTotalQueue = "total_queue"          // TotalQueueBytes
)

// Limits are all of them.
var Limits = []string{
	LimitSessions, LimitPerAddress, LimitMessage, LimitPackets, LimitFragments,
	LimitBody, LimitUpgrade, LimitQueue, LimitTotalQueue,
}

func (o *Options) limited(limit string) {
	if o.Limited != nil {
		o.Limited(limit)
	}
}

// faulted tells of the limit that a WebSocket is closed for, if it is one.
func (o *Options) faulted(fault ws.StatusCode) {
	switch fault {
	case ws.StatusMessageTooBig:
		o.limited(LimitMessage)
	case ws.StatusPolicyViolation:
		o.limited(LimitFragments)
	}
}

// A place is an address with the sessions that it has, those included whose
// handshake is under way.
type place struct {
	address  netip.Addr // constant
	sessions int        // guarded by Server.mu
}

// reserve counts a session that is about to be made, before anything is
// allocated for it. Server.release counts it down, and Server.remove. The place
// is nil for a session from nowhere. A refusal says that there is no room.
func (s *Server) reserve(r *http.Request) (*place, *refusal) {
	var address netip.Addr
	if s.opts.Address != nil {
		address = s.opts.Address(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusing {
		return nil, &errLeaving
	}
	if s.opts.MaxSessions > 0 && s.taken >= s.opts.MaxSessions {
		s.opts.limited(LimitSessions)
		return nil, &errFull
	}
	if !address.IsValid() {
		s.taken++
		return nil, nil
	}
	p := s.places[address]
	if p != nil && s.opts.MaxPerAddress > 0 && p.sessions >= s.opts.MaxPerAddress {
		s.opts.limited(LimitPerAddress)
		return nil, &errCrowded
	}
	if p == nil {
		p = &place{address: address}
		s.places[address] = p
	}
	s.taken++
	p.sessions++
	return p, nil
}

// Limit changes Options.MaxSessions and Options.MaxPerAddress for those who come
// from now on. It may be called from any goroutine.
func (s *Server) Limit(sessions, perAddress int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts.MaxSessions, s.opts.MaxPerAddress = sessions, perAddress // which reserve reads
}

// release is the end of a session that was reserved and never began.
func (s *Server) release(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(p)
}

func (s *Server) releaseLocked(p *place) {
	s.taken--
	if p == nil {
		return
	}
	if p.sessions--; p.sessions == 0 {
		delete(s.places, p.address)
	}
}

// Address is where the session comes from, as Options.Address has it; the zero
// Addr if that is not known.
func (s *Session) Address() netip.Addr {
	if s.place == nil {
		return netip.Addr{}
	}
	return s.place.address
}
