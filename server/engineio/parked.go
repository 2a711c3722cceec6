package engineio

import (
	"bytes"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/internal/deadline"
	"github.com/sb-stream/stream-server/server/reactor"
)

// A stage is how far a parked connection is.
type stage uint8

const (
	waiting   stage = iota // for the answer to its poll
	answering              // which is being written
	idle                   // until the next request
	left                   // it is HTTP's again, or closed
)

// A parked connection waits in the reactor for the answer to its poll, and then
// for its next request. Nobody else reads from it or writes to it meanwhile.
// Its lock is taken after that of the session.
type parked struct {
	// Constant.
	server *Server
	web    *http.Server // whose connection it is
	conn   *net.TCPConn
	first  bool // the answer is that to a handshake

	spot deadline.Spot[*parked] // of Server.parking: the end of what it waits for

	mu       sync.Mutex
	watch    reactor.Watch // guarded by mu
	stage    stage         // guarded by mu
	readable bool          // guarded by mu; something came, perhaps the end
	ended    bool          // guarded by mu; the client sends no more
	failed   bool          // guarded by mu; it is good for nothing any more
	ending   bool          // guarded by mu; the answer says that nothing follows
	asked    *asked        // guarded by mu; nil after the answer
	early    []byte        // guarded by mu; of the next request, read by HTTP
	rest     []byte        // guarded by mu; of the answer, which the kernel has yet to take
}

// asked is what the answer to a poll needs.
type asked struct {
	session *Session
	poll    *poll
	header  http.Header // set by others for the answer
	client  client
}

// Spot is the connection's place on the wheel.
func (k *parked) Spot() *deadline.Spot[*parked] { return &k.spot }

// waitLocked bounds what it waits for; 0 is for no bound.
func (k *parked) waitLocked(d time.Duration) {
	if d > 0 {
		k.server.parking.Set(k, d)
	} else {
		k.server.parking.Stop(k)
	}
}

// await bounds the wait for the answer, if it is not there yet.
func (k *parked) await(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stage == waiting && d > 0 {
		k.waitLocked(d)
	}
}

// largeAnswer is from how many bytes on an answer is not made by those who send
// messages, and by nobody who holds the session's lock.
const largeAnswer = 8 << 10

func (k *parked) answer(frames []Frame, limit time.Duration) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.stage != waiting {
		return false // it is gone, and polled is to come
	}
	k.stage = answering
	if limit <= 0 { // its session is cut
		k.failLocked()
		return false
	}
	size := 0
	for _, f := range frames {
		size += len(f.buf)
	}
	threshold := k.server.opts.CompressThreshold
	if size >= largeAnswer || k.asked.client.coding != nil && threshold >= 0 && size >= threshold {
		k.waitLocked(limit)
		go k.answerLarge(frames) // ends when that is made
		return false
	}
	buf := getBody()
	defer putBody(buf)
	k.ending = k.asked.make(buf, frames)
	sent := k.sendLocked(buf.Bytes())
	if !sent {
		k.waitLocked(limit)
	}
	return sent
}

// answerLarge is answer in a goroutine of its own.
func (k *parked) answerLarge(frames []Frame) {
	buf := getBody()
	defer putBody(buf)
	k.mu.Lock()
	a := k.asked
	k.mu.Unlock()
	if a == nil {
		return // it is gone
	}
	ending := a.make(buf, frames)
	k.mu.Lock()
	k.ending = ending
	sent := k.stage == answering && k.sendLocked(buf.Bytes())
	k.mu.Unlock()
	if sent {
		a.session.polled(a.poll, false)
	}
}

// sendLocked sends the answer. True means that all of it is sent: the rest
// waits for room.
func (k *parked) sendLocked(p []byte) bool {
	if len(p) == 0 {
		return false
	}
	n, err := k.watch.Send(p)
	if err == nil && n < len(p) {
		if k.rest == nil {
			k.rest = bytes.Clone(p[n:]) // p is of the pool
		} else {
			k.rest = p[n:]
		}
		err = k.watch.AwaitRoom()
	}
	switch {
	case err != nil:
		k.failLocked()
		return false
	case n < len(p):
		return false
	}
	k.stage = idle
	k.asked, k.rest = nil, nil
	k.waitLocked(k.idleTimeout())
	if k.readable || len(k.early) > 0 || k.overLocked() {
		k.watch.Call()
	}
	return true
}

// idleTimeout is how long the connection may wait for its next request; 0 is for
// no bound. A client polls at once: after a handshake the wait is no longer than
// a ping interval (RELIABILITY.md R1).
func (k *parked) idleTimeout() time.Duration {
	limit := k.web.IdleTimeout
	if limit == 0 {
		limit = k.web.ReadTimeout
	}
	if interval := k.server.opts.PingInterval; k.first && (limit <= 0 || limit > interval) {
		return interval
	}
	return limit
}

func (k *parked) within(limit time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.stage != answering:
	case limit > 0:
		k.waitLocked(limit)
	default:
		k.failLocked()
	}
}

// failLocked has the poller close the connection.
func (k *parked) failLocked() {
	k.failed = true
	k.watch.Call()
}

// Event acts on what the reactor says.
func (k *parked) Event(e reactor.Event) {
	k.mu.Lock()
	k.readable = k.readable || e&reactor.Readable != 0
	k.ended = k.ended || e&reactor.Ended != 0
	k.failed = k.failed || e&reactor.Failed != 0
	over, a := k.stage == idle, k.asked
	sent := false
	if e&reactor.Writable != 0 && k.stage == answering && !k.failed {
		sent = k.sendLocked(k.rest)
	}
	switch {
	case k.stage == left:
		k.mu.Unlock()
	case k.failed, k.endedLocked(), over && k.overLocked():
		k.mu.Unlock()
		k.close()
	case over && (k.readable || len(k.early) > 0):
		k.mu.Unlock()
		k.handBack()
	default:
		k.mu.Unlock()
	}
	if sent && a != nil {
		a.session.polled(a.poll, false)
	}
}

// overLocked reports whether the connection is not kept after its answer.
func (k *parked) overLocked() bool { return k.ending || k.server.draining.Load() }

// endedLocked reports whether the client has gone. One that ends its side while
// it is answered gets the rest; one that has sent another request is answered.
func (k *parked) endedLocked() bool {
	return k.ended && k.stage != answering && len(k.early) == 0 && k.watch.Ended()
}

// tick is called by the wheel, also if what it waited for has just come.
func (k *parked) tick() {
	k.mu.Lock()
	stage, a := k.stage, k.asked
	due := !k.server.parking.Waits(k)
	k.mu.Unlock()
	switch {
	case !due || stage == left:
	case stage == waiting:
		a.session.finishPoll(a.poll)
	default:
		k.close()
	}
}
