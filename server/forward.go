package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sb-stream/stream-server/server/engineio"
)

// Why a request could not be passed on, as stream_forward_failed_total has it.
const (
	failedAlone       = "unconfigured" // here is no --cluster-key
	failedGone        = "no_lease"     // the session's node has ended, or has no --node-address
	failedUnreachable = "unreachable"  // nobody answers at its address, or another node does
	failedBroken      = "broken"       // it has not answered
	failedRefused     = "refused"      // it does not believe this node: the keys differ, or the clocks
)

// What the log says of the reasons that somebody can do something about.
var forwardAdvice = map[string]string{
	failedAlone: "a client came with a session of another node: --node-address and --cluster-key on each node have it passed on; " +
		"else the balancer has to keep each client on one node",
	failedGone: "a client came with a session of a node that has ended, or that runs without --node-address",
	failedUnreachable: "a client came with a session of a node that nobody reaches at its --node-address: it has just ended, " +
		"or the address is wrong",
	failedRefused: "a client came with a session of a node that does not believe this one: --cluster-key differs, or the clocks do",
}

// forwards count what was passed on. The map is constant.
type forwards struct {
	done   atomic.Uint64
	failed map[string]*atomic.Uint64 // by the reason
	warned atomic.Int64              // when the log was last told, in Unix seconds
}

func newForwards() *forwards {
	f := &forwards{failed: make(map[string]*atomic.Uint64)}
	for _, reason := range []string{failedAlone, failedGone, failedUnreachable, failedBroken, failedRefused} {
		f.failed[reason] = new(atomic.Uint64)
	}
	return f
}

// forwardFailed counts, and tells the log once a minute.
func (s *Server) forwardFailed(reason string) {
	s.forwards.failed[reason].Add(1)
	now := time.Now().Unix()
	if last := s.forwards.warned.Load(); forwardAdvice[reason] != "" && now-last >= 60 && s.forwards.warned.CompareAndSwap(last, now) {
		s.log.WithField("reason", reason).Warn(forwardAdvice[reason])
	}
}

// forward has the node answer whose session it is: a poll, a POST or an upgrade.
// It goes one step and no further. False means that nobody has answered, and
// that the session is out of reach for this client: it has to begin anew.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, sid string) bool {
	node, ok := nodeOf(sid)
	if !ok || node == s.node || envelopeOf(r) != nil || s.config.Redis.Embedded {
		return false
	}
	if s.cluster.book == nil {
		s.forwardFailed(failedAlone)
		return false
	}
	address, err := s.cluster.book.find(node)
	if err != nil {
		s.forwardFailed(failedGone)
		return false
	}
	body, ok := s.bodyToPass(w, r)
	if !ok {
		return true
	}
	err = s.pass(w, r, node, address, body)
	switch {
	case err == nil:
		s.forwards.done.Add(1)
		return true
	case r.Context().Err() != nil: // the client has gone
		return true
	case errors.Is(err, errForged):
		s.forwardFailed(failedRefused)
	case errors.Is(s.cluster.lost(node, err), errNodeGone):
		s.forwardFailed(failedUnreachable)
	default:
		s.forwardFailed(failedBroken)
	}
	return false
}

// A sid is the name of its node, a hyphen, and 115 random bits: 32 bytes, as
// many as a string of 26 takes in memory.
type sessionID struct{ node string }

func (g sessionID) NewID() string { return g.node + "-" + rand.Text()[:sessionSecret] }

const (
	nodeLength    = 8  // of channels.NewNode
	sessionSecret = 23 // letters and digits, of 32
)

// nodeOf is the node that a sid names, if it can be one of ours.
func nodeOf(sid string) (node string, ok bool) {
	node, secret, ok := strings.Cut(sid, "-")
	return node, ok && len(node) == nodeLength && len(secret) == sessionSecret && !strings.ContainsFunc(node, notOfNode)
}

func notOfNode(c rune) bool { return (c < 'a' || c > 'z') && (c < '2' || c > '7') }

// bodyToPass reads the body of a request, within the limits that its session
// has, and the time that guarded gives it. False means that the client has been
// answered.
func (s *Server) bodyToPass(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	if r.ContentLength == 0 {
		return nil, true
	}
	limit := int64(s.config.MaxMessage)
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case int64(len(body)) > limit:
		s.refusals.add(engineio.LimitMessage)
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	case err != nil:
		s.refusals.add(engineio.LimitBody)
		w.WriteHeader(http.StatusRequestTimeout)
	default:
		_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
		return body, true
	}
	return nil, false
}

// pass passes a request on and its answer back. After an error nothing has been
// written.
func (s *Server) pass(w http.ResponseWriter, r *http.Request, node, address string, body []byte) (failed error) {
	to, err := url.Parse(address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer s.cluster.passed.add(cancel)()
	patience := s.config.PingInterval + s.config.PingTimeout // a session that is alive is never silent for longer
	timeout := time.AfterFunc(patience, cancel)
	defer timeout.Stop()
	control := http.NewResponseController(w)
	defer control.SetWriteDeadline(time.Time{}) //nolint:errcheck // the connection goes on, or has ended
	proxy := httputil.ReverseProxy{
		Transport:     s.cluster.http,
		FlushInterval: -1,
		BufferPool:    passBuffers{},
		ErrorLog:      silence, // failures are counted
		ErrorHandler:  func(_ http.ResponseWriter, _ *http.Request, err error) { failed = err },
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host = to.Scheme, to.Host // and Host stays what the client said
			p.Out.Body, p.Out.ContentLength, p.Out.TransferEncoding = http.NoBody, int64(len(body)), nil
			if len(body) > 0 {
				p.Out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
				p.Out.Body, _ = p.Out.GetBody() // cannot fail
			}
			p.Out.Header.Set(headerClient, s.clientText(r))
			s.cluster.book.seal.signRequest(p.Out, s.node, node, body)
		},
		ModifyResponse: func(resp *http.Response) error {
			switch {
			case resp.StatusCode == http.StatusMisdirectedRequest:
				return errElsewhere
			case resp.Header.Get(headerAnswer) != "":
				return errForged
			case resp.StatusCode == http.StatusSwitchingProtocols:
				timeout.Stop()
				if back, ok := resp.Body.(io.ReadWriteCloser); ok {
					resp.Body = &passedSocket{ReadWriteCloser: back, patience: patience}
				}
			default:
				_ = control.SetWriteDeadline(time.Now().Add(patience))
			}
			for name := range w.Header() { // the other node has its own, but for how this connection goes on
				if name != "Connection" {
					w.Header().Del(name)
				}
			}
			return nil
		},
	}
	proxy.ServeHTTP(w, r.WithContext(ctx))
	return failed
}

// clientText is headerClient for a request.
func (s *Server) clientText(r *http.Request) string {
	scheme := "http"
	if s.secure(r) {
		scheme = "https"
	}
	if address := s.address(r); address.IsValid() {
		return netip.AddrPortFrom(address, 0).String() + " " + scheme
	}
	return "- " + scheme
}

var silence = log.New(io.Discard, "", 0)
