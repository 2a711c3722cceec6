package socketio

import (
	"bytes"
	"cmp"
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/internal/mac"
	eio "github.com/sb-stream/stream-server/server/engineio"
)

// Defaults of [Recovery].
const (
	DefaultRecoveryWindow = 2 * time.Minute
	DefaultMaxAway        = 100_000
	DefaultMaxAwayBytes   = 64 << 20
)

// A Recovery lets clients whose connection broke come back as who they were,
// with what they missed (PROTOCOL.md chapter 6). Clients of 4.6 and later do so
// by themselves: each is given a secret, its pid, when it connects, and shows it
// when it comes back, with the offset of the last event that it got. Then
// [Conn.Former] is who it was, and the application's check says by
// [Conn.Recover] whether it is that again.
//
// Every event to the clients of version 5 must have its offset as its last
// argument, a string; or none there, and then clients do not count it.
//
// Whoever said goodbye, was disconnected, or broke the rules does not come back
// in this way; nor does anybody twice by what was kept once.
type Recovery struct {
	Window   time.Duration // how long clients may be away; 0 means DefaultRecoveryWindow
	MaxAway  int           // clients of whom something is kept, the last who left; 0 means DefaultMaxAway
	MaxBytes int           // that this takes; 0 means DefaultMaxAwayBytes

	// Keep is asked what to keep of a client that is gone, or that has come back
	// while it seemed to be here still, and how many bytes that takes; nil is for
	// one that cannot come back. The client must get nothing from then on.
	// OnDisconnect follows. Keep may be called twice for a client, and from any
	// goroutine.
	Keep func(c Conn) (kept any, size int)
}

// A Former is the client that another was before its connection broke.
type Former struct {
	Kept   any    // what Recovery.Keep said
	Offset string // of the last event that the client got; its word, and empty for none

	id    string
	rooms []string
}

// Recover sets the Recovery of a namespace.
func (s *Server) Recover(namespace string, r Recovery) {
	r.Window = cmp.Or(r.Window, DefaultRecoveryWindow)
	r.MaxAway = cmp.Or(r.MaxAway, DefaultMaxAway)
	r.MaxBytes = cmp.Or(r.MaxBytes, DefaultMaxAwayBytes)
	a := &absent{Recovery: r, away: make(map[string]*list.Element)}
	key := make([]byte, mac.Size)
	_, _ = rand.Read(key) // never fails
	a.key = mac.New(key)
	s.namespace(namespace).change(func(h *handlers) { h.absent = a })
}

// absent are the clients of a namespace who may come back.
type absent struct {
	Recovery // constant

	key *mac.Key // constant; random, and so what was kept by another process is nothing here

	mu    sync.Mutex
	away  map[string]*list.Element // guarded by mu; by ID
	order list.List                // guarded by mu; of *awayClient, who left first comes first
	bytes int                      // guarded by mu; of all of them
	timer *time.Timer              // guarded by mu; set while anybody is away
}

// An awayClient is one of them.
type awayClient struct {
	Former // constant, without an offset

	size  int
	until time.Time
}

// awayBytes is what an awayClient takes beside what is kept.
const awayBytes = 320

// recoverable reports whether a client may come back after this. When the Server
// ends there is nobody to come back to.
func recoverable(reason string) bool {
	switch reason {
	case eio.ReasonTransportClose, eio.ReasonTransportError, eio.ReasonPingTimeout, reasonForced:
		return true
	default:
		return false
	}
}

// pid is the secret of the client with this ID. It need not be remembered.
func (a *absent) pid(id string) string {
	signature := a.key.Sign(id)
	return string(base64.RawURLEncoding.AppendEncode([]byte(id), signature[:16]))
}

const idLength = 26 // of rand.Text

// open is the ID of a pid; false if it is none of ours.
func (a *absent) open(pid string) (id string, ok bool) {
	if len(pid) <= idLength {
		return "", false
	}
	id = pid[:idLength]
	return id, hmac.Equal([]byte(pid), []byte(a.pid(id)))
}

// leave keeps a client that is gone for this reason, if it may come back.
func (a *absent) leave(c *conn, reason string) {
	if a == nil || c.client.old() {
		return
	}
	if c.left.Load() || !recoverable(reason) {
		a.spoil(c)
		return
	}
	kept, size := a.Keep(c)
	f := Former{Kept: kept, id: c.id, rooms: c.joined()}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.taken || kept == nil {
		return
	}
	c.taken = true
	size += awayBytes
	for _, room := range f.rooms {
		size += len(room)
	}
	a.away[c.id] = a.order.PushBack(&awayClient{f, size, time.Now().Add(a.Window)})
	a.bytes += size
	for len(a.away) > a.MaxAway || a.bytes > a.MaxBytes {
		a.removeLocked(a.order.Front())
	}
	if a.timer == nil && len(a.away) > 0 {
		a.timer = time.AfterFunc(a.Window, a.sweep)
	}
}

// spoil makes nobody come back as this client.
func (a *absent) spoil(c *conn) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c.taken = true
}

// former is who the client was that connects with this auth object; nil for
// nobody who is still known. It will not be known again.
func (a *absent) former(n *namespace, auth json.RawMessage) *Former {
	if a == nil || !bytes.Contains(auth, []byte(`"pid"`)) {
		return nil
	}
	var shown struct {
		PID    string `json:"pid"`
		Offset string `json:"offset"`
	}
	if json.Unmarshal(auth, &shown) != nil {
		return nil
	}
	id, ok := a.open(shown.PID)
	if !ok {
		return nil
	}
	n.mu.Lock()
	here := n.conns[id] // as we believe, or it is about to leave
	n.mu.Unlock()
	f := a.take(id, here)
	if f != nil {
		f.Offset = shown.Offset
	}
	return f
}

// take is the client with this ID who is away, or the one who is here.
func (a *absent) take(id string, here *conn) *Former {
	a.mu.Lock()
	if e := a.away[id]; e != nil {
		defer a.mu.Unlock()
		one := a.removeLocked(e)
		if !time.Now().Before(one.until) {
			return nil
		}
		return &one.Former
	}
	if here == nil || here.taken || here.left.Load() {
		a.mu.Unlock()
		return nil
	}
	here.taken = true
	a.mu.Unlock()
	kept, _ := a.Keep(here)
	f := &Former{Kept: kept, id: id, rooms: here.joined()}
	here.Drop()
	if kept == nil {
		return nil
	}
	return f
}

func (a *absent) removeLocked(e *list.Element) *awayClient {
	one := a.order.Remove(e).(*awayClient)
	delete(a.away, one.id)
	a.bytes -= one.size
	return one
}

// sweep forgets those who were away for too long.
func (a *absent) sweep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.timer = nil
	now := time.Now()
	for e := a.order.Front(); e != nil; e = a.order.Front() {
		if wait := e.Value.(*awayClient).until.Sub(now); wait > 0 {
			a.timer = time.AfterFunc(wait, a.sweep)
			return
		}
		a.removeLocked(e)
	}
}

// close forgets everybody.
func (a *absent) close() {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.away)
	a.order.Init()
	a.bytes = 0
	if a.timer != nil {
		a.timer.Stop()
		a.timer = nil
	}
}
