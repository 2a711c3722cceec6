package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels/embedded"
	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// A node is a stream server that runs in this process on random ports.
type node struct {
	*server.Server
	url    string // of HTTP, or HTTPS
	http   *http.Client
	tls    *tls.Config // of clients; nil for the default
	broker string      // address for Redis clients; empty with a broker of another kind
	stop   func()      // ends it, and waits
}

// start runs a server until the test ends. Without a broker in the
// configuration it has an embedded one. Nobody's secrets are found in what the
// servers of the test have logged.
func start(t *testing.T, config server.Config) *node {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return startOn(t, config, listener)
}

// startOn is start on a listener.
func startOn(t *testing.T, config server.Config, listener net.Listener) *node {
	t.Helper()
	t.Cleanup(func() { logs.check(t) }) // after the server has ended
	n := &node{http: http.DefaultClient}
	if config.Log == nil {
		config.Log = quiet()
	}
	if config.Broker == nil {
		b, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Prefix: "sb:", Log: config.Log})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Open(); err != nil {
			t.Fatal(err)
		}
		config.Broker, n.broker = b, b.Addr().String()
	}
	srv, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, listener) }() // ends with ctx
	n.Server, n.url = srv, "http://"+listener.Addr().String()
	if config.TLS != nil {
		n.trust(config.TLS.Certificates[0].Leaf)
	}
	stopped := false
	n.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}
	t.Cleanup(n.stop)
	eventually(t, "the server is ready", n.ready)
	return n
}

// trust makes clients of the node speak TLS and trust its certificate.
func (n *node) trust(certificate *x509.Certificate) {
	n.url = strings.Replace(n.url, "http:", "https:", 1)
	n.tls = &tls.Config{RootCAs: x509.NewCertPool()}
	n.tls.RootCAs.AddCert(certificate)
	n.http = &http.Client{Transport: &http.Transport{TLSClientConfig: n.tls, ForceAttemptHTTP2: true}}
}

// get asks for a path; the status of a server that cannot be reached is 0.
func (n *node) get(path string) (status int, header http.Header) {
	resp, err := n.http.Get(n.url + path)
	if err != nil {
		return 0, nil
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header
}

// ready reports whether /readyz says so.
func (n *node) ready() bool {
	status, _ := n.get("/readyz")
	return status == http.StatusOK
}

// post publishes by HTTP with a bearer key and returns the status and the answer.
func (n *node) post(t *testing.T, key, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, n.url+"/api/publish", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := n.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(answer))
}

// metric is the value of a metric without labels.
func (n *node) metric(t *testing.T, name string) float64 {
	t.Helper()
	resp, err := n.http.Get(n.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("/metrics has no %s", name)
	return 0
}

// redisPublish publishes as a web server does, and returns Redis' answer.
func redisPublish(t *testing.T, addr, channel, data string) int {
	t.Helper()
	conn, err := redis.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	n, err := redis.Int(conn.Do("PUBLISH", channel, data))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A browser is a client with what it was told at the start.
type browser struct {
	*client.Conn
	t       *testing.T
	session struct{ ID, Member, Guest string }
}

// open connects a client and waits for its $session.
func (n *node) open(t *testing.T, opts client.Options) *browser {
	t.Helper()
	opts.TLS = n.tls
	conn, err := client.Dial(t.Context(), n.url, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	b := &browser{Conn: conn, t: t}
	e := b.next()
	if e.Name != "$session" || json.Unmarshal(e.Args[0], &b.session) != nil {
		t.Fatalf("the first event is %s %s, want $session", e.Name, e.Args)
	}
	return b
}

// next waits for the next event.
func (b *browser) next() client.Event {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	e, err := b.Next(ctx)
	if err != nil {
		b.t.Fatalf("waiting for an event: %v", err)
	}
	return e
}

// want fails the test unless the next event is this one.
func (b *browser) want(name, data string) {
	b.t.Helper()
	if e := b.next(); e.Name != name || string(e.Args[0]) != data {
		b.t.Fatalf("got event %s %s, want %s %s", e.Name, e.Args[0], name, data)
	}
}

// An answer is the ack of subscribe, unsubscribe and identify.
type answer struct {
	OK       bool
	Channels map[string]struct {
		Position  string
		Recovered *bool
		Replayed  *int
		Live      *bool
		Presence  json.RawMessage
	}
	Error *struct{ Code, Message, Channel string }
}

// call sends an event and waits for the ack.
func (b *browser) call(event string, args ...any) answer {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	list, err := b.Call(ctx, event, args...)
	if err != nil {
		b.t.Fatalf("%s: %v", event, err)
	}
	var a answer
	if len(list) != 1 || json.Unmarshal(list[0], &a) != nil {
		b.t.Fatalf("%s was answered %s, want one object", event, list)
	}
	return a
}

// hear subscribes, and fails the test if that is refused.
func (b *browser) hear(tags ...string) {
	b.t.Helper()
	if a := b.call("subscribe", tags); !a.OK {
		b.t.Fatalf("subscribe %v: %+v", tags, *a.Error)
	}
}

// eventually waits until ok, and fails the test when it never is.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come true that %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// refusal is the error code of a connection that is refused.
func refusal(t *testing.T, err error) string {
	t.Helper()
	var no *client.ConnectError
	if !errors.As(err, &no) {
		t.Fatalf("Dial = %v, want a ConnectError", err)
	}
	var data struct{ Code string }
	if err := json.Unmarshal(no.Data, &data); err != nil {
		t.Fatalf("the refusal carries %s, want an error of ours", no.Data)
	}
	return data.Code
}
