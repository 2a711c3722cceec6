package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sb-stream/stream-server/server"
)

// activated are the listening sockets that systemd gives with the process
// (sd_listen_fds): that named broker is for --broker-listen, the other for
// --listen. Without any, both are nil.
func (s *serve) activated() (web, broker net.Listener, err error) {
	named, err := activation.ListenersWithNames()
	if err != nil || len(named) == 0 {
		return nil, nil, err
	}
	if s.Takeover != "" {
		return nil, nil, usageError{errors.New("--takeover does not go with sockets of systemd, which stay open by themselves")}
	}
	for name, sockets := range named {
		for _, socket := range sockets {
			tcp, ok := socket.(*net.TCPListener)
			switch {
			case !ok:
				err = usageError{fmt.Errorf("the socket %s of systemd does not listen on TCP", name)}
			case name == brokerSocket && broker == nil:
				broker = quietListener{tcp}
			case name != brokerSocket && web == nil:
				web = quietListener{tcp}
			default:
				err = usageError{fmt.Errorf("systemd gives one socket too many, %s: want one, and one named %s", name, brokerSocket)}
			}
		}
	}
	if err == nil && broker != nil && s.Redis != "" {
		err = usageError{fmt.Errorf("a socket of systemd named %s is for the embedded broker: there is none with --redis", brokerSocket)}
	}
	return web, broker, err
}

// A quietListener makes connections without keep-alive of TCP, as serve.listen
// does.
type quietListener struct{ *net.TCPListener }

func (l quietListener) Accept() (net.Conn, error) {
	conn, err := l.AcceptTCP()
	if err != nil {
		return nil, err
	}
	_ = conn.SetKeepAlive(false)
	return conn, nil
}

// tell tells systemd when the server is ready, and when it is about to end, which
// is when ctx ends.
func tell(ctx context.Context, srv *server.Server) {
	if ready(ctx, srv) {
		notifyReady()
	}
	<-ctx.Done()
	notify(daemon.SdNotifyStopping)
}

func notifyReady() { notify(daemon.SdNotifyReady) }

// notifyReloading is to be followed by notifyReady.
func notifyReloading() { notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec()) }

// notify tells systemd, if that started the process; whether it hears is its own
// affair.
func notify(state string) { _, _ = daemon.SdNotify(false, state) }
