package mac

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"sync"
	"testing"
)

// TestSign: it is HMAC-SHA256, whoever else signs, and whatever was signed before.
func TestSign(t *testing.T) {
	key := []byte("a key of this test")
	k, other := New(key), New([]byte("another key"))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 100 {
				text := strings.Repeat(string(rune('a'+i)), n)
				h := hmac.New(sha256.New, key)
				h.Write([]byte(text))
				got, foreign := k.Sign(text), other.Sign(text)
				if !hmac.Equal(got[:], h.Sum(nil)) {
					t.Errorf("Sign(%q) = %x, want %x", text, got, h.Sum(nil))
				}
				if foreign == got {
					t.Errorf("two keys sign %q alike", text)
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkSign(b *testing.B) {
	k := New([]byte("a key of this benchmark"))
	b.ReportAllocs()
	for b.Loop() {
		k.Sign("guest:ABCDEFGHIJKLMNOPQRSTUVWXYZ")
	}
}
