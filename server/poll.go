package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/engineio"
)

// A polled is the answer to GET /poll/{channel}.
type polled struct {
	Position string                `json:"position"` // to send as since
	Channels map[string]subscribed `json:"channels"`
	Messages []message             `json:"messages"`
	Gaps     []gap                 `json:"gaps,omitempty"`
	Expired  []expired             `json:"expired,omitempty"`
}

type message struct {
	Channel  string            `json:"channel"`
	Data     json.RawMessage   `json:"data"`
	Position channels.Position `json:"position"`
}

// servePoll is GET /poll/{channel}: what came since the client's position, at once
// or as soon as there is something, and after a ping interval in any case. Who has
// no position, or one that is not good any more, is told the newest at once.
//
// It waits in its handler: who listens for long has a stream, which costs less.
func (s *Server) servePoll(w http.ResponseWriter, r *http.Request, l *listening) {
	p := &poll{
		id: rand.Text(), session: l.session, room: s.config.ClientQueue, some: make(chan struct{}),
		intake: intake{standing: l.standing},
	}
	c, err := s.seat(l, p)
	if err != nil {
		l.session.Discard()
		s.refuseListener(w, r, err)
		return
	}
	l.session.Wait(func() engineio.Receiver {
		forget := s.listened(c)
		return ending(func(reason string) {
			forget.Closed(reason)
			p.wake()
		})
	})
	defer l.session.Close(engineio.ReasonTransportClose)
	a, err := s.poll(r.Context(), c, p, l)
	if err != nil {
		s.refuseListener(w, r, err)
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(s.config.PingInterval + s.config.PingTimeout)) // as for polls of Socket.IO
	if s.draining.Load() {
		w.Header().Set("Connection", "close") // the next one is to find another node
	}
	writeJSON(w, http.StatusOK, a)
	_ = control.Flush() // or the client has gone
	_ = control.SetWriteDeadline(time.Time{})
}

// poll waits for the answer.
func (s *Server) poll(ctx context.Context, c *client, p *poll, l *listening) (polled, error) {
	defer s.forget(c)
	subscriptions, lost, err := s.hearPlain(ctx, c, l)
	if err != nil {
		return polled{}, err
	}
	p.open(subscriptions, p.sendLocked)
	s.awaitLive(c, subscriptions)
	if l.back && len(lost) == 0 {
		p.wait(ctx, s.config.PingInterval)
	}
	about := subscribedTo(l.standing.tags, subscriptions)
	s.forget(c) // and nothing comes any more
	return p.answer(about.Channels)
}

// A poll is one request that waits for messages, as a [plainLink].
type poll struct {
	// Constant.
	id      string
	session *engineio.Session
	some    chan struct{} // closed by wake

	intake

	once sync.Once // closes some
	got  polled    // guarded by mu
	room int       // guarded by mu; bytes that may yet come; negative: nothing may
	over bool      // guarded by mu; an operator has ended it
}

func (p *poll) ID() string { return p.id }

// Emit takes what is no message of a channel: that the client hears one no more.
func (p *poll) Emit(_ string, args ...any) {
	if e, ok := args[0].(expired); ok {
		p.mu.Lock()
		p.got.Expired = append(p.got.Expired, e)
		p.mu.Unlock()
		p.wake()
	}
}

// Close ends the request.
func (p *poll) Close() error {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.session.Close(engineio.ReasonForcedClose)
	return nil
}

func (p *poll) send(r *channels.Round) engineio.Outcome { return p.take(r, p.sendLocked) }

// sendLocked takes the messages for which there is room. The client comes back
// for the rest.
func (p *poll) sendLocked(r *channels.Round) engineio.Outcome {
	defer p.wake()
	for i := range r.Messages {
		m := &r.Messages[i]
		if m.Gap != "" {
			p.got.Gaps = append(p.got.Gaps, gap{r.Channel, m.Gap})
			continue
		}
		if p.room < len(m.Data) && len(p.got.Messages) > 0 {
			p.room = -1
		}
		if p.room < 0 {
			return engineio.Waits
		}
		p.room = max(0, p.room-len(m.Data))
		p.got.Messages = append(p.got.Messages, message{r.Channel, m.Data, m.Position})
		p.standing.noteOne(r.Channel, m.Position)
	}
	return engineio.Sent
}

// wake ends wait, because there is something to say, or nothing to wait for.
func (p *poll) wake() { p.once.Do(func() { close(p.some) }) }

// wait waits for something to say.
func (p *poll) wait(ctx context.Context, limit time.Duration) {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-p.some:
	case <-ctx.Done():
	case <-timeout.C:
	}
}

// answer is what came, after which nothing does.
func (p *poll) answer(about map[string]subscribed) (polled, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return polled{}, errOperator
	}
	a := p.got
	a.Channels, a.Position = about, p.standing.id()
	if a.Messages == nil {
		a.Messages = []message{}
	}
	return a, nil
}
