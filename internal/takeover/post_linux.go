package takeover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

// acceptPause is between tries when there are no descriptors left.
const acceptPause = 100 * time.Millisecond

// How long the other process may take.
const (
	answerTimeout = 5 * time.Second // for what needs no thought
	readyTimeout  = time.Minute     // to be ready, which Redis may delay
)

// network is the one that keeps packets apart.
const network = "unixpacket"

// longestPath is how long a path may be: 108 bytes are the kernel's limit, and a
// process has a second one of its own for a while.
const longestPath = 90

// A Post is a process's end of the handing over: what it takes from the one
// before it, and then what it gives to the next. Make it with New.
//
// Its methods are called in the order Listener, Run, and Close at the end.
type Post struct {
	// Constant.
	path   string
	log    logrus.FieldLogger
	user   int               // whose processes are spoken to
	door   *net.UnixListener // for the next process; at a path of its own until Run
	before *peer             // the process before; nil for none
	pid    int               // of before
	taken  []Listener        // from before; Listener takes them

	share func() // constant once Run was called

	left bool // owned by whoever made busy true; a process has taken over

	mu   sync.Mutex
	busy bool // guarded by mu; a process is about to take over
}

// New takes a place behind the process that serves at path, if there is one, or
// says why it cannot. What a process has left there that is gone now does not
// matter.
func New(path string, log logrus.FieldLogger) (*Post, error) {
	return newPost(path, log, os.Geteuid())
}

// newPost is New for a process of this user.
func newPost(path string, log logrus.FieldLogger, user int) (*Post, error) {
	if len(path) > longestPath {
		return nil, fmt.Errorf("takeover: the path %s has more than %d bytes", path, longestPath)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("takeover: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("takeover: %s is there, and is no socket", path)
	}
	p := &Post{path: path, log: log, user: user}
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("takeover: %w", err)
	}
	if err := p.ask(); err != nil {
		p.Close()
		return nil, fmt.Errorf("takeover: %w", err)
	}
	return p, nil
}

// own is where this process listens until it takes the place of the one before.
func (p *Post) own() string { return p.path + "." + strconv.Itoa(os.Getpid()) }

// open listens at the path of this process, for its own user.
func (p *Post) open() (err error) {
	_ = os.Remove(p.own()) // of a process of that number that is gone
	p.door, err = net.ListenUnix(network, &net.UnixAddr{Name: p.own(), Net: network})
	if err != nil {
		return err
	}
	p.door.SetUnlinkOnClose(false)
	if err := os.Chmod(p.own(), 0o600); err != nil {
		p.Close()
		return err
	}
	return nil
}

// ask asks the process before for its sockets.
func (p *Post) ask() error {
	conn, err := net.DialTimeout(network, p.path, answerTimeout)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil // nobody serves there
	case err != nil:
		return err
	}
	p.before = newPeer(conn.(*net.UnixConn))
	if p.pid, err = p.before.same(p.user); err != nil {
		return fmt.Errorf("%s: %w", p.path, err)
	}
	p.taken, err = p.before.fetch()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("process %d, which serves at %s, does not answer: end it first", p.pid, p.path)
	}
	if err != nil {
		return fmt.Errorf("process %d, which serves at %s: %w", p.pid, p.path, err)
	}
	return nil
}

// Listener is the socket of this name that the process before gave, if it is
// for the same address; nil if there is none. The caller owns it.
func (p *Post) Listener(name, address string) net.Listener {
	for i, l := range p.taken {
		if l.Name == name && l.Address == address {
			p.taken = append(p.taken[:i:i], p.taken[i+1:]...)
			return l.Socket
		}
	}
	return nil
}

// Run has the process before leave, once this one is ready and accepts, and then
// waits for the next one. It calls share before the first gets the sockets, and
// leave, once, when one is ready: what leave does not wait for is the end of its
// clients. Run returns then, or when ctx ends. No error ends it: who serves goes on.
func (p *Post) Run(ctx context.Context, listeners []Listener, share func(), leave func(next int)) {
	p.share = sync.OnceFunc(share)
	p.drop()
	if p.before != nil {
		if err := p.before.dismiss(); err != nil {
			p.log.WithError(err).WithField("process", p.pid).Error("takeover: the process before does not leave: end it")
		} else {
			p.log.WithField("process", p.pid).Info("takeover: the process before leaves")
		}
	}
	if err := os.Rename(p.own(), p.path); err != nil {
		p.log.WithError(err).Error("takeover: no process can take over from this one")
		return
	}
	here, err := os.Lstat(p.path)
	if err != nil {
		p.log.WithError(err).Error("takeover: no process can take over from this one")
		return
	}
	p.log.Info("takeover: the next process may come")
	if p.serve(ctx, listeners, leave) {
		return // the path is the next one's
	}
	if now, err := os.Lstat(p.path); err == nil && os.SameFile(here, now) {
		_ = os.Remove(p.path)
	}
}

// serve answers processes until one has taken over, or ctx ends.
func (p *Post) serve(ctx context.Context, listeners []Listener, leave func(next int)) (taken bool) {
	var serving sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { _ = p.door.Close() })
	defer stop()
	for {
		conn, err := p.door.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			serving.Wait()
			return p.left
		case err != nil:
			p.log.WithError(err).Warn("takeover: a process could not be accepted")
			<-time.After(acceptPause)
			continue
		}
		serving.Go(func() { // ends with ctx, and soon
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			next := newPeer(conn)
			defer next.close()
			pid, err := next.same(p.user)
			if err == nil {
				err = p.hand(next, pid, listeners, leave)
			}
			if err != nil {
				p.log.WithError(err).WithField("process", pid).Warn("takeover: not taken over")
			}
		})
	}
}

var errBusy = errors.New("another process is taking over just now")

// hand serves a process that wants to take over.
func (p *Post) hand(next *peer, pid int, listeners []Listener, leave func(next int)) error {
	if err := next.awaitWish(); err != nil {
		return err
	}
	if !p.begin() {
		next.refuse(errBusy)
		return errBusy
	}
	defer p.done()
	p.share()
	if err := next.give(listeners); err != nil {
		return err
	}
	p.log.WithField("process", pid).Info("takeover: a process is about to take over")
	if err := next.awaitReady(); err != nil {
		return err
	}
	p.left = true // and nobody else comes
	_ = p.door.Close()
	leave(pid)
	return next.say(line{Leaving: true})
}

// begin lets one process at a time take over, and none after that.
func (p *Post) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy || p.left {
		return false
	}
	p.busy = true
	return true
}

func (p *Post) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = false
}

// Close ends what Run has not.
func (p *Post) Close() {
	_ = p.door.Close()
	_ = os.Remove(p.own())
	if p.before != nil {
		p.before.close()
	}
	p.drop()
}

// drop closes what was taken and nobody wanted: connections to it would wait for
// ever.
func (p *Post) drop() {
	for _, l := range p.taken {
		_ = l.Socket.Close()
	}
	p.taken = nil
}
