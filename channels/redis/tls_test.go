package redis

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redisnet"
	"github.com/sb-stream/stream-server/internal/redistest"
)

// settings are those of files, which must be good.
func settings(t *testing.T, files redisnet.Files) *tls.Config {
	t.Helper()
	config, err := files.Config()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// A Redis with another certificate than it must have is no Redis: the broker
// and the store say why in one line.
func TestTLS(t *testing.T) {
	const hour = 2 * time.Hour
	ours, theirs := redistest.NewAuthority(t), redistest.NewAuthority(t)
	good := ours.StartTLS("127.0.0.1", hour)
	strict := ours.StartTLS("127.0.0.1", hour, "--tls-auth-clients", "yes")
	foreign := theirs.StartTLS("127.0.0.1", hour)
	misnamed := ours.StartTLS("redis.example", hour)
	expired := ours.StartTLS("127.0.0.1", 30*time.Minute)
	old, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair(t, ours)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer old.Close()
	wg.Go(func() { // ends with the listener
		for {
			conn, err := old.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).Handshake()
			_ = conn.Close()
		}
	})

	ca := redisnet.Files{CA: ours.CA}
	own, stranger := ca, ca
	_, _ = x509.SystemCertPool() // which takes a while the first time
	own.Cert, own.Key = ours.Issue("stream-server", hour)
	stranger.Cert, stranger.Key = theirs.Issue("stream-server", hour)
	for _, tt := range []struct {
		name, addr string
		files      redisnet.Files
		want       string // of the error; none: it works
	}{
		{"good", good.AddrTLS(), ca, ""},
		{"client certificate that nobody asks for", good.AddrTLS(), own, ""},
		{"client certificate", strict.AddrTLS(), own, ""},
		{"no client certificate", strict.AddrTLS(), ca, "refused by Redis: tls: certificate required"},
		{"client certificate of somebody else", strict.AddrTLS(), stranger, "refused by Redis: tls: unknown certificate authority"},
		{"not in the system", good.AddrTLS(), redisnet.Files{}, "x509: certificate signed by unknown authority"},
		{"wrong authority", foreign.AddrTLS(), ca, "x509: certificate signed by unknown authority"},
		{"wrong host", misnamed.AddrTLS(), ca, "x509: cannot validate certificate for 127.0.0.1"},
		{"expired", expired.AddrTLS(), ca, "x509: certificate has expired"},
		{"TLS 1.1", old.Addr().String(), ca, "protocol version"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := Config{URL: "rediss://" + tt.addr, TLS: settings(t, tt.files)}
			store, err := NewStore(config)
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			b := newBroker(t, config)
			_, publishErr := b.Publish(t.Context(), "x", []byte("1"))
			_, _, getErr := store.Get(t.Context(), "x")
			for call, err := range map[string]error{
				"Ping": b.Ping(t.Context()), "Publish": publishErr, "Store.Ping": store.Ping(t.Context()), "Store.Get": getErr,
			} {
				// Redis may have gone before it could be read why: TLS 1.3 has
				// the client begin before its certificate was looked at.
				hint := strings.HasPrefix(tt.want, "refused by Redis") && err != nil &&
					strings.Contains(err.Error(), "Redis may want a client certificate, or another one")
				if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) && !hint {
					t.Errorf("%s = %v, want %q", call, err, tt.want)
				}
				if err != nil && (strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), tt.addr)) {
					t.Errorf("%s says %q, want one line with the address", call, err)
				}
			}
		})
	}

	for url, want := range map[string]string{
		"redis://" + good.AddrTLS(): "a port for TLS takes rediss://",
		"rediss://" + good.Addr():   "a port without TLS takes redis://", // Redis waits for the end of a command
	} {
		err := newBroker(t, Config{URL: url, DialTimeout: 300 * time.Millisecond}).Ping(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Ping of %s = %v, want %q", url, err, want)
		}
	}
	if _, err := NewStore(Config{URL: "redis://localhost", TLS: settings(t, ca)}); err == nil {
		t.Error("NewStore with TLS for redis:// = nil, want an error")
	}
}

