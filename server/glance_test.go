package server

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// However often one looks, making a value takes no more than its share of the time.
func TestStale(t *testing.T) {
	for _, tt := range []struct {
		takes time.Duration
		every time.Duration
	}{
		{0, consoleEvery},
		{time.Millisecond, consoleEvery},
		{20 * time.Millisecond, consoleShare * 20 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			var v stale[int]
			made := 0
			for range 100_000 {
				v.get(func() int {
					time.Sleep(tt.takes)
					made++
					return made
				})
				time.Sleep(time.Millisecond)
			}
			if most := int(100*time.Second/tt.every) + 1; made > most || made < most*9/10 {
				t.Errorf("what takes %v was made %d times in 100 s, want about %d", tt.takes, made, most)
			}
		})
	}
}

// BenchmarkConsole is one answer for the console, with nothing kept from the one
// before: of as many sessions as channels, and the newest messages of them.
func BenchmarkConsole(b *testing.B) {
	for n := 1000; n <= growth(); n *= 10 {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s, _ := grown(b, n, func(i int) string { return "own:" + strconv.Itoa(i) })
			for i := range n {
				s.Message("own:"+strconv.Itoa(i), []byte(`{"goal":1}`))
			}
			b.ReportAllocs()
			for b.Loop() {
				s.glance = glance{}
				if f := s.figures(consoleQuestion{}); f.Channels != n || len(f.Heard) != consoleEach || len(f.Busy) != consoleEach {
					b.Fatalf("%+v, want %d channels", f, n)
				}
			}
		})
	}
}
