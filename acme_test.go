package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/server"
)

// An authority is as much of an ACME server (RFC 8555) as getting a certificate
// takes. It does not check signatures, and does check that whoever asks for a
// name answers the challenge of RFC 8737 under it.
type authority struct {
	t    *testing.T
	url  string
	addr string // where every name leads to
	key  *ecdsa.PrivateKey
	root *x509.Certificate

	mu     sync.Mutex
	name   string // guarded by mu; that is ordered
	proved bool   // guarded by mu; the challenge was answered
	cert   []byte // guarded by mu; PEM
	orders int    // guarded by mu
}

func newAuthority(t *testing.T, addr string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{t: t, addr: addr, key: key}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Replay-Nonce", rand.Text())
	w.Header().Set("Location", a.url+r.URL.Path)
	status, answer := http.StatusOK, any(nil)
	switch r.URL.Path {
	case "/directory":
		answer = map[string]string{
			"newNonce": a.url + "/nonce", "newAccount": a.url + "/account", "newOrder": a.url + "/order",
		}
	case "/nonce":
	case "/account":
		status, answer = http.StatusCreated, map[string]string{"status": "valid"}
	case "/order":
		var asked struct{ Identifiers []struct{ Value string } }
		if a.payload(r, &asked); len(asked.Identifiers) == 1 {
			a.name = asked.Identifiers[0].Value
			a.proved, a.cert = false, nil
			a.orders++
			status = http.StatusCreated
		}
		answer = a.order()
	case "/authorization":
		answer = map[string]any{
			"status": a.status(), "identifier": map[string]string{"type": "dns", "value": a.name},
			"challenges": []any{a.challenge()},
		}
	case "/challenge":
		if err := a.prove(); err != nil {
			a.t.Errorf("the challenge: %v", err)
		} else {
			a.proved = true
		}
		answer = a.challenge()
	case "/sign":
		var asked struct{ CSR string }
		a.payload(r, &asked)
		if err := a.sign(asked.CSR); err != nil {
			a.t.Errorf("the certificate: %v", err)
		}
		answer = a.order()
	case "/certificate":
		_, _ = w.Write(a.cert)
		return
	default:
		status = http.StatusNotFound
	}
	w.WriteHeader(status)
	if answer != nil {
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// payload is what a signed request says.
func (*authority) payload(r *http.Request, v any) {
	var signed struct{ Payload string }
	_ = json.NewDecoder(r.Body).Decode(&signed)
	data, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
	_ = json.Unmarshal(data, v) // what is asked for with nothing says nothing
}

func (a *authority) status() string {
	if a.proved {
		return "valid"
	}
	return "pending"
}

func (a *authority) challenge() map[string]string {
	return map[string]string{"type": "tls-alpn-01", "url": a.url + "/challenge", "token": "token", "status": a.status()}
}

func (a *authority) order() map[string]any {
	status := "pending"
	switch {
	case a.cert != nil:
		status = "valid"
	case a.proved:
		status = "ready"
	}
	return map[string]any{
		"status": status, "certificate": a.url + "/certificate",
		"finalize":       a.url + "/sign", //nolint:misspell // RFC 8555 spells it so
		"identifiers":    []any{map[string]string{"type": "dns", "value": a.name}},
		"authorizations": []string{a.url + "/authorization"},
	}
}

// prove asks under the name for the certificate that only whoever ordered can
// make.
func (a *authority) prove() error {
	conn, err := tls.Dial("tcp", a.addr, &tls.Config{
		ServerName: a.name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true,
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	state := conn.ConnectionState()
	leaf := state.PeerCertificates[0]
	marked := slices.ContainsFunc(leaf.Extensions, func(e pkix.Extension) bool { return e.Id.String() == "1.3.6.1.5.5.7.1.31" })
	if state.NegotiatedProtocol != "acme-tls/1" || !slices.Equal(leaf.DNSNames, []string{a.name}) || !marked {
		return fmt.Errorf("protocol %q, names %v, marked %v", state.NegotiatedProtocol, leaf.DNSNames, marked)
	}
	return nil
}

func (a *authority) sign(csr string) error {
	der, err := base64.RawURLEncoding.DecodeString(csr)
	if err != nil {
		return err
	}
	request, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return err
	}
	if !a.proved || !slices.Equal(request.DNSNames, []string{a.name}) {
		return errors.New("it was not proved, or is for other names")
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: request.DNSNames,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, a.root, request.PublicKey, a.key); err != nil {
		return err
	}
	a.cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return nil
}

// With --acme-domain the first client of a name has the server get a
// certificate, by a challenge on the same listener. It is kept, and names that
// are not listed cost nothing.
func TestACME(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := newAuthority(t, listener.Addr().String())
	log := logrus.New()
	log.SetOutput(io.Discard)
	flags := edgeFlags{ACMEDomain: []string{"stream.example"}, ACMECache: t.TempDir(), ACMEDirectory: a.url + "/directory"}
	stop := func() {}
	serve := func() {
		t.Helper()
		config, _, err := flags.tls(t.Context(), log)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		if listener == nil {
			if listener, err = net.Listen("tcp", a.addr); err != nil {
				t.Fatal(err)
			}
		}
		stop = serveTLS(t, listener, config)
		listener = nil
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.root)
	get := func(name string) error {
		config := &tls.Config{ServerName: name, RootCAs: roots}
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		resp, err := c.Get("https://" + a.addr + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	}
	serve()
	for range 2 {
		if err := get("stream.example"); err != nil {
			t.Errorf("GET with a certificate by ACME: %v", err)
		}
	}
	for _, name := range []string{"other.example", "a.stream.example", "STREAM.example.evil"} {
		if err := get(name); err == nil || !strings.Contains(err.Error(), "tls: ") {
			t.Errorf("GET of %s: %v, want no handshake", name, err)
		}
	}
	serve() // as after a restart
	if err := get("stream.example"); err != nil {
		t.Errorf("GET with the certificate that was kept: %v", err)
	}
	stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.orders != 1 {
		t.Errorf("%d certificates were ordered, want 1", a.orders)
	}
}

// serveTLS runs the stream server until stop is called.
func serveTLS(t *testing.T, listener net.Listener, config *tls.Config) (stop func()) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	broker, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := broker.Open(); err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(server.Config{Broker: broker, Log: log, TLS: config})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, listener) }() // ends with ctx
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}
}
