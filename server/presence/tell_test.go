package presence

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// told fails the test unless the session was told exactly this since the last call.
func (w *world) told(s *session, want ...string) {
	w.t.Helper()
	synctest.Wait()
	if got := s.told(); !slices.Equal(got, want) {
		w.t.Fatalf("%s was told\n%s\nwant\n%s", s.who.ID, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func inWorld(t *testing.T, f func(w *world, one, two *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		defer w.finish()
		f(w, w.start(), w.start())
	})
}

var (
	ann    = Who{ID: "ann"}
	bob    = Who{ID: "bob"}
	guest1 = Who{ID: "guest:1", Guest: true}
)

// What sessions are told, and when.
func TestJoinAndLeave(t *testing.T) {
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		time.Sleep(time.Second)
		w.told(witness) // who comes alone has it all in the answer
		if members, _, guests := witness.list(); !slices.Equal(members, []string{"ann"}) || guests != 0 {
			w.t.Fatalf("the first one is welcome with %v and %d guests", members, guests)
		}
		s := two.enter("x", bob)
		time.Sleep(300 * time.Millisecond)
		w.told(witness, `$join {"channel":"x","members":["bob"],"guests":0}`)
		if members, _, _ := s.list(); !slices.Equal(members, []string{"ann", "bob"}) {
			w.t.Fatalf("the second one is welcome with %v", members)
		}
		tab := one.enter("x", bob) // on another node
		time.Sleep(time.Second)
		s.exit(true)
		time.Sleep(time.Second)
		w.told(witness)
		tab.exit(true)
		time.Sleep(time.Second)
		w.told(witness, `$leave {"channel":"x","members":["bob"],"guests":0}`)

		g := two.enter("x", guest1)
		time.Sleep(time.Second)
		w.told(witness, `$join {"channel":"x","members":[],"guests":1}`)
		two.Enter("x", bob, g) // is somebody by now
		time.Sleep(time.Second)
		w.told(witness, `$join {"channel":"x","members":["bob"],"guests":0}`)
		two.enter("y", ann) // somewhere else
		g.exit(true)
		time.Sleep(time.Second)
		w.told(witness, `$leave {"channel":"x","members":["bob"],"guests":0}`)
	})
}

// What is said of members goes with their names, on all nodes, and the newest of
// it holds.
func TestSaid(t *testing.T) {
	saying := func(who Who, said string) Who {
		who.Said = json.RawMessage(said)
		return who
	}
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		time.Sleep(time.Second)
		s := two.enter("x", saying(bob, `{"n":1}`))
		time.Sleep(time.Second)
		w.told(witness, `$join {"channel":"x","members":["bob"],"guests":0} {"n":1}`)
		two.Enter("x", saying(bob, `{"n":2}`), s) // asked again, the application says something else
		two.Enter("x", bob, s)                    // and nothing
		time.Sleep(time.Second)
		w.told(witness)
		late, _ := one.sit("x", saying(ann, `{"n":3}`))
		late.welcome = true
		one.Return("x", saying(ann, `{"n":3}`), late)
		time.Sleep(time.Second)
		w.told(late, `$presence {"channel":"x","members":["ann","bob"],"count":2,"guests":0} {"n":3} {"n":2}`)
		s.exit(true)
		time.Sleep(time.Second)
		w.told(witness, `$leave {"channel":"x","members":["bob"],"guests":0} {"n":2}`)
	})
}

// Who comes back within Grace, to any node and however often, has not left.
func TestQuickReconnect(t *testing.T) {
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		here, guest := one.enter("x", bob), two.enter("x", guest1)
		time.Sleep(time.Second)
		witness.told()
		for i := range 20 {
			here.exit(false)
			guest.exit(false)
			time.Sleep(Grace - 500*time.Millisecond) // a message has to arrive before that
			here, guest = []*node{one, two}[i/2%2].enter("x", bob), []*node{one, two}[i/3%2].enter("x", guest1)
			time.Sleep([]time.Duration{0, time.Second, 2 * Grace}[i%3])
		}
		w.told(witness)
		here.exit(false)
		guest.exit(false)
		time.Sleep(Grace - time.Millisecond)
		w.told(witness)
		time.Sleep(time.Second)
		news := strings.Join(witness.told(), "\n")
		if members, _, guests := witness.list(); strings.Contains(news, "$join") || len(members) != 1 || guests != 0 {
			w.t.Errorf("they left, and the witness was told %s", news)
		}
	})
}

// A node goes as a deploy lets it: its sessions come back elsewhere, then it ends.
func TestDeployIsNoNews(t *testing.T) {
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		var sessions []*session
		for i := range 50 {
			sessions = append(sessions, two.enter("x", Who{ID: fmt.Sprint("m", i)}), two.enter("x", Who{ID: fmt.Sprint("guest:", i), Guest: true}))
		}
		time.Sleep(3 * time.Second)
		witness.told()
		three := w.start()
		for _, s := range sessions {
			s.exit(false)
			time.Sleep(100 * time.Millisecond)
			go func() {
				time.Sleep(1500 * time.Millisecond)
				three.enter("x", s.who)
			}()
		}
		two.die()
		time.Sleep(time.Minute)
		w.told(witness)
		w.check([]*node{one, three}, func() string { return "a deploy" })
	})
}

