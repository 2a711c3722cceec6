package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// keys are bearer keys, any of which opens. They are kept and compared as
// hashes, so that the time it takes tells nothing, not even a length.
type keys [][sha256.Size]byte

func newKeys(plain []string) keys {
	list := make(keys, len(plain))
	for i, key := range plain {
		list[i] = sha256.Sum256([]byte(key))
	}
	return list
}

// open reports whether the request carries one of the keys.
func (k keys) open(r *http.Request) bool {
	if len(r.Header["Authorization"]) > 1 {
		return false // whoever is in front of this server may have looked at another one
	}
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	hash := sha256.Sum256([]byte(key))
	found := 0
	for i := range k {
		found |= subtle.ConstantTimeCompare(hash[:], k[i][:])
	}
	return found == 1
}
