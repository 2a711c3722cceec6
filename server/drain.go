package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"
)

// ErrTakenOver is the cause with which the context of Serve is cancelled when
// another process accepts from the same listening socket by now. Whoever cancels
// it closes the listener after that, so that this process accepts no more.
var ErrTakenOver = errors.New("server: another process has taken over")

// How long the end of a server takes beyond Config.Drain (RELIABILITY.md section
// 2: drain 10 s, exit 15 s).
const (
	lastPollTimeout = 2 * time.Second         // for clients between two polls to take the rest
	stayTimeout     = 4 * time.Second         // for other nodes to ask
	exitTimeout     = 4500 * time.Millisecond // for everything
	stayInterval    = 100 * time.Millisecond  // between looks at whether anybody may still ask
	faultTimeout    = 5 * time.Second         // for everything, when it ends because of a fault
)

// end waits until Serve is told to end, or something in it has ended by a fault,
// and ends the rest of it. The broker goes on until it returns: messages reach
// those who are still here.
func (s *Server) end(told, running context.Context, web *http.Server, in *door, quiet <-chan struct{}) error {
	limit := faultTimeout
	select {
	case <-running.Done():
	case <-told.Done():
		start := time.Now()
		s.leave(told, running)
		limit = max(s.config.Drain+exitTimeout-time.Since(start), exitTimeout-stayTimeout)
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	select {
	case <-quiet: // the canary has left the reactor
	case <-ctx.Done():
	}
	return s.shutdown(ctx, web, in)
}

// leave lets the clients go and stays for those who ask for what they missed.
func (s *Server) leave(told, running context.Context) {
	s.draining.Store(true) // before anything else: /readyz says so
	over := s.config.Drain
	if errors.Is(context.Cause(told), ErrTakenOver) && s.config.Redis.Embedded {
		over = 0 // messages go to the broker of the other process now
	}
	s.log.WithFields(logrus.Fields{"sessions": s.io.Count(), "over": over.String()}).
		Info("draining: a second signal ends at once")
	ctx, cancel := context.WithTimeout(running, over+stayTimeout)
	defer cancel()
	if over > 0 { // else they go with everything else
		draining, cancel := context.WithTimeout(ctx, over+lastPollTimeout)
		defer cancel()
		if err := s.io.Drain(draining, over); err != nil {
			s.log.WithField("sessions", s.io.Count()).Warn("some clients did not take what was left for them")
		}
	}
	for s.mayBeAsked() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(stayInterval):
		}
	}
}

// mayBeAsked reports whether another node may come to ask what this one knows of
// the messages of a channel.
func (s *Server) mayBeAsked() bool {
	heard, lingering := s.channels.Len()
	return s.peers != nil && s.config.NodeAddress != "" && heard+lingering > 0
}

// shutdown ends what is left. The sessions come first: that answers the pending
// polls, which web.Shutdown would wait for.
func (s *Server) shutdown(ctx context.Context, web *http.Server, in *door) error {
	defer func() { s.rules.Load().stop() }()
	defer s.agenda.Close()
	defer s.channels.Close()
	err := s.io.Shutdown(ctx)
	s.cluster.close()
	in.shut(ctx)
	if webErr := web.Shutdown(ctx); webErr != nil {
		err = errors.Join(err, webErr, web.Close())
	}
	if errors.Is(err, context.DeadlineExceeded) {
		s.log.WithError(err).Warn("somebody was cut off at the end")
		return nil
	}
	return err
}
