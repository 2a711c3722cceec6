package server

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/brokertest"
)

// deskBroker is a broker that has leases and nothing else.
type deskBroker struct {
	brokertest.Near
	*desk
}

func (deskBroker) Run(context.Context, channels.Sink) error { return nil }
func (deskBroker) Listen(string)                            {}

// A peer is a server that answers HTTP, and whose lease is held.
type peer struct {
	*Server
	web   *httptest.Server
	asked atomic.Int32 // calls of "echo"
	last  atomic.Pointer[http.Request]
}

// newPeer makes one, until the test ends.
func newPeer(t *testing.T, d *desk, keys ...[]byte) *peer {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	p := &peer{}
	p.web = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.last.Store(r.Clone(context.Background()))
		p.Handler().ServeHTTP(w, r)
	}))
	var err error
	p.Server, err = New(Config{
		Broker: deskBroker{desk: d}, Log: log, ClusterKeys: keys, NodeAddress: "http://" + p.web.Listener.Addr().String(),
	})
	if err != nil {
		t.Fatal(err)
	}
	p.cluster.handle("echo", func(_ context.Context, from string, body []byte) ([]byte, error) {
		p.asked.Add(1)
		if string(body) == "fail" {
			return nil, errors.New("it failed")
		}
		return []byte(from + " says " + string(body)), nil
	})
	p.web.Start()
	t.Cleanup(func() {
		p.web.Close()
		in := newDoor(p.web.Listener, newLateHeaders(time.Second, func() {}))
		close(in.left)
		if err := p.shutdown(context.Background(), &http.Server{}, in); err != nil {
			t.Error(err)
		}
	})
	if err := p.cluster.hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPost(t *testing.T) {
	d := &desk{}
	a, b := newPeer(t, d, clusterKey, otherKey), newPeer(t, d, otherKey, clusterKey) // in a rotation
	for _, tt := range []struct{ path, body, want, err string }{
		{"echo", "hello", a.node + " says hello", ""},
		{"echo", "", a.node + " says ", ""},
		{"echo", strings.Repeat("x", maxNodeBody), a.node + " says " + strings.Repeat("x", maxNodeBody), ""},
		{"echo", "fail", "", "500 Internal Server Error: it failed"},
		{"other", "hello", "", "404 Not Found"},
	} {
		got, err := a.cluster.post(t.Context(), b.node, tt.path, []byte(tt.body))
		if string(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("post %s %.9q = %.30q, %v, want %.30q, %s", tt.path, tt.body, got, err, tt.want, tt.err)
		}
		if errors.Is(err, errNodeGone) {
			t.Errorf("post %s says that the node has gone: %v", tt.path, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.cluster.post(ended, b.node, "echo", nil); !errors.Is(err, context.Canceled) || errors.Is(err, errNodeGone) {
		t.Errorf("post with a context that ended = %v", err)
	}
}

// A node that cannot be reached is gone.
func TestPostGone(t *testing.T) {
	d := &desk{}
	a, b := newPeer(t, d, clusterKey), newPeer(t, d, clusterKey)
	gone := func(what, node string) {
		t.Helper()
		if got, err := a.cluster.post(t.Context(), node, "echo", nil); got != nil || !errors.Is(err, errNodeGone) {
			t.Errorf("%s: post = %q, %v, want %v", what, got, err, errNodeGone)
		}
	}
	gone("without a lease", "nobody22")
	other := b.cluster.book.seal.lease("before22", b.cluster.address)
	if err := d.Hold(t.Context(), nodeTag+"before22", other, leaseTime); err != nil {
		t.Fatal(err)
	}
	gone("at whose address there is another", "before22")
	b.web.Close()
	gone("at whose address there is nobody", b.node)
	if n := b.asked.Load(); n != 0 {
		t.Errorf("the other node was asked %d times, want never", n)
	}
	lone, err := New(Config{Broker: deskBroker{desk: d}, Log: a.log})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lone.cluster.post(t.Context(), a.node, "echo", nil); !errors.Is(err, errNodeGone) {
		t.Errorf("without a key: post = %v, want %v", err, errNodeGone)
	}
	lone.rules.Load().stop()
}

// Nobody asks who has no key, nor with what has been said before; and nobody
// answers in a node's place.
func TestPostForged(t *testing.T) {
	d := &desk{}
	a, b := newPeer(t, d, clusterKey), newPeer(t, d, clusterKey)
	stranger := newPeer(t, &desk{}, otherKey)
	if _, err := a.cluster.post(t.Context(), b.node, "echo", []byte("x")); err != nil {
		t.Fatal(err)
	}
	said := b.last.Load().Header.Get(headerNode)
	ask := func(what, header, value, path, body string, want int) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, b.web.URL+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			r.Header.Set(header, value)
		}
		resp, err := b.web.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", what, resp.StatusCode, want)
		}
	}
	ask("without a signature", "", "", "/node/echo", "x", 403)
	ask("with an empty one", headerNode, "", "/node/echo", "x", 403)
	ask("again", headerNode, said, "/node/echo", "x", 403)
	ask("again, with another body", headerNode, said, "/node/echo", "y", 400)
	ask("again, elsewhere", headerNode, said, "/node/other", "x", 403)
	ask("a client who says where it comes from", headerClient, "127.0.0.1:1 http", "/socket.io/?EIO=4&transport=polling", "", 403)
	ask("the same, elsewhere", headerClient, "127.0.0.1:1 http", "/api/stats", "", 403)
	if n := b.asked.Load(); n != 1 {
		t.Errorf("the node was asked %d times, want once", n)
	}

	// The lease of b, by whoever may write there, at the address of somebody else.
	signed := b.cluster.book.seal.lease(b.node, stranger.cluster.address)
	for what, lease := range map[string]string{
		"signed by a stranger": stranger.cluster.book.seal.lease(b.node, stranger.cluster.address),
		"not signed":           stranger.cluster.address,
	} {
		if err := d.Hold(t.Context(), nodeTag+b.node, lease, leaseTime); err != nil {
			t.Fatal(err)
		}
		a.cluster.book.forget(b.node)
		a.cluster.book.look(b.node)
		if _, err := a.cluster.post(t.Context(), b.node, "echo", nil); !errors.Is(err, errNodeGone) {
			t.Errorf("a lease %s: post = %v, want %v", what, err, errNodeGone)
		}
	}
	// An address that has changed hands: what answers there is not believed.
	impostor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(headerAnswer, said)
		_, _ = io.WriteString(w, "trust me")
	}))
	defer impostor.Close()
	for _, lease := range []string{signed, b.cluster.book.seal.lease(b.node, impostor.URL)} {
		if err := d.Hold(t.Context(), nodeTag+b.node, lease, leaseTime); err != nil {
			t.Fatal(err)
		}
		a.cluster.book.forget(b.node)
		a.cluster.book.look(b.node)
		if got, err := a.cluster.post(t.Context(), b.node, "echo", nil); got != nil || err == nil || !strings.Contains(err.Error(), "no signature of ours") {
			t.Errorf("what somebody else answers: %q, %v", got, err)
		}
	}
	if n := stranger.asked.Load() + b.asked.Load(); n != 1 {
		t.Errorf("the nodes were asked %d times in all, want once", n)
	}
}
