package presence

import (
	"testing"
	"time"
)

// After Redis was away nodes come back one after the other, and who is on one that
// is not back yet has not left. Who left meanwhile has, and a node that does not
// come back is waited for as long as it may take to.
func TestBackOneByOne(t *testing.T) {
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		here, there := two.enter("x", bob), two.enter("x", Who{ID: "cay"})
		time.Sleep(time.Second)
		witness.told()
		for _, late := range []time.Duration{0, 300 * time.Millisecond, time.Second, 2 * time.Second} {
			one.lose()
			two.lose()
			time.Sleep(time.Second)
			one.mend()
			time.Sleep(late)
			two.mend()
			time.Sleep(5 * time.Second)
			w.told(witness)
		}
		one.lose()
		two.lose()
		there.exit(true)
		time.Sleep(time.Second)
		one.mend()
		time.Sleep(time.Second)
		w.told(witness)
		two.mend()
		time.Sleep(time.Second)
		w.told(witness, `$leave {"channel":"x","members":["cay"],"guests":0}`)
		one.lose()
		two.lose()
		time.Sleep(time.Second)
		one.mend()
		time.Sleep(5 * time.Second)
		w.told(witness, `$leave {"channel":"x","members":["bob"],"guests":0}`)
		here.exit(true)
	})
}

// What a node said before it said something newer is not believed when it comes
// late, also if the newer was that nobody is there, or if the node is gone since.
func TestLateReports(t *testing.T) {
	inWorld(t, func(w *world, one, _ *node) {
		witness := one.enter("x", ann)
		time.Sleep(time.Second)
		witness.told()
		say := func(report string) {
			w.mu.Lock()
			w.publishLocked("x", []byte("ghost "+report))
			w.mu.Unlock()
			time.Sleep(time.Second)
		}
		w.mu.Lock()
		w.leases["ghost"] = time.Now().Add(time.Hour)
		w.mu.Unlock()
		say(`{"seq":2}`)
		say(`{"members":["joe"],"seq":1}`)
		w.told(witness)
		say(`{"members":["joe"],"seq":4}`)
		w.told(witness, `$join {"channel":"x","members":["joe"],"guests":0}`)
		one.lose()
		time.Sleep(time.Second)
		one.mend()
		time.Sleep(5 * time.Second)
		w.told(witness, `$leave {"channel":"x","members":["joe"],"guests":0}`)
		say(`{"members":["joe"],"seq":3}`)
		w.told(witness)
	})
}