// However many come at once, what is said of it is little.
func TestStormIsBounded(t *testing.T) {
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		time.Sleep(time.Second)
		w.mu.Lock()
		w.said = 0
		w.mu.Unlock()
		for i := range 800 { // in four seconds
			[]*node{one, two}[i%2].sit("x", Who{ID: fmt.Sprint("m", i)})
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		if news := witness.told(); len(news) > 20 {
			w.t.Errorf("the witness was told %d times of 800 who came", len(news))
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.said > 30 {
			w.t.Errorf("the nodes said %d things of 800 who came", w.said)
		}
	})
}

// Of a huge channel there are only numbers, whichever node has them, until it
// is well below the limit again.
func TestHugeChannel(t *testing.T) {
	for _, tt := range []struct {
		name string
		node func(i int) int
	}{
		{"on one node", func(int) int { return 1 }},
		{"on both", func(i int) int { return i % 2 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, func(w *world, one, two *node) {
				witness := one.enter("x", ann)
				var sessions []*session
				for i := range Limit + 99 {
					s, _ := []*node{one, two}[tt.node(i)].sit("x", Who{ID: fmt.Sprint("m", i)})
					sessions = append(sessions, s)
				}
				time.Sleep(15 * time.Second)
				if members, count, _ := witness.list(); members != nil || count != Limit+100 {
					w.t.Fatalf("the witness shows %d members by name, and %d in all; want none and %d", len(members), count, Limit+100)
				}
				witness.told()
				sessions[0].exit(true)
				time.Sleep(6 * time.Second)
				w.told(witness, `$presence {"channel":"x","members":null,"count":1099,"guests":0,"truncated":true}`)
				late := two.enter("x", bob)
				time.Sleep(6 * time.Second)
				if members, count, _ := late.list(); members != nil || count != Limit+100 {
					w.t.Fatalf("who comes late shows %d members by name, and %d in all", len(members), count)
				}
				for _, s := range sessions[1:150] {
					s.exit(true)
				}
				time.Sleep(12 * time.Second)
				if members, count, _ := witness.list(); members != nil || count != 951 {
					w.t.Fatalf("a little below the limit there are %d by name, and %d in all", len(members), count)
				}
				for _, s := range sessions[150:250] {
					s.exit(true)
				}
				time.Sleep(12 * time.Second)
				w.check([]*node{one, two}, func() string { return "well below the limit" })
			})
		})
	}
}

// More guests than are counted by name are the sum of what the nodes have; the
// members are named all the same.
func TestManyGuests(t *testing.T) {
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		for i := range 2 * Limit {
			two.sit("x", Who{ID: fmt.Sprint("guest:", i), Guest: true})
		}
		one.enter("x", Who{ID: "guest:0", Guest: true})
		time.Sleep(15 * time.Second)
		if members, _, guests := witness.list(); !slices.Equal(members, []string{"ann"}) || guests != 2*Limit+1 {
			w.t.Errorf("the witness shows %v and %d guests, want ann and %d", members, guests, 2*Limit+1)
		}
	})
}

// Without other nodes there is nothing to say and nobody to wait for.
func TestOneNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 1)
		defer w.finish()
		w.alone = true
		n := w.start()
		s := n.enter("x", ann)
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if members, _, _ := s.list(); !slices.Equal(members, []string{"ann"}) || w.said != 0 {
			w.t.Errorf("the only one is welcome with %v, after %d messages", members, w.said)
		}
		n.Welcome(s, []string{"x", "y"}, func(lists map[string]json.RawMessage) {
			if got := fmt.Sprintf("%s", lists); got != `map[x:{"members":["ann"],"count":1,"guests":0,"alone":true}]` {
				w.t.Errorf("the answer is %s", got)
			}
		})
		s.exit(true)
		s.exit(true) // twice is once
		time.Sleep(2 * Grace)
		synctest.Wait()
		if channels, members, guests := n.Stats(); channels+members+guests+len(n.rosters) != 0 {
			w.t.Errorf("%d channels with %d members and %d guests are left", channels, members, guests)
		}
	})
}

// What no node has said is nothing, and so is half of what one has.
func TestNonsense(t *testing.T) {
	inWorld(t, func(w *world, one, two *node) {
		witness := one.enter("x", ann)
		time.Sleep(time.Second)
		for _, said := range []string{
			"", "goal!", "node9 ", `node9 {"members":1}`, `node9 {"guests":"AAA"}`, `node9 {"guests":"AAAA"}`, "node9 [", "node1 {}",
		} {
			one.Message("x", []byte(said))
			one.Message("nobody is here", []byte(said))
		}
		time.Sleep(time.Second)
		w.told(witness)
		for range 10 * inboxSize { // it never blocks; and what was dropped is asked for again
			one.Message("x", nil)
		}
		two.enter("x", bob)
		time.Sleep(GoneAfter)
		w.check([]*node{one, two}, func() string { return "a flood" })
	})
}