// pair is a certificate for this machine.
func pair(t *testing.T, a *redistest.Authority) tls.Certificate {
	t.Helper()
	c, err := tls.LoadX509KeyPair(a.Issue("127.0.0.1", 2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The certificate becomes a bad one while the server runs: the connection that
// is there stays, and the next is not made, by TLS or without, until it is good
// again. Who stands in between sees no word of Redis' protocol.
func TestTLSIsNeverGivenUp(t *testing.T) {
	ours, theirs := redistest.NewAuthority(t), redistest.NewAuthority(t)
	r := redistest.Start(t, "--requirepass", "hunter2")
	var now atomic.Pointer[tls.Certificate]
	show := func(c tls.Certificate) { now.Store(&c) }
	show(pair(t, ours))
	p := redistest.NewProxyTLS(t, r.Addr(), &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return now.Load(), nil
	}})
	b := run(t, Config{
		URL: strings.Replace(p.URL(), "redis://", "rediss://:hunter2@", 1), TLS: settings(t, redisnet.Files{CA: ours.CA}),
		MaxRedial: 100 * time.Millisecond,
	})
	b.Listen("x")
	b.waitLive(t, "x")
	show(pair(t, theirs))
	p.Cut()
	b.wait(t, "the loss is told", func() bool { return len(b.lost) == 1 })
	const refused = "redis: connection refused, redialling"
	eventually(t, "the log says why", func() bool { return len(b.logged(refused)) == 1 })
	if got := b.logged(refused)[0]; !strings.Contains(got, "signed by unknown authority") {
		t.Errorf("the log says %q, want it to say who is not known", got)
	}
	if b.Up() {
		t.Error("Up = true with a Redis that cannot be trusted")
	}

	l, err := net.Listen("tcp", "127.0.0.1:0") // and now one that takes anything
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan []byte, 1)
	go func() { // ends with the connection
		conn, err := l.Accept()
		if err != nil {
			heard <- nil
			return
		}
		defer conn.Close()
		_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		var all bytes.Buffer
		_, _ = all.ReadFrom(conn)
		heard <- all.Bytes()
	}()
	err = newBroker(t, Config{URL: "rediss://:hunter2@" + l.Addr().String(), DialTimeout: 200 * time.Millisecond}).Ping(t.Context())
	l.Close()
	if got := <-heard; len(got) == 0 || bytes.Contains(got, []byte("AUTH")) || bytes.Contains(got, []byte("hunter2")) {
		t.Errorf("who does not speak TLS hears %q, want the beginning of TLS alone", got)
	}
	if err == nil {
		t.Error("Ping of one who does not speak TLS = nil")
	}

	show(pair(t, ours))
	b.waitLive(t, "x")
}

// A client certificate that was renewed in its file is the one that the next
// connection shows.
func TestRenewedClientCertificate(t *testing.T) {
	ours, theirs := redistest.NewAuthority(t), redistest.NewAuthority(t)
	r := ours.StartTLS("127.0.0.1", 2*time.Hour, "--tls-auth-clients", "yes")
	files := redisnet.Files{CA: ours.CA}
	files.Cert, files.Key = theirs.Issue("stream-server", 2*time.Hour)
	b := newBroker(t, Config{URL: "rediss://" + r.AddrTLS(), TLS: settings(t, files)})
	if err := b.Ping(t.Context()); err == nil {
		t.Error("Ping with a certificate of somebody else = nil")
	}
	cert, key := ours.Issue("stream-server", 2*time.Hour)
	if err := errors.Join(os.Rename(cert, files.Cert), os.Rename(key, files.Key)); err != nil {
		t.Fatal(err)
	}
	if err := b.Ping(t.Context()); err != nil {
		t.Errorf("Ping with the renewed certificate = %v", err)
	}
}
