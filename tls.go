package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// edgeFlags say what is between browsers and this server: TLS of its own, on the
// address of --listen, or proxies.
type edgeFlags struct {
	TLSCert       string        `reload:"" name:"tls-cert" placeholder:"FILE" help:"Certificate and its chain, PEM: https and wss on --listen. Read again when it changes."`
	TLSKey        string        `reload:"" name:"tls-key" placeholder:"FILE" help:"Key of --tls-cert, PEM."`
	ACMEDomain    []string      `name:"acme-domain" placeholder:"NAME" help:"Names to get a certificate for by ACME (Let's Encrypt), if port 443 of them is --listen."`
	ACMECache     string        `name:"acme-cache" placeholder:"DIR" help:"Where certificates of ACME are kept; the user's cache directory if not set."`
	ACMEDirectory string        `name:"acme-directory" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"Of the authority that --acme-domain asks."`
	HSTS          time.Duration `name:"hsts" placeholder:"TIME" help:"Tell browsers for how long to come by https only, to anything on this host name: 8760h is a year."`

	TrustedProxies []string `placeholder:"NET" help:"Proxies, such as 10.0.0.0/8, whose X-Forwarded-For and X-Forwarded-Proto are believed."`
}

// tls is the TLS that the flags ask for; nil is no TLS. A certificate of a file is
// returned too, and watched until ctx ends.
func (f *edgeFlags) tls(ctx context.Context, log logrus.FieldLogger) (*tls.Config, *certificate, error) {
	switch {
	case len(f.ACMEDomain) > 0 && (f.TLSCert != "" || f.TLSKey != ""):
		return nil, nil, errors.New("--acme-domain and --tls-cert are both set: want one")
	case len(f.ACMEDomain) > 0:
		config, err := f.acme()
		return config, nil, err
	case f.TLSCert == "" && f.TLSKey == "":
		return nil, nil, nil
	case f.TLSCert == "" || f.TLSKey == "":
		return nil, nil, errors.New("--tls-cert and --tls-key belong together: one is not set")
	}
	c := &certificate{certFile: f.TLSCert, keyFile: f.TLSKey, log: log}
	if err := c.load(); err != nil {
		return nil, nil, fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	go c.watch(ctx) // ends with it
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, c, nil
}

// acme gets certificates when clients first ask for them, by a challenge that
// comes to the same listener (TLS-ALPN-01, RFC 8737), and renews them.
func (f *edgeFlags) acme() (*tls.Config, error) {
	cache := f.ACMECache
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("--acme-cache is not set, and there is no other place: %w", err)
		}
		cache = filepath.Join(dir, "stream-server", "acme")
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, fmt.Errorf("--acme-cache: %w", err)
	}
	m := &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		HostPolicy: autocert.HostWhitelist(f.ACMEDomain...), // a name that somebody made up costs nothing
		Cache:      autocert.DirCache(cache),
		Client:     &acme.Client{DirectoryURL: f.ACMEDirectory},
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: m.GetCertificate,
		NextProtos:     []string{"http/1.1", acme.ALPNProto},
	}, nil
}
