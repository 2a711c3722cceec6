package server

import (
	"cmp"
	"slices"
	"time"

	"github.com/sb-stream/stream-server/server/identity"
)

// newNodes is the nodes with what this one answers to operators, whichever
// node they ask (operators.go).
func (s *Server) newNodes() *nodes {
	var key *seal
	if len(s.config.ClusterKeys) > 0 && !s.config.Redis.Embedded { // that broker has one node
		key = newSeal(s.config.ClusterKeys, time.Now)
	}
	n := newNodes(s.node, s.broker, s.log, key, s.config.MaxPublish, s.config.NodeTimeout)
	handle(n, "disconnect", s.disconnect)
	handle(n, "unsubscribe", s.revoke)
	handle(n, "channels", s.listChannels)
	handle(n, "channel", s.countChannel)
	handle(n, "member", s.listMember)
	handle(n, "why", s.why)
	handle(n, "members", s.listMembers)
	handle(n, "hearing", s.listHearing)
	handle(n, "session", s.findSession)
	handle(n, "console", s.figures)
	return n
}

// A revocation says whose sessions are meant: one of Session and Member.
type revocation struct {
	Session string `json:"session,omitempty"`
	Member  string `json:"member,omitempty"`
	Channel string `json:"channel,omitempty"`
}

// revoked is what a node did.
type revoked struct {
	Found    int `json:"found"`    // sessions of this name
	Sessions int `json:"sessions"` // those for which something changed
}

// disconnect ends sessions. Once it returns, nothing that is published reaches
// them, though one that polls has yet to learn of its end.
func (s *Server) disconnect(q revocation) revoked {
	list := s.find(q.Session, q.Member)
	for _, c := range list {
		c.withdraw(s.presence)
		s.forget(c)
		_ = c.Close() // has no error to report
	}
	return revoked{len(list), len(list)}
}

// revoke takes a channel from sessions and tells them by $expired. It keeps
// nobody from subscribing again: who may is asked then.
func (s *Server) revoke(q revocation) revoked {
	list := s.find(q.Session, q.Member)
	done := revoked{Found: len(list)}
	for _, c := range list {
		if c.revoke(s, q.Channel, reasonOperator) {
			s.note(deedUnsubscribed, c, q.Channel, reasonOperator)
			done.Sessions++
		}
	}
	return done
}

// find is the session of this id or, if that is empty, those of a member or
// guest. Guests are in no map: all sessions are walked over, which nobody waits
// for but the operator.
func (s *Server) find(session, member string) []*client {
	var list []*client
	switch {
	case session != "":
		if e, ok := s.sessions.Find(session); ok {
			if c, ok := e.(*client); ok {
				list = append(list, c)
			}
		}
	case identity.IsGuest(member):
		for e := range s.sessions.all() {
			if c, ok := e.(*client); ok && c.identity().Member == member {
				list = append(list, c)
			}
		}
	default:
		list = s.members.of(member)
	}
	return list
}

// A pageQuestion asks for a part of a list.
type pageQuestion struct {
	Prefix string `json:"prefix,omitempty"`
	After  string `json:"after,omitempty"`
	Limit  int    `json:"limit"`
}

// A heardChannel is a channel and how many sessions hear it.
type heardChannel struct {
	Channel  string `json:"channel"`
	Sessions int    `json:"sessions"`
}

func (s *Server) listChannels(q pageQuestion) pageOf[heardChannel] {
	limit := min(max(q.Limit, 1), pageLimit)
	listed := s.channels.Page(q.Prefix, q.After, limit+1) // one more says whether there are more
	items := make([]heardChannel, len(listed))
	for i, l := range listed {
		items[i] = heardChannel{l.Tag, l.Clients}
	}
	return newPage(items, limit, s.nodes.room())
}

// A channelQuestion asks who hears a channel, and channelCount answers.
type channelQuestion struct {
	Channel string `json:"channel"`
}

type channelCount struct {
	Sessions int `json:"sessions"`
	sketch
}

func (s *Server) countChannel(q channelQuestion) channelCount {
	var hashes []uint64
	for c := range s.channels.Hearing(q.Channel) {
		if c, ok := c.(*client); ok {
			if who := c.identity(); !who.Guest() {
				hashes = append(hashes, hashMember(who.Member))
			}
		}
	}
	// 8 bytes are 11 in base64, and the rest of the answer is less than 64.
	most := min(maxHashes, (s.nodes.room()-64)/11)
	return channelCount{s.channels.Clients(q.Channel), newSketch(hashes, most)}
}

// A memberQuestion asks for the sessions of a member, and memberSessions answers.
type memberQuestion struct {
	Member string `json:"member"`
	pageQuestion
}

type memberSessions struct {
	Found int `json:"found"` // sessions, on all pages
	pageOf[memberSession]
}

// A memberSession is one session as operators see it.
type memberSession struct {
	ID        string   `json:"id"` // the public one
	Transport string   `json:"transport"`
	Protocol  int      `json:"protocol"` // version of Engine.IO; 1 is Socket.IO 0.9, 0 plain HTTP
	Channels  []string `json:"channels"`
	Omitted   int      `json:"omitted,omitempty"` // channels for which an answer has no room
	Node      string   `json:"node"`
}

func (s *Server) listMember(q memberQuestion) memberSessions {
	limit := min(max(q.Limit, 1), pageLimit)
	list := s.find("", q.Member)
	found := len(list)
	list = slices.DeleteFunc(list, func(c *client) bool { return c.ID() <= q.After })
	slices.SortFunc(list, func(a, b *client) int { return cmp.Compare(a.ID(), b.ID()) })
	room := s.nodes.room() - 64 // for what is around the page
	items := make([]memberSession, min(len(list), limit+1))
	for i := range items {
		items[i] = s.describe(list[i], room)
	}
	return memberSessions{found, newPage(items, limit, room)}
}

// describe is what operators see of a session, in at most room bytes of JSON.
func (s *Server) describe(c *client, room int) memberSession {
	d := memberSession{
		ID: c.ID(), Transport: c.session.Transport(), Protocol: int(c.session.Version()),
		Channels: append([]string{}, c.hears()...), Node: s.nodes.id,
	}
	slices.Sort(d.Channels)
	all := len(d.Channels)
	for sizeOf(d) > room && len(d.Channels) > 0 {
		d.Channels = d.Channels[:len(d.Channels)/2]
		d.Omitted = all - len(d.Channels)
	}
	return d
}
