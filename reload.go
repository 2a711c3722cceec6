package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/server"
)

// A reloader reads the configuration again upon SIGHUP: the command line and the
// environment as they were, and the files that they name as they are now. All of
// what can change while the server runs changes at once, or nothing does.
type reloader struct {
	// Constant.
	server      *server.Server
	certificate *certificate // nil: there is none that files hold
	publishKeys []string     // that were made at the start, if there was none
	log         *logrus.Logger

	current *reading       // owned by run
	before  map[string]any // owned by run; the values of current that are in force
}

// hangups are the signals that ask for it. They are asked for before the server
// starts, so that none ends it.
func hangups() (signals chan os.Signal, stop func()) {
	signals = make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	return signals, func() { signal.Stop(signals) }
}

// run reloads upon each signal until ctx ends.
func (r *reloader) run(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
		}
		notifyReloading()
		if err := r.reload(ctx); err != nil {
			r.log.WithError(err).Error("reload: the configuration is wrong, and stays what it was")
		}
		notifyReady()
	}
}

// reload is one reload. After an error nothing has changed.
func (r *reloader) reload(ctx context.Context) error {
	next, err := read(ctx, r.current.args)
	if err != nil {
		return err
	}
	flags := &next.commands.Serve
	config, err := flags.config(nil)
	if err != nil {
		return err
	}
	if len(config.PublishKeys) == 0 {
		config.PublishKeys = r.publishKeys
	}
	if (r.certificate == nil) != (flags.TLSCert == "") {
		return errors.New("--tls-cert: to begin with TLS, or end it, takes a restart")
	}
	var pair *keyPair
	if r.certificate != nil {
		if pair, err = readPair(flags.TLSCert, flags.TLSKey); err != nil {
			return err
		}
	}
	if err := r.server.Reload(config); err != nil {
		return err
	}
	if pair != nil {
		r.certificate.use(pair)
	}
	setLevel(r.log, flags.LogLevel)
	reloaded, restart := next.changes(r.before)
	log := r.log.WithField("changed", strings.Join(reloaded, ","))
	if len(restart) > 0 {
		log.WithField("restart", strings.Join(restart, ",")).Warn("reload: some of what has changed takes a restart")
	} else {
		log.Info("reload: the configuration was read again")
	}
	now := next.values()
	for _, name := range restart {
		now[name] = r.before[name] // so that the next reload tells of it too
	}
	r.current, r.before = next, now
	return nil
}
