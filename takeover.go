package main

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/internal/takeover"
	"github.com/sb-stream/stream-server/server"
)

// takeoverFlags hand the listening sockets from one process to the next.
type takeoverFlags struct {
	Takeover string `placeholder:"SOCKET" help:"Path of a Unix socket by which the next process on this machine gets the listening sockets, so that no connection is refused."`
}

// The names of what is handed over.
const (
	httpSocket   = "http"
	brokerSocket = "broker"
)

// takePost takes the place behind the process before; nil without the flag.
func (s *serve) takePost(log logrus.FieldLogger) (*takeover.Post, error) {
	switch {
	case s.Takeover == "":
		return nil, nil
	case s.BrokerDir != "":
		return nil, usageError{errors.New("--takeover and --broker-dir do not go together: the file is one process's at a time")}
	}
	return takeover.New(s.Takeover, log)
}

// listen opens the HTTP address, unless systemd or the process before has given it.
func (s *serve) listen(ctx context.Context, post *takeover.Post, given net.Listener) (net.Listener, error) {
	if given != nil {
		return given, nil
	}
	if post != nil {
		if l := post.Listener(httpSocket, s.Listen); l != nil {
			return l, nil
		}
	}
	// No keep-alive of TCP: heartbeats and the limits of HTTP find who is gone.
	listen := net.ListenConfig{KeepAlive: -1}
	return listen.Listen(ctx, "tcp", s.Listen)
}

// serveUntilTaken runs the server until ctx ends, or until another process has
// taken over and the clients of this one are gone.
func (s *serve) serveUntilTaken(
	ctx context.Context, srv *server.Server, l net.Listener, b channels.Broker, post *takeover.Post, log logrus.FieldLogger,
) error {
	if post == nil {
		return srv.Serve(ctx, l)
	}
	listeners := []takeover.Listener{{Name: httpSocket, Address: s.Listen, Socket: l}}
	release := func() {}
	if e, ok := b.(*embedded.Broker); ok {
		listeners = append(listeners, takeover.Listener{Name: brokerSocket, Address: s.BrokerListen, Socket: e.Listener()})
		release = e.Release
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ctx, leave := context.WithCancelCause(ctx)
	var offering sync.WaitGroup
	offering.Go(func() { // ends with Serve
		if !ready(running, srv) {
			return
		}
		share := func() {
			if err := srv.Share(running, l.Addr().(*net.TCPAddr).IP); err != nil {
				log.WithError(err).Warn("takeover: the other nodes may not find this one for a while")
			}
		}
		post.Run(running, listeners, share, func(next int) {
			log.WithField("process", next).Info("takeover: another process has taken over")
			release()
			leave(server.ErrTakenOver)
			_ = l.Close() // the socket is the other's too, and stays open
		})
	})
	err := srv.Serve(ctx, l)
	stop()
	offering.Wait()
	leave(nil)
	return err
}

// readyInterval is between looks at whether the server is ready.
const readyInterval = 20 * time.Millisecond

// ready waits until the server is. It is false if ctx ends before.
func ready(ctx context.Context, srv *server.Server) bool {
	for !srv.Ready() {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(readyInterval):
		}
	}
	return true
}
