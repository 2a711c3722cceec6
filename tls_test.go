package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// A pair is a certificate and its key, as PEM.
type pair struct {
	cert, key []byte
	leaf      *x509.Certificate
}

// newPair is signed by itself, for 127.0.0.1, and is valid until then.
func newPair(t *testing.T, serial int64, until time.Time) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: until.Add(-24 * time.Hour), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), leaf,
	}
}

// files are where a pair is written to.
type files struct{ cert, key string }

func (f files) write(t *testing.T, cert, key []byte) {
	t.Helper()
	for path, data := range map[string][]byte{f.cert: cert, f.key: key} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func newFiles(t *testing.T) files {
	dir := t.TempDir()
	return files{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// A certificate that is replaced is the one of the next connection, and what is
// no good leaves the old one in force, with one line in the log.
func TestCertificateIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		day := time.Now().Add(24 * time.Hour)
		first, second, third := newPair(t, 1, day), newPair(t, 2, day), newPair(t, 3, time.Now().Add(-time.Hour))
		f := newFiles(t)
		f.write(t, first.cert, first.key)
		log, hook := logtest.NewNullLogger()
		said := func() (lines []string) {
			for _, entry := range hook.AllEntries() {
				line, err := entry.String()
				if err != nil {
					t.Fatal(err)
				}
				lines = append(lines, line)
			}
			hook.Reset()
			return lines
		}
		ctx, cancel := context.WithCancel(t.Context())
		config, _, err := (&edgeFlags{TLSCert: f.cert, TLSKey: f.key}).tls(ctx, log)
		if err != nil {
			t.Fatal(err)
		}
		serial := func() int64 {
			t.Helper()
			c, err := config.GetCertificate(nil)
			if err != nil {
				t.Fatal(err)
			}
			return c.Leaf.SerialNumber.Int64()
		}
		for _, step := range []struct {
			name      string
			cert, key []byte
			want      int64
			says      string // in the log
			lines     int    // of it
		}{
			{"nothing new", first.cert, first.key, 1, "", 0},
			{"another", second.cert, second.key, 2, "was read", 1},
			{"the key is yet to come", first.cert, second.key, 2, "does not match", 1},
			{"and comes", first.cert, first.key, 1, "was read", 1},
			{"no certificate", []byte("planted"), first.key, 1, "failed to find any PEM data", 1},
			{"no key", first.cert, []byte("planted"), 1, "failed to find any PEM data", 1},
			{"as before", first.cert, first.key, 1, "", 0},
			{"the end of its time", third.cert, third.key, 3, "has expired", 1},
		} {
			said()
			f.write(t, step.cert, step.key)
			time.Sleep(3*certificateInterval + time.Second)
			synctest.Wait()
			if got := serial(); got != step.want {
				t.Errorf("%s: the certificate is number %d, want %d", step.name, got, step.want)
			}
			lines := said()
			if text := strings.Join(lines, ""); len(lines) != step.lines || !strings.Contains(text, step.says) {
				t.Errorf("%s: the log says %q, want %q in %d lines", step.name, lines, step.says, step.lines)
			} else if strings.Contains(text, "planted") {
				t.Errorf("%s: the log repeats what is in the file: %s", step.name, text)
			}
		}
		if err := os.Remove(f.key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3*certificateInterval + time.Second)
		synctest.Wait()
		if lines, got := said(), serial(); got != 3 || len(lines) != 1 || !strings.Contains(lines[0], "no such file") {
			t.Errorf("without a file: number %d and %q, want the old one and one line", got, lines)
		}
		cancel()
	})
}

// A connection goes on with the certificate that it began with.
func TestCertificateOfAConnection(t *testing.T) {
	day := time.Now().Add(24 * time.Hour)
	first, second := newPair(t, 1, day), newPair(t, 2, day)
	f := newFiles(t)
	f.write(t, first.cert, first.key)
	log := logrus.New()
	log.SetOutput(io.Discard)
	c := &certificate{certFile: f.cert, keyFile: f.key, log: log}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{GetCertificate: c.get})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { // ends with the listener
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the client
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	roots := x509.NewCertPool()
	roots.AddCert(first.leaf)
	roots.AddCert(second.leaf)
	echo := func(conn *tls.Conn, text string) {
		t.Helper()
		got := make([]byte, len(text))
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
			t.Fatalf("the connection brings %q, %v, want %q", got, err, text)
		}
	}
	dial := func(want int64) *tls.Conn {
		t.Helper()
		conn, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{RootCAs: roots})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("a connection has certificate %d, want %d", got, want)
		}
		return conn
	}
	old := dial(1)
	defer old.Close()
	echo(old, "before")
	f.write(t, second.cert, second.key)
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	newer := dial(2)
	defer newer.Close()
	echo(newer, "new")
	echo(old, "after")
}

func TestFlagsOfTLS(t *testing.T) {
	p, other := newPair(t, 1, time.Now().Add(time.Hour)), newPair(t, 2, time.Now().Add(time.Hour))
	good, mixed, none := newFiles(t), newFiles(t), newFiles(t)
	good.write(t, p.cert, p.key)
	mixed.write(t, p.cert, other.key)
	log := logrus.New()
	log.SetOutput(io.Discard)
	for _, tt := range []struct {
		name  string
		flags edgeFlags
		want  string // a part of the error
	}{
		{"nothing", edgeFlags{}, ""},
		{"a pair", edgeFlags{TLSCert: good.cert, TLSKey: good.key}, ""},
		{"no key", edgeFlags{TLSCert: good.cert}, "belong together"},
		{"no certificate", edgeFlags{TLSKey: good.key}, "belong together"},
		{"none there", edgeFlags{TLSCert: none.cert, TLSKey: none.key}, none.cert},
		{"another's key", edgeFlags{TLSCert: mixed.cert, TLSKey: mixed.key}, "does not match"},
		{"the wrong way round", edgeFlags{TLSCert: good.key, TLSKey: good.cert}, "--tls-cert"},
		{"both ways", edgeFlags{TLSCert: good.cert, TLSKey: good.key, ACMEDomain: []string{"stream.example"}}, "want one"},
		{"a cache that is a file", edgeFlags{ACMEDomain: []string{"stream.example"}, ACMECache: good.cert}, "--acme-cache"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		config, _, err := tt.flags.tls(ctx, log)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if wanted := tt.want == "" && tt.flags.TLSCert != ""; (config != nil) != wanted {
			t.Errorf("%s: TLS is on: %v, want %v", tt.name, config != nil, wanted)
		}
		cancel()
	}
}
