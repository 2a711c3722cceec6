package redis

import (
	"errors"
	"time"

	"github.com/sb-stream/stream-server/channels/dialect"
)

// What one command on the subscribing connection asks for.
type kind string

const (
	subscribe   kind = "subscribe"
	unsubscribe kind = "unsubscribe"
	ping        kind = "ping"
)

// errOutOfStep says that a reply is not the one that the oldest unanswered
// command must get. Nothing is certain after it, so the connection is given up.
var errOutOfStep = errors.New("redis: an answer does not belong to any command that was sent")

// A command is one that was sent on the connection. Redis answers commands in
// order, and a SUBSCRIBE once for each of its channels.
type command struct {
	kind     kind
	classic  bool // on a Cluster: for what PUBLISH brings (classic.go)
	tags     []string
	answered int       // how many of tags were
	sentAt   time.Time // of a ping
	waiters  []waiter  // of a ping, for its answer
}

// asks reports whether it is a question about the ACL, and about no
// subscription (access.go).
func (c *command) asks() bool { return len(c.tags) == 1 && c.tags[0] == checkTag }

// A subscription is what is known about one tag.
type subscription struct {
	wanted     bool // between Listen and Unlisten
	subscribed bool // the last command sent for it was SUBSCRIBE; what holds, once all are answered
	unanswered int  // commands sent for it that have no answer yet
	held       bool // what Redis answered last: it is subscribed
	owed       bool // Live is to be said: nobody did since Listen or since messages were lost
	announcing int  // calls of Live that are under way: no UNSUBSCRIBE meanwhile
	alone      bool // refused together with others: it is sent alone from now on
	refused    bool // refused alone: not sent again before the next check
	gone       bool // Redis ended it, and nobody was told that messages are lost

	counted [2]bool // whether it is among the wanted, and the confirmed, of count
}

// confirmed reports whether messages are certain to arrive: Redis has answered
// everything, and the last of it was a SUBSCRIBE.
func (s *subscription) confirmed() bool { return s.subscribed && s.unanswered == 0 }

// subscriptions is what is wanted of Redis and what Redis has confirmed: a
// state machine without any input or output. Wishes and answers go in;
// commands to send, and tags whose Live is to be said, come out.
//
// The owner guards it with a lock.
type subscriptions struct {
	tags map[string]*subscription
	sent []*command // unanswered ones of this connection, oldest first

	waiting []waiter // for the answer to a PING that has not been sent (barrier.go)
	awaited bool     // a PING that was sent is waited for

	counts [2]int // how many tags are wanted, and confirmed

	classic bool       // on a Cluster: each command for tags has a classic half before it (classic.go)
	strays  []*command // for those halves alone; to be sent

	// Derived from tags by place, and by nothing else.
	toSubscribe   map[string]*subscription
	toUnsubscribe map[string]*subscription
	toAnnounce    map[string]*subscription
}

func newSubscriptions() *subscriptions {
	return &subscriptions{
		tags:          make(map[string]*subscription),
		toSubscribe:   make(map[string]*subscription),
		toUnsubscribe: make(map[string]*subscription),
		toAnnounce:    make(map[string]*subscription),
	}
}

// place puts a tag into the sets where its state says it belongs, and forgets
// it when there is nothing left to know. Every change of a subscription ends
// with it.
func (s *subscriptions) place(tag string, sub *subscription) {
	put(s.toSubscribe, tag, sub, sub.wanted && !sub.subscribed && !sub.refused)
	put(s.toUnsubscribe, tag, sub, !sub.wanted && sub.subscribed && !sub.refused && sub.announcing == 0)
	put(s.toAnnounce, tag, sub, sub.wanted && sub.owed && sub.confirmed())
	for i, holds := range [...]bool{sub.wanted, sub.confirmed()} {
		if holds && !sub.counted[i] {
			s.counts[i]++
		} else if !holds && sub.counted[i] {
			s.counts[i]--
		}
		sub.counted[i] = holds
	}
	if !sub.wanted && !sub.subscribed && sub.unanswered == 0 && sub.announcing == 0 {
		delete(s.tags, tag)
	}
}

func put(set map[string]*subscription, tag string, sub *subscription, in bool) {
	if in {
		set[tag] = sub
	} else {
		delete(set, tag)
	}
}

