package server

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"

	"github.com/sb-stream/stream-server/channels"
)

// Where a node is reached stands in the broker as a lease, nodeTag and its id:
// "<mac> <address>". The signature keeps clients' requests, which are secrets,
// from whoever else may write there.
const (
	leaseTime  = 15 * time.Second
	leaseEvery = 5 * time.Second        // it is renewed
	leaseRetry = 500 * time.Millisecond // after it could not be

	lookupTimeout = time.Second
	foundFor      = 3 * time.Second // that an address holds before the lease is looked at again
	goneFor       = time.Second     // that a node without one is taken for gone
	leaseGrace    = leaseEvery + time.Second

	madeUp = 100 // lookups a second of nodes that nobody knows: clients can name any
)

// A book says where the other nodes are. What it has read it believes for some
// seconds, so that a request costs no lookup; and while the broker is away, or
// has just forgotten everything, it believes what it knew.
//
// Its methods may be called from any goroutine.
type book struct {
	// Constant.
	leases channels.Leases
	seal   *seal

	asking  singleflight.Group // by node
	unknown *rate.Limiter

	mu      sync.Mutex
	entries map[string]entry // guarded by mu; node → where it is
}

// An entry holds until a time. The address of a node that is gone is empty.
type entry struct {
	address string
	until   time.Time
	seen    time.Time // when the lease was last there, or nobody could say that it is not
}

func newBook(leases channels.Leases, s *seal) *book {
	return &book{leases: leases, seal: s, unknown: rate.NewLimiter(madeUp, madeUp), entries: make(map[string]entry)}
}

// find is the address of a node, such as "http://10.0.0.5:8080", or errNodeGone.
func (b *book) find(node string) (string, error) {
	b.mu.Lock()
	e := b.entries[node]
	b.mu.Unlock()
	if time.Now().After(e.until) {
		if e.address == "" && !b.unknown.Allow() {
			return "", errNodeGone
		}
		_, _, _ = b.asking.Do(node, func() (any, error) { b.look(node); return nil, nil }) // cannot fail
		b.mu.Lock()
		e = b.entries[node]
		b.mu.Unlock()
	}
	if e.address == "" {
		return "", errNodeGone
	}
	return e.address, nil
}

// look asks the broker.
func (b *book) look(node string) {
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	text, err := b.leases.Lookup(ctx, nodeTag+node)
	address := b.seal.openLease(node, text)
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.entries[node]
	switch {
	case address != "":
		e = entry{address, now.Add(foundFor), now}
	case e.address != "" && err != nil:
		e.until, e.seen = now.Add(goneFor), now
	case e.address != "" && now.Sub(e.seen) < leaseGrace:
		e.until = now.Add(goneFor)
	default:
		b.forgetLocked(node, now)
		return
	}
	b.entries[node] = e
}

// forget notes that nobody answers at a node's address, or somebody else does.
func (b *book) forget(node string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgetLocked(node, time.Now())
}

func (b *book) forgetLocked(node string, now time.Time) {
	maps.DeleteFunc(b.entries, func(_ string, e entry) bool { return e.address == "" && now.After(e.until) })
	b.entries[node] = entry{until: now.Add(goneFor)}
}

// lease is what stands in the broker for a node.
func (s *seal) lease(node, address string) string {
	return s.mac(signsLease, []byte(node+"\n"+address)) + " " + address
}

// openLease is the address in a lease; empty if it is none of ours.
func (s *seal) openLease(node, text string) string {
	mac, address, _ := strings.Cut(text, " ")
	if text == "" || !s.made(signsLease, []byte(node+"\n"+address), mac) {
		return ""
	}
	return address
}

// checkNodeAddress says what is wrong with the address of a node.
func checkNodeAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.Scheme+"://"+u.Host != address {
		return fmt.Errorf("server: the address of a node is of the form http://10.0.0.5:8080, not %q", address)
	}
	return nil
}
