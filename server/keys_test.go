package server

import (
	"crypto/rand"
	"crypto/subtle"
	"math"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	random "math/rand/v2"
)

// keyTries is how many guesses TestKeysTakeConstantTime makes:
//
//	STREAM_KEY_TRIES=1000000 go test -run ConstantTime -v ./server
func keyTries() int {
	if n, err := strconv.Atoi(os.Getenv("STREAM_KEY_TRIES")); err == nil {
		return n
	}
	return 50_000
}

// How much of a guess is right does not show in the time that its refusal takes
// (RELIABILITY.md A2). The guesses come in random order, so that whatever else the machine does
// falls on all kinds alike: without a difference, Welch's t is beyond 5 once in
// a million. A comparison that stops at the first wrong byte is measured beside
// it, to show that the test would see one.
func TestKeysTakeConstantTime(t *testing.T) {
	const length = 256
	key := rand.Text()
	for len(key) < length {
		key += rand.Text()
	}
	key = key[:length]
	right := []int{0, 1, 16, 128, length - 1} // bytes from the first on

	hashed := newKeys([]string{key})
	t.Run("as it is", func(t *testing.T) {
		for i, score := range timeGuesses(t, key, right, hashed.open) {
			if math.Abs(score) > 5 {
				t.Errorf("%d right bytes against none: t = %.1f, want at most 5", right[i+1], score)
			}
		}
	})
	t.Run("control", func(t *testing.T) {
		naive := func(r *http.Request) bool {
			guess := r.Header.Get("Authorization")[len("Bearer "):]
			for i := range key {
				if guess[i] != key[i] {
					return false
				}
			}
			return true
		}
		scores := timeGuesses(t, key, right, naive)
		if last := scores[len(scores)-1]; last < 5 {
			t.Errorf("%d right bytes against none: t = %.1f, want it beyond 5: the test does not see a difference", length-1, last)
		}
	})
}

// timeGuesses makes guesses of which so many bytes are right, in random order,
// and returns Welch's t of each kind against the first.
func timeGuesses(t *testing.T, key string, right []int, open func(*http.Request) bool) (scores []float64) {
	t.Helper()
	tries := keyTries()
	times := make([][]float64, len(right))
	guess := make([]byte, len(key))
	r := &http.Request{Header: http.Header{"Authorization": {""}}}
	for range tries {
		kind := random.IntN(len(right))
		for i := range guess { // the same work for each kind, or it would show
			wrong := byte('a' + random.IntN(26)) // the key is of capitals and digits
			guess[i] = byte(subtle.ConstantTimeSelect(subtle.ConstantTimeLessOrEq(i+1, right[kind]), int(key[i]), int(wrong)))
		}
		r.Header["Authorization"][0] = "Bearer " + string(guess)
		begun := time.Now()
		ok := open(r)
		took := time.Since(begun)
		if ok {
			t.Fatal("a wrong key was let in")
		}
		times[kind] = append(times[kind], float64(took.Nanoseconds()))
	}
	// What took longest was interrupted.
	most := quantile(slices.Concat(times...), 0.9)
	for i := range times {
		times[i] = slices.DeleteFunc(times[i], func(v float64) bool { return v > most })
	}
	for i := range times {
		if i == 0 {
			mean, _ := moments(times[0])
			t.Logf("%d guesses; none right: mean %.1f ns, median %.0f ns", tries, mean, quantile(times[0], 0.5))
			continue
		}
		difference, score := welch(times[i], times[0])
		t.Logf("%3d bytes right: %+.2f ns, median %.0f ns, t = %+.2f", right[i], difference, quantile(times[i], 0.5), score)
		scores = append(scores, score)
	}
	return scores
}

// welch is the difference of the means of two samples, and its t.
func welch(a, b []float64) (difference, t float64) {
	meanA, varianceA := moments(a)
	meanB, varianceB := moments(b)
	difference = meanA - meanB
	return difference, difference / math.Sqrt(varianceA/float64(len(a))+varianceB/float64(len(b)))
}

func moments(list []float64) (mean, variance float64) {
	for _, v := range list {
		mean += v
	}
	mean /= float64(len(list))
	for _, v := range list {
		variance += (v - mean) * (v - mean)
	}
	return mean, variance / float64(len(list)-1)
}

func quantile(list []float64, q float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[int(q*float64(len(list)-1))]
}
