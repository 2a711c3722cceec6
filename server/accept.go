package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	acceptPause    = 50 * time.Millisecond // between looks at whether there is room again
	acceptLogEvery = time.Minute           // between lines of the log about pauses
)

// A pausingListener lets connections wait in the kernel while descriptors are
// short (RELIABILITY.md R3). What it leaves is for those that are connected:
// upgrades, connections to Redis, files.
//
// Accept is called by one goroutine, Close by any.
type pausingListener struct {
	net.Listener

	// Constant.
	short  func() bool // whether the next connection has to wait; called once for each
	log    logrus.FieldLogger
	paused *atomic.Uint64 // how often it began to wait
	closed chan struct{}  // closed by Close
	close  sync.Once

	logged time.Time // owned by Accept; when a pause was last in the log
}

func newPausingListener(l net.Listener, short func() bool, paused *atomic.Uint64, log logrus.FieldLogger) *pausingListener {
	return &pausingListener{Listener: l, short: short, paused: paused, log: log, closed: make(chan struct{})}
}

func (l *pausingListener) Accept() (net.Conn, error) {
	if l.short() {
		l.pause()
	}
	for {
		c, err := l.Listener.Accept()
		if err == nil || !outOfDescriptors(err) {
			return c, err
		}
		l.pause()
	}
}

// pause returns after a while, when descriptors are short no longer, or after
// Close.
func (l *pausingListener) pause() {
	n := l.paused.Add(1)
	if now := time.Now(); l.logged.IsZero() || now.Sub(l.logged) >= acceptLogEvery {
		l.logged = now
		l.log.WithField("pauses", n).Warn("descriptors are short: new connections wait; raise the limit of open files")
	}
	for took := time.Duration(0); l.wait(max(acceptPause, 20*took)); {
		start := time.Now()
		if !l.short() {
			return
		}
		took = time.Since(start) // counting may be slow
	}
}

// wait is false after Close.
func (l *pausingListener) wait(d time.Duration) bool {
	select {
	case <-l.closed:
		return false
	case <-time.After(d):
		return true
	}
}

// Close may be called again.
func (l *pausingListener) Close() (err error) {
	l.close.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}
