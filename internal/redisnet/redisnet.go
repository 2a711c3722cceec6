// Package redisnet is the socket below a Redis client: TCP, TLS when that is
// asked for, and replies that cannot take more memory than was allowed.
//
// [Files] become the configuration of TLS; [Dial] connects; a [Pool] may be
// closed at any time. Who answers is checked by its certificate and not trusted
// any further: without TLS anybody on the way can answer, so that a reply is
// read against limits before the client above sees it (replies.go). The package
// knows the form of replies and no command. Neither does it fall back: what asks
// for TLS gets TLS or an error.
package redisnet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
)

// Files are the files of PEM that TLS with a Redis takes. All may be missing.
type Files struct {
	CA   string // certificates that may vouch for Redis; those of the system
	Cert string // the client's own, if Redis asks for one
	Key  string // of Cert
}

// ErrPair is that of a certificate without its key, or the reverse.
var ErrPair = errors.New("redis: a client certificate takes its key too, and the reverse")

// Config reads the files. The client's own are read again for each
// connection, so that renewed ones are used without a restart.
func (f Files) Config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("redis: CA: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis: CA: %s holds no certificate in PEM", f.CA)
		}
	}
	if (f.Cert == "") != (f.Key == "") {
		return nil, ErrPair
	}
	if f.Cert == "" {
		return config, nil
	}
	if _, err := f.pair(nil); err != nil {
		return nil, err
	}
	config.GetClientCertificate = f.pair
	return config, nil
}

func (f Files) pair(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return nil, fmt.Errorf("redis: client certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	return &pair, nil
}

// Dial connects for as long as ctx lasts: without TLS if config is nil, and
// else to whoever has a certificate for the host of addr, unless config names
// another. A bulk string of more than largest bytes never reaches the caller:
// in its place stands an integer, which is its length.
func Dial(ctx context.Context, addr string, config *tls.Config, largest int) (net.Conn, error) {
	conn, err := dial(ctx, addr, config)
	return limit(conn, largest, 0), err
}

// DialStreams is Dial for answers with arrays in arrays, as those of XREAD, of
// which all strings together have at most reply bytes. Of what is over that, or
// an array of too many elements, there comes the integer that is its length.
func DialStreams(ctx context.Context, addr string, config *tls.Config, largest, reply int) (net.Conn, error) {
	conn, err := dial(ctx, addr, config)
	return limit(conn, largest, max(reply, largest)), err
}

func dial(ctx context.Context, addr string, config *tls.Config) (net.Conn, error) {
	var dialer net.Dialer
	if config == nil {
		return dialer.DialContext(ctx, "tcp", addr)
	}
	config = config.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	if config.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		config.ServerName = host
	}
	return (&tls.Dialer{NetDialer: &dialer, Config: config}).DialContext(ctx, "tcp", addr)
}
