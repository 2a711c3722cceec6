package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
)

// Limits of what nodes ask each other by HTTP.
const (
	dialTimeout   = 2 * time.Second  // for a connection to another node
	callTimeout   = 10 * time.Second // for a call whose context has no deadline
	idleNode      = 30 * time.Second // that a connection is kept: less than idleTimeout, which is the other side's
	idlePerNode   = 4096             // connections kept
	maxNodeBody   = 1 << 20          // bytes of a call
	maxNodeAnswer = 64 << 20         // bytes of its answer
)

// callPath is what the paths of calls begin with.
const callPath = "/node/"

// peers are the other nodes as this one reaches them by HTTP, at the addresses
// of which they have leases. A node that has no cluster key, or whose broker has
// no leases, is alone: everybody else is gone for it.
//
// Its methods may be called from any goroutine, run once, handle before the
// server serves.
type peers struct {
	// Constant.
	id      string // of this node
	address string // of this node; empty: no other can reach it
	log     logrus.FieldLogger
	book    *book // nil: this node is alone
	http    *http.Transport
	calls   map[string]call

	passed passed
	moved  atomic.Pointer[string] // the address by now, if it is another
}

// A call answers what another node asks; from is its id. An error goes to the
// asker as text.
type call func(ctx context.Context, from string, body []byte) ([]byte, error)

func newPeers(id, address string, broker channels.Broker, s *seal, log logrus.FieldLogger) *peers {
	p := &peers{id: id, address: address, log: log, calls: make(map[string]call)}
	if leases, ok := broker.(channels.Leases); ok && s != nil {
		p.book = newBook(leases, s)
	}
	p.http = &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: dialTimeout,
		DisableCompression:  true, // what clients are answered is passed on as it is
		MaxIdleConnsPerHost: idlePerNode,
		IdleConnTimeout:     idleNode,
		ReadBufferSize:      1 << 10, // there is one for each poll that is passed on
		WriteBufferSize:     1 << 10,
	}
	return p
}

// run holds the lease of this node until ctx ends.
func (p *peers) run(ctx context.Context) error {
	if p.book == nil || p.address == "" {
		return nil
	}
	failed := false
	for {
		err := p.hold(ctx)
		wait := leaseEvery
		switch {
		case ctx.Err() != nil:
		case err != nil:
			wait = leaseRetry
			if !failed {
				p.log.WithError(err).Warn("the other nodes may not find this one: its lease could not be renewed")
			}
		case failed:
			p.log.Info("the other nodes find this one again")
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// hold makes the lease, or renews it.
func (p *peers) hold(ctx context.Context) error {
	if p.book == nil || p.address == "" {
		return nil
	}
	address := p.address
	if moved := p.moved.Load(); moved != nil {
		address = *moved
	}
	return p.book.leases.Hold(ctx, nodeTag+p.id, p.book.seal.lease(p.id, address), leaseTime)
}

// move makes the lease say another address, from now on.
func (p *peers) move(ctx context.Context, address string) error {
	p.moved.Store(&address)
	return p.hold(ctx)
}

// release ends the lease, when nobody has to find this node any more.
func (p *peers) release() {
	if p.book == nil || p.address == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	if err := p.book.leases.Release(ctx, nodeTag+p.id); err != nil {
		p.log.WithError(err).Warn("the lease of this node could not be released: it runs out by itself")
	}
}

// close ends what is passed on, and the connections to other nodes.
func (p *peers) close() {
	p.passed.endAll()
	p.http.CloseIdleConnections()
}

// handle makes f answer POST /node/<name>, which nodes alone can ask, each time
// once.
func (p *peers) handle(name string, f call) { p.calls[name] = f }

// alive is errNodeGone if nothing is known of such a node now, or nobody answers.
func (p *peers) alive(_ context.Context, node string) error {
	if p.book == nil {
		return errNodeGone
	}
	_, err := p.book.find(node)
	return err
}

// post asks another node: path is the name of a call, such as "history", body
// at most 1 MiB. The answer, of at most 64 MiB, is certain to be that node's. It
// takes as long as ctx allows, and 10 s if ctx has no deadline.
//
// errNodeGone means that the node has no lease, that nobody answers at its
// address, or that another node does: it has ended, or cannot be reached.
func (p *peers) post(ctx context.Context, node, path string, body []byte) ([]byte, error) {
	if p.book == nil {
		return nil, errNodeGone
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, callTimeout)
		defer cancel()
	}
	address, err := p.book.find(node)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address+callPath+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("server: asking a node: %w", err)
	}
	r.Header["Idempotency-Key"] = nil // not sent: net/http may try again on another connection, since no call is answered twice
	nonce := p.book.seal.signRequest(r, p.id, node, body)
	resp, err := p.http.RoundTrip(r)
	if err != nil {
		return nil, p.lost(node, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusMisdirectedRequest {
		return nil, p.lost(node, errElsewhere)
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxNodeAnswer+1))
	switch {
	case err != nil:
		return nil, p.lost(node, err)
	case len(answer) > maxNodeAnswer:
		return nil, fmt.Errorf("server: the answer of a node has more than %d bytes", maxNodeAnswer)
	case !p.book.seal.made(signsAnswer, answerText(nonce, resp.StatusCode, answer), resp.Header.Get(headerAnswer)):
		return nil, fmt.Errorf("server: the answer of a node, %s, bears no signature of ours", resp.Status)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("server: a node answered %s: %.200s", resp.Status, answer)
	}
	return answer, nil
}

// lost is the error of a node that was asked and has not answered. One whose
// address is no good is gone for everybody for a while.
func (p *peers) lost(node string, err error) error {
	if dial := new(net.OpError); errors.Is(err, errElsewhere) || errors.As(err, &dial) && dial.Op == "dial" {
		p.book.forget(node)
		return fmt.Errorf("%w: %w", errNodeGone, err)
	}
	return fmt.Errorf("server: asking a node: %w", err)
}
