package deadline

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

type sleeper struct {
	spot  Spot[*sleeper]
	calls []time.Time
}

func (s *sleeper) Spot() *Spot[*sleeper] { return &s.spot }

// newWheel is one whose waiters note when they are called.
func newWheel() *Wheel[*sleeper] {
	var mu sync.Mutex
	return NewWheel(func(s *sleeper) {
		mu.Lock()
		defer mu.Unlock()
		s.calls = append(s.calls, time.Now())
	})
}

// Each waiter is called once, at exactly the time that was set for it last.
func TestCallsAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWheel()
		random := rand.New(rand.NewPCG(1, 2))
		durations := []time.Duration{time.Second, 20 * time.Second, 25 * time.Second, 45 * time.Second}
		sleepers := make([]sleeper, 1000)
		due := make([]time.Time, len(sleepers)) // zero: stopped
		for range 20_000 {
			i := random.IntN(len(sleepers))
			if !due[i].IsZero() && !time.Now().Before(due[i]) {
				continue // its time has come
			}
			if random.IntN(10) == 0 {
				w.Stop(&sleepers[i])
				due[i] = time.Time{}
			} else {
				d := durations[random.IntN(len(durations))]
				w.Set(&sleepers[i], d)
				due[i] = time.Now().Add(d)
			}
			if got := w.Waits(&sleepers[i]); got == due[i].IsZero() {
				t.Fatalf("Waits = %v, want %v", got, !got)
			}
			<-time.After(time.Duration(random.IntN(int(time.Millisecond))))
		}
		<-time.After(time.Minute)
		synctest.Wait()
		for i := range sleepers {
			s := &sleepers[i]
			switch {
			case due[i].IsZero() && len(s.calls) > 0:
				t.Errorf("waiter %d was stopped and is called %v", i, s.calls)
			case !due[i].IsZero() && (len(s.calls) != 1 || !s.calls[0].Equal(due[i])):
				t.Errorf("waiter %d was to be called at %v and was at %v", i, due[i], s.calls)
			}
		}
		for _, spoke := range w.spokes {
			if spoke.timer != nil || spoke.first != nil || spoke.last != nil {
				t.Errorf("the spoke of %v is not empty", spoke.wait)
			}
		}
	})
}

// A waiter may set itself anew in its call.
func TestSetInCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sleeper{}
		var w *Wheel[*sleeper]
		w = NewWheel(func(s *sleeper) {
			s.calls = append(s.calls, time.Now())
			if len(s.calls) < 3 {
				w.Set(s, time.Second)
			}
		})
		start := time.Now()
		w.Set(s, time.Second)
		<-time.After(time.Minute)
		synctest.Wait()
		if len(s.calls) != 3 || s.calls[2].Sub(start) != 3*time.Second {
			t.Errorf("called at %v, want once in each of the first three seconds after %v", s.calls, start)
		}
	})
}

func BenchmarkSet(b *testing.B) {
	w := newWheel()
	sleepers := make([]sleeper, 100_000)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		w.Set(&sleepers[i%len(sleepers)], time.Hour)
	}
	for i := range sleepers {
		w.Stop(&sleepers[i])
	}
}
