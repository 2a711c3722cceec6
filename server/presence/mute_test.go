package presence

import (
	"testing"
	"time"
)

// silence makes a node hear and say nothing for a while.
func (n *node) silence(d time.Duration) {
	n.world.mu.Lock()
	n.mute = true
	n.world.mu.Unlock()
	time.Sleep(d)
	n.mend()
}

// What could not be said is said again.
func TestSayAgain(t *testing.T) {
	for range 8 { // half of what is said comes all the same, late
		inWorld(t, func(w *world, one, two *node) {
			witness := one.enter("x", ann)
			two.enter("x", ann)
			time.Sleep(3100 * time.Millisecond) // leases are renewed each second
			witness.told()
			two.enter("x", bob)
			two.silence(400 * time.Millisecond)
			time.Sleep(sayRetry + 200*time.Millisecond)
			w.told(witness, `$join {"channel":"x","members":["bob"],"guests":0}`)
		})
	}
}

// A node that was taken for dead says all when it is heard again, though it
// has missed nothing itself.
func TestBackFromTheDead(t *testing.T) {
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		two.enter("x", bob)
		time.Sleep(3 * time.Second)
		witness.told()
		two.silence(GoneAfter)
		w.told(witness, `$leave {"channel":"x","members":["bob"],"guests":0}`)
		time.Sleep(2 * time.Second)
		w.told(witness, `$join {"channel":"x","members":["bob"],"guests":0}`)
	})
}
