package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// soon is when a certificate that ends is worth a warning.
const soon = 14 * 24 * time.Hour

// lookAtTLS verifies the certificate, as browsers would, and the version.
func lookAtTLS(ctx context.Context, v *visit) Finding {
	if v.base.Scheme == "http" {
		if ip := net.ParseIP(v.base.Hostname()); ip != nil && ip.IsLoopback() || v.base.Hostname() == "localhost" {
			return ok("none, on this machine")
		}
		return fault(Warn, "none", "anybody on the way reads and changes everything, and pages of https:// may not connect",
			"TLS in the proxy, or --tls-cert and --tls-key, or --acme-domain")
	}
	state, err := v.shake(ctx, 0)
	if err != nil {
		return fault(Fail, err.Error(), "no browser connects", "whether TLS is spoken on this port, and from which version on")
	}
	leaf := state.PeerCertificates[0]
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err = leaf.Verify(x509.VerifyOptions{DNSName: v.base.Hostname(), Roots: v.Roots, Intermediates: between})
	if err != nil {
		return distrust(err, leaf, len(state.PeerCertificates))
	}
	v.known = true
	v.dial()
	left := time.Until(leaf.NotAfter)
	seen := fmt.Sprintf("%s, %d certificates, good for %d days", tls.VersionName(state.Version), len(state.PeerCertificates), int(left.Hours()/24))
	if left < soon {
		return fault(Warn, seen, "nobody connects after that", "renew it; --tls-cert is read again when the file changes, nginx -s reload does so there")
	}
	if _, err := v.shake(ctx, tls.VersionTLS11); err == nil {
		return fault(Warn, seen+"; TLS 1.1 is spoken too", "old versions can be broken", "nginx: ssl_protocols TLSv1.2 TLSv1.3;")
	}
	return ok("%s", seen)
}

// shake makes a TLS connection and ends it, whoever it is; newest is the newest
// version that we know, 0 for all.
func (v *visit) shake(ctx context.Context, newest uint16) (tls.ConnectionState, error) {
	oldest := uint16(tls.VersionTLS12)
	if newest != 0 {
		oldest = tls.VersionTLS10
	}
	port := v.base.Port()
	if port == "" {
		port = "443"
	}
	dialer := tls.Dialer{Config: &tls.Config{
		ServerName: v.base.Hostname(), MinVersion: oldest, MaxVersion: newest,
		InsecureSkipVerify: true, // verified by the caller, which wants to say what is wrong
	}}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(v.base.Hostname(), port))
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState(), nil
}

// distrust says why a certificate is not trusted.
func distrust(err error, leaf *x509.Certificate, chain int) Finding {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	const means = "no browser connects"
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if time.Now().Before(leaf.NotBefore) {
			return fault(Fail, fmt.Sprintf("the certificate is good from %s on", leaf.NotBefore.UTC().Format(time.RFC3339)), means, "the clock of this machine, or wait")
		}
		return fault(Fail, fmt.Sprintf("the certificate, or one above it, has expired: its own end is %s", leaf.NotAfter.UTC().Format(time.RFC3339)), means,
			"renew it; --tls-cert is read again when the file changes, nginx -s reload does so there")
	case errors.As(err, &name):
		return fault(Fail, quote([]byte(name.Error())), means, "a certificate for this name, or the name that it is for")
	case errors.As(err, &authority) && chain == 1:
		return fault(Fail, "the certificate comes alone, and none that is known vouches for it", means,
			"the file with the chain (fullchain.pem) in --tls-cert or ssl_certificate; --ca here for an authority of your own")
	case errors.As(err, &authority):
		return fault(Fail, "no authority that is known vouches for the certificate", means, "a certificate of a public authority; --ca here for one of your own")
	}
	return fault(Fail, quote([]byte(err.Error())), means, "the certificate")
}
