package engineio

import (
	"context"
	"time"
)

// leavers are the sessions that [Server.Drain] has yet to let go. Nothing of it is
// used while none is under way.
type leavers struct {
	queue   []*Session    // those that are to go, in this order, and some that have ended by themselves
	waiting int           // those in queue that have not
	emptied chan struct{} // closed when all have gone and ended; nil while nobody waits for that
}

// mostLate is how much time Drain makes up for by a burst when it was held up.
// What it lost beyond that is spread over what is left.
const mostLate = 50 * time.Millisecond

// Drain lets every session go, at an even pace over this time: the first at once
// and the last just before its end. 0 is all at once. It returns when all have
// ended, or with the error of ctx. It is called once; Shutdown comes after it.
//
// A session that is let go is closed as by Session.Close, with ReasonShutdown:
// what was sent before still reaches the client, who sees its transport close,
// and comes back by itself. Nobody waits for those who are slow to take it. The
// connection of its last poll is closed too, so that the next one finds its way
// to another server.
//
// For the first half of the time new sessions are taken as ever, and let go with
// the others: load balancers need some seconds to notice that this server is not
// ready, and who is sent here meanwhile would find the door shut, on which some
// clients give up. In the second half handshakes are refused with 503, which a
// balancer that goes by answers takes to another server: else those who are
// sent back here each time would go ever faster towards the end. So no more than
// twice the even number go in any second, whatever is in front of this server.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	next := time.Now()
	end := next.Add(over)
	emptied := s.beginDrain()
	half := time.AfterFunc(over/2, s.refuseNew)
	defer half.Stop()
	for {
		if err := sleep(ctx, time.Until(next)); err != nil {
			return err
		}
		session := s.nextToGo()
		if session == nil {
			break
		}
		if !session.letGo() {
			continue
		}
		if more := s.haveToGo(); more > 0 {
			next = next.Add(max(0, end.Sub(next)) / time.Duration(more+1))
			if least := time.Now().Add(-mostLate); next.Before(least) {
				next = least
			}
		}
	}
	select {
	case <-emptied:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// beginDrain puts all sessions into the queue, in no order.
func (s *Server) beginDrain() (emptied <-chan struct{}) {
	s.leaving.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.leavers
	l.emptied = make(chan struct{})
	l.queue = make([]*Session, 0, len(s.sessions))
	for _, session := range s.sessions {
		l.enter(session)
	}
	return l.emptied
}

// enter puts a session into the queue.
func (l *leavers) enter(session *Session) {
	if l.emptied != nil {
		l.queue = append(l.queue, session)
		l.waiting++
	}
}

// exit counts off a session that has ended.
func (l *leavers) exit(session *Session) {
	if l.emptied != nil && session.reason != ReasonShutdown { // constant since the end
		l.waiting--
	}
}

// refuseNew makes handshakes be refused.
func (s *Server) refuseNew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusing = true
}

// nextToGo takes a session off the queue. With none left no session begins any
// more.
func (s *Server) nextToGo() *Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &s.leavers
	if len(l.queue) == 0 {
		s.refusing, s.closed = true, true
		s.emptyLocked()
		return nil
	}
	session := l.queue[0]
	l.queue[0], l.queue = nil, l.queue[1:]
	return session
}

// emptyLocked tells Drain when it is over.
func (s *Server) emptyLocked() {
	if l := &s.leavers; l.emptied != nil && s.closed && len(s.sessions) == 0 {
		close(l.emptied)
		l.emptied = nil
	}
}

// letGo closes the session, and is false if it has been closed before.
func (s *Session) letGo() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateOpen {
		return false
	}
	s.closeLocked(ReasonShutdown)
	return true
}

// haveToGo counts off a session that was let go, and is how many wait for that.
func (s *Server) haveToGo() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leavers.waiting--
	return s.leavers.waiting
}
