// Package mac signs many short texts with one key, as each client who connects
// needs a few: what HMAC makes of the key is kept, and so are its buffers.
package mac

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// Size is the bytes of a signature.
const Size = sha256.Size

// A Key signs with HMAC-SHA256. Sign may be called from any goroutine.
type Key struct{ signers sync.Pool }

// A signer signs one text at a time.
type signer struct {
	hash hash.Hash
	text []byte
	sum  []byte
}

// New is a Key of these bytes, which are not changed any more.
func New(key []byte) *Key {
	k := &Key{}
	k.signers.New = func() any { return &signer{hash: hmac.New(sha256.New, key)} }
	return k
}

// Sign is the signature of text.
func (k *Key) Sign(text string) (signature [Size]byte) {
	s := k.signers.Get().(*signer)
	defer k.signers.Put(s)
	s.hash.Reset()
	s.text = append(s.text[:0], text...)
	_, _ = s.hash.Write(s.text) // never fails
	s.sum = s.hash.Sum(s.sum[:0])
	copy(signature[:], s.sum)
	return signature
}
