package server

import (
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/server/socketio"
)

// The limits of this package, as stream_refused_total has them. Those of
// [engineio.Limits] and [socketio.Limits] stand beside them.
const (
	limitPerMember   = "sessions_per_member" // Config.MaxPerMember
	limitChannels    = "channels"            // Config.MaxChannels
	limitMessages    = "messages"            // Config.MessageRate, and with the suffixes below
	limitSubscribes  = "subscribes"          // Config.SubscribeRate, and with the suffixes below
	limitPublish     = "publish"             // Config.MaxPublish
	limitPublishBody = "publish_timeout"     // bodyTimeout
	limitHeader      = "header"              // maxHeader
	limitHeaderTime  = "header_timeout"      // headerTimeout, of the first request of a connection
	limitURL         = "url"                 // maxURL
	limitOrigin      = "origin"              // Config.Origins

	ofMember  = "_per_member"  // Config.RatesPerMember
	ofAddress = "_per_address" // Config.RatesPerAddress
)

var ownLimits = []string{
	limitPerMember, limitChannels,
	limitMessages, limitMessages + ofMember, limitMessages + ofAddress,
	limitSubscribes, limitSubscribes + ofMember, limitSubscribes + ofAddress,
	limitPublish, limitPublishBody, limitHeader, limitHeaderTime, limitURL, limitOrigin,
}

// refusals count what was refused, by the limit. The map is constant.
type refusals map[string]*atomic.Uint64

func newRefusals() refusals {
	r := make(refusals)
	for _, name := range slices.Concat(engineio.Limits, socketio.Limits, ownLimits) {
		r[name] = new(atomic.Uint64)
	}
	return r
}

// add counts one more. It may be called from any goroutine, with locks held.
func (r refusals) add(limit string) {
	if n := r[limit]; n != nil {
		n.Add(1)
	}
}

// A budget is what clients may do of one kind: each session, and all those of a
// member and of an address together.
type budget struct {
	limit   string // its name
	client  *rates[*engineio.Session]
	member  *rates[string]
	address *rates[netip.Addr]
}

// newBudget makes one of so much a second, and more at once. A rate that is not
// above zero is no limit.
func newBudget(limit string, perSecond, burst int, c *Config) budget {
	if perSecond <= 0 {
		return budget{limit: limit}
	}
	return budget{
		limit:   limit,
		client:  newRates[*engineio.Session](perSecond, burst),
		member:  newRates[string](perSecond*c.RatesPerMember, burst*c.RatesPerMember),
		address: newRates[netip.Addr](perSecond*c.RatesPerAddress, burst*c.RatesPerAddress),
	}
}

// spend takes n from what the client may do, or says which limit forbids it.
func (b *budget) spend(session *engineio.Session, member string, n int) (limit string) {
	if !b.client.allow(session, n) {
		return b.limit
	}
	if at := session.Address(); at.IsValid() && !b.address.allow(at, n) {
		return b.limit + ofAddress
	}
	if !identity.IsGuest(member) && !b.member.allow(member, n) {
		return b.limit + ofMember
	}
	return ""
}

// maxRefused is how many events in a row a client may send for nothing.
const maxRefused = 100

// afford reports whether the client may do n of a kind now. If not, the event e
// has been answered, and who does not stop has been closed.
func (s *Server) afford(b *budget, c *client, e *socketio.Event, n int) bool {
	limit := b.spend(c.session, c.identity().Member, n)
	if limit == "" {
		c.refused = 0
		return true
	}
	s.refusals.add(limit)
	e.AckJSON(mustJSON(ack{Error: tooOften}))
	if c.refused++; c.refused == maxRefused {
		c.session.Close(engineio.ReasonForcedClose)
	}
	return false
}

// paced is the answer to CONNECT, if that is to be err. The first that succeeds
// is free; who connects in vain, or again, does so at the rate of messages, or
// is closed: to find out who somebody is takes time.
func (s *Server) paced(conn socketio.Conn, err error) error {
	if err == nil && conn.RemoteHeader() != nil { // not forgotten yet: it is the first
		return nil
	}
	limit := s.rules.Load().messages.spend(conn.Session(), identity.GuestPrefix, 1) // whoever it is
	if limit == "" {
		return err
	}
	s.refusals.add(limit)
	conn.Drop()
	return tooOften
}

var tooOften = &wireError{Code: CodeRateLimited, Message: "this is too often: wait a moment"}

// filter lets events through at the rate that a client may send them.
// Subscribes count otherwise, by their channels.
func (s *Server) filter(conn socketio.Conn, e *socketio.Event) bool {
	if e.Name == "subscribe" || e.Name == "message" {
		return true
	}
	return s.afford(&s.rules.Load().messages, conn.Context().(*client), e, 1)
}

var errPerMember = &wireError{Code: CodeRateLimited, Message: "this member has as many sessions as they may"}

// limitedAddress is what sessions are counted by, if they are: an address of version 4, or a
// network of version 6, of which everybody has a whole one.
func (s *Server) limitedAddress(r *http.Request) netip.Addr {
	if c := &s.rules.Load().config; c.MaxPerAddress == 0 && c.RatesPerAddress == 0 {
		return netip.Addr{} // sessions need not know
	}
	address := s.address(r).Unmap().WithZone("")
	if address.Is6() {
		network, _ := address.Prefix(64) // of version 6 there is one
		return network.Addr()
	}
	return address
}
