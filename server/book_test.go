package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// desk is what nodes share in these tests.
type desk struct {
	mu     sync.Mutex
	leases map[string]string // guarded by mu
	away   error             // guarded by mu; why nothing can be done
	asked  int               // guarded by mu; lookups
}

func (d *desk) Hold(_ context.Context, name, value string, _ time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away != nil {
		return d.away
	}
	if d.leases == nil {
		d.leases = make(map[string]string)
	}
	d.leases[name] = value
	return nil
}

func (d *desk) Lookup(_ context.Context, name string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	return d.leases[name], d.away
}

func (d *desk) Release(_ context.Context, name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.leases, name)
	return d.away
}

func (d *desk) set(away error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

func TestBook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		key := newSeal([][]byte{clusterKey}, time.Now)
		b := newBook(d, key)
		asked := 0
		check := func(what, node, want string, lookups int) {
			t.Helper()
			address, err := b.find(node)
			if address != want || (want == "") != errors.Is(err, errNodeGone) || d.asked-asked != lookups {
				t.Errorf("%s: find = %q, %v after %d lookups, want %q after %d", what, address, err, d.asked-asked, want, lookups)
			}
			asked = d.asked
		}
		hold := func(node, address string) {
			t.Helper()
			if err := d.Hold(t.Context(), nodeTag+node, key.lease(node, address), leaseTime); err != nil {
				t.Fatal(err)
			}
		}
		const one, two = "http://one", "http://two"
		check("a node without a lease", "a", "", 1)
		check("again", "a", "", 0)
		hold("a", one)
		time.Sleep(goneFor + 1)
		check("a second later", "a", one, 1)
		hold("a", two)
		check("within three seconds", "a", one, 0)
		time.Sleep(foundFor + 1)
		check("after them", "a", two, 1)

		away := errors.New("away")
		d.set(away)
		for range 60 {
			time.Sleep(foundFor + 1)
			check("while the broker is away", "a", two, 1)
			check("while it is away, of another", "b", "", 1)
		}
		d.set(nil)
		_ = d.Release(t.Context(), nodeTag+"a")
		time.Sleep(foundFor + 1)
		check("after it came back with nothing", "a", two, 1)
		time.Sleep(leaseGrace)
		check("when the node has had time for another lease", "a", "", 1)

		hold("a", one)
		time.Sleep(goneFor + 1)
		check("with a lease", "a", one, 1)
		b.forget("a")
		check("when nobody answers there", "a", "", 0)
		time.Sleep(goneFor + 1)
		check("after a while", "a", one, 1)

		if err := d.Hold(t.Context(), nodeTag+"c", "AAAA "+one, leaseTime); err != nil {
			t.Fatal(err)
		}
		check("a lease that no node has signed", "c", "", 1)

		// Whoever makes names up gets no lookups for it, and keeps nobody from what is known.
		time.Sleep(2 * time.Second)
		asked = d.asked
		for i := range 10 * madeUp {
			if _, err := b.find(fmt.Sprint(i)); !errors.Is(err, errNodeGone) {
				t.Fatalf("find of a name that is made up: %v", err)
			}
		}
		if d.asked-asked != madeUp {
			t.Errorf("%d lookups of names that are made up, want %d", d.asked-asked, madeUp)
		}
		asked = d.asked
		time.Sleep(foundFor + 1)
		check("a node that is known", "a", one, 1)
		check("a name", "name", "", 1)
		if len(b.entries) > 3 {
			t.Errorf("%d entries are kept, want those of the last second", len(b.entries))
		}
	})
}

// A thousand requests at once make one lookup.
func TestBookAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &slowDesk{}
		b := newBook(d, newSeal([][]byte{clusterKey}, time.Now))
		d.leases = map[string]string{nodeTag + "a": b.seal.lease("a", "http://one")}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if address, err := b.find("a"); address != "http://one" || err != nil {
					t.Errorf("find = %q, %v", address, err)
				}
			})
		}
		all.Wait()
		if d.asked != 1 {
			t.Errorf("%d lookups, want 1", d.asked)
		}
	})
}

// A slowDesk takes its time.
type slowDesk struct{ desk }

func (d *slowDesk) Lookup(ctx context.Context, name string) (string, error) {
	time.Sleep(time.Millisecond)
	return d.desk.Lookup(ctx, name)
}
