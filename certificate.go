package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
)

// certificateInterval is between looks at the files of a certificate.
const certificateInterval = 2 * time.Second

// A certificate is one of two files, and is read again when they change, by
// whatever means: what they hold is compared, not their times. Connections that
// there are keep the one that they began with.
//
// get and use may be called from any goroutine, the others from one.
type certificate struct {
	log logrus.FieldLogger // constant

	current atomic.Pointer[tls.Certificate]

	mu                sync.Mutex
	certFile, keyFile string // guarded by mu
	cert, key         []byte // guarded by mu; what current was made of

	failed string // why it could not be made of what is there now, as the log has heard
}

// A keyPair is what two files hold.
type keyPair struct {
	certFile, keyFile string
	cert, key         []byte
	made              tls.Certificate
}

// readPair reads the files. Its errors quote nothing of them.
func readPair(certFile, keyFile string) (*keyPair, error) {
	p := &keyPair{certFile: certFile, keyFile: keyFile}
	var err error
	if p.cert, err = os.ReadFile(certFile); err != nil {
		return nil, err
	}
	if p.key, err = os.ReadFile(keyFile); err != nil {
		return nil, err
	}
	p.made, err = tls.X509KeyPair(p.cert, p.key)
	return p, err
}

// load reads the files. After an error the certificate is what it was.
func (c *certificate) load() error {
	c.mu.Lock()
	certFile, keyFile := c.certFile, c.keyFile
	c.mu.Unlock()
	p, err := readPair(certFile, keyFile)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if certFile == c.certFile && keyFile == c.keyFile { // else use was quicker
		c.useLocked(p)
	}
	return nil
}

// use makes the certificate that of other files.
func (c *certificate) use(p *keyPair) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.certFile, c.keyFile = p.certFile, p.keyFile
	c.useLocked(p)
}

func (c *certificate) useLocked(p *keyPair) {
	if bytes.Equal(p.cert, c.cert) && bytes.Equal(p.key, c.key) {
		return
	}
	c.current.Store(&p.made)
	c.cert, c.key = p.cert, p.key
	log := c.log.WithField("expires", p.made.Leaf.NotAfter.UTC().Format(time.RFC3339))
	if time.Now().After(p.made.Leaf.NotAfter) {
		log.Warn("the certificate of TLS has expired")
	} else {
		log.Info("the certificate of TLS was read")
	}
}

// watch reads the files again from time to time until ctx ends. A fault is told
// once: a certificate may be replaced before its key is.
func (c *certificate) watch(ctx context.Context) {
	ticker := time.NewTicker(certificateInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		fault := ""
		if err := c.load(); err != nil {
			if fault = err.Error(); fault != c.failed {
				c.log.WithError(err).Error("the new certificate of TLS is no good: the old one stays")
			}
		}
		c.failed = fault
	}
}

// get is tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.current.Load(), nil
}