// listen notes that the tag is wanted and that its Live is to be said.
func (s *subscriptions) listen(tag string) {
	sub := s.tags[tag]
	if sub == nil {
		sub = &subscription{}
		s.tags[tag] = sub
	}
	sub.wanted, sub.owed = true, true
	s.place(tag, sub)
}

// unlisten notes that the tag is not wanted any more.
func (s *subscriptions) unlisten(tag string) {
	if sub := s.tags[tag]; sub != nil {
		sub.wanted, sub.owed = false, false
		s.place(tag, sub)
	}
}

// next is the next command to send, with at most limit tags; nil if what was
// sent is what is wanted. It counts as sent.
func (s *subscriptions) next(limit int) *command {
	if c := s.nextStray(); c != nil {
		return c
	}
	if c := s.take(unsubscribe, s.toUnsubscribe, limit); c != nil {
		return c
	}
	return s.take(subscribe, s.toSubscribe, limit)
}

func (s *subscriptions) take(k kind, from map[string]*subscription, limit int) *command {
	c := &command{kind: k}
	if sub := from[dialect.Shared]; sub != nil { // before all: their Live is to say this too
		from = map[string]*subscription{dialect.Shared: sub}
	}
	for tag, sub := range from {
		if sub.alone && len(c.tags) > 0 {
			continue
		}
		c.tags = append(c.tags, tag)
		sub.subscribed = k == subscribe
		sub.unanswered++
		s.place(tag, sub)
		if sub.alone || len(c.tags) == limit {
			break
		}
	}
	if len(c.tags) == 0 {
		return nil
	}
	s.send(c)
	return c
}

// confirm takes Redis' answer for one tag of a SUBSCRIBE or UNSUBSCRIBE.
func (s *subscriptions) confirm(k kind, tag string) error {
	if len(s.sent) == 0 {
		return errOutOfStep
	}
	c := s.sent[0]
	if c.kind != k || c.classic || c.tags[c.answered] != tag {
		return errOutOfStep
	}
	if c.answered++; c.answered == len(c.tags) {
		s.done()
	}
	if c.asks() {
		return nil
	}
	sub := s.tags[tag]
	sub.held, sub.alone = k == subscribe, false
	sub.unanswered--
	s.place(tag, sub)
	return nil
}

// refuse takes an error as the answer to a whole command and returns it. Tags
// that were refused together are tried one by one, since one that Redis' ACL
// forbids must not keep the others out; one refused alone waits for the check.
func (s *subscriptions) refuse() (*command, error) {
	if len(s.sent) == 0 || s.sent[0].answered > 0 {
		return nil, errOutOfStep
	}
	c := s.sent[0]
	s.done()
	s.release(c, errBroken)
	if c.asks() || c.classic {
		return c, nil
	}
	for _, tag := range c.tags {
		sub := s.tags[tag]
		if sub.unanswered--; sub.unanswered == 0 {
			sub.subscribed = sub.held // all is as it was
			sub.refused = len(c.tags) == 1
			s.stray(tag, sub)
		}
		sub.alone = true
		s.place(tag, sub)
	}
	return c, nil
}

func (s *subscriptions) done() {
	s.sent[0] = nil
	if s.sent = s.sent[1:]; len(s.sent) == 0 {
		s.sent = nil // gives the memory back
	}
}

// check compares, for every tag, what is wanted with what was sent, and tries
// again what was refused. It returns how many others differ without being on
// the way: none, unless the bookkeeping has a fault, which this mends.
func (s *subscriptions) check() (astray int) {
	for tag, sub := range s.tags {
		known := len(s.toSubscribe) + len(s.toUnsubscribe)
		retry := sub.refused
		sub.refused = false
		s.place(tag, sub)
		if !retry && len(s.toSubscribe)+len(s.toUnsubscribe) != known {
			astray++
		}
	}
	return astray
}

// reset forgets the connection: nothing is subscribed to, and Live is to be
// said anew for everything that is wanted. No Live may be under way.
func (s *subscriptions) reset() {
	s.abandon()
	s.sent, s.strays = nil, nil
	for tag, sub := range s.tags {
		*sub = subscription{wanted: sub.wanted, owed: sub.wanted, counted: sub.counted}
		s.place(tag, sub)
	}
}

// count is how many tags are wanted, and how many Redis has confirmed.
func (s *subscriptions) count() (wanted, confirmed int) { return s.counts[0], s.counts[1] }
