package server

import (
	"maps"
	"slices"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/server/socketio"
)

// A former is a session whose connection broke, as it is kept for a client who
// may come back: stock clients of 4.6 and later do so by themselves (DESIGN.md
// section 6, PROTOCOL.md chapter 6). It is constant.
type former struct {
	member string
	heard  heardList
	form   form

	present []string // channels that it was in

	// floor is the number of the first message after the client was last told
	// something out of the order of positions: what it missed before it subscribed,
	// or that a channel has ended. Only such a message that it got, or a later one,
	// says that it got this too. 0: there was nothing.
	floor uint64
}

// What a former takes.
const (
	formerBytes = 136
	heardBytes  = 32 // beside the tag
)

// heardList is the channels of one session.
type heardList []channels.Heard

// index is where the channel of this tag is; negative if it is not there.
func (l heardList) index(tag string) int {
	return slices.IndexFunc(l, func(h channels.Heard) bool { return h.Tag == tag })
}

func (l heardList) tags() []string {
	tags := make([]string, len(l))
	for i, h := range l {
		tags[i] = h.Tag
	}
	return tags
}

// keep is [socketio.Recovery.Keep]. Who heard nothing has nothing to come back
// to.
func (s *Server) keep(conn socketio.Conn) (kept any, size int) {
	c := conn.Context().(*client)
	s.forget(c)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.heard) == 0 {
		return nil, 0
	}
	size = formerBytes
	for _, h := range c.heard {
		size += heardBytes + len(h.Tag)
	}
	for tag := range c.present {
		size += heardBytes + len(tag)
	}
	return &former{
		member: c.who.Member, heard: slices.Clone(c.heard), form: c.ear.wants(),
		present: slices.Collect(maps.Keys(c.present)), floor: c.floor,
	}, size
}

func formerOf(conn socketio.Conn) *former {
	if f := conn.Former(); f != nil {
		return f.Kept.(*former)
	}
	return nil
}

// addFormer adds what is known of a client who comes back: a guest is the same
// guest by the secret that it showed, as it would be by its guest token; and the web
// server is asked for the channels that it heard.
func addFormer(credentials *identity.Credentials, conn socketio.Conn, now *rules) {
	f := formerOf(conn)
	if f == nil {
		return
	}
	if credentials.Guest == "" {
		credentials.Guest = now.identity.GuestToken(f.member)
	}
	if now.identity.Asks() {
		credentials.Channels = now.policy.askable(f.heard.tags())
	}
}

// comeBack makes a client the session that it was, and sends it what it missed,
// if it is the same member or guest, may hear all that it heard, and all of what
// it missed is here. Otherwise it is a new session, and knows that it is.
func (s *Server) comeBack(conn socketio.Conn) error {
	f := formerOf(conn)
	if f == nil {
		return nil
	}
	offset := channels.Position(conn.Former().Offset)
	how := byNobody
	conn.Recover(func() bool {
		if !conn.Context().(*client).resume(s, f, offset) {
			return false
		}
		how = bySession
		return true
	})
	s.recoveries[how].Add(uint64(len(f.heard)))
	return nil
}

// resume makes the client hear what the former heard, after what that missed
// since the message at offset, or does nothing and is false.
func (c *client) resume(s *Server, f *former, offset channels.Position) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, told := offset.Place()
	if offset == "" { // it has got no message yet
		told = f.floor == 0
	} else {
		told = told && f.floor <= at.Number && at.Number <= s.channels.Last()
	}
	if !told || c.who.Member != f.member || s.rules.Load().policy.checkAll(c.who, f.heard.tags()) != nil {
		return false
	}
	c.ear.want(f.form)
	c.ear.listen(f.heard)
	if !s.channels.Resume(c, f.heard, offset, *s.replayRoom()) {
		c.ear.want(asData)
		c.ear.listen(nil)
		return false
	}
	c.heard = f.heard
	for _, tag := range f.present {
		if c.present == nil {
			c.present = make(map[string]struct{}, len(f.present))
		}
		c.present[tag] = struct{}{}
		s.presence.Return(tag, asPresent(c.who, tag), c)
	}
	return true
}
