package server

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// A member may have 20 sessions, and not one more, by whatever way.
func TestSessionsPerMember(t *testing.T) {
	inBubble(t, Config{}, func(b *bubble) {
		token := b.token("m")
		var open []*recorder
		for range 20 {
			open = append(open, b.open(home, token))
		}
		for i, a := range open {
			if list := a.next(); len(list) != 3 || !strings.HasPrefix(list[2], `42["$session",`) {
				b.t.Fatalf("session %d was told %q, want $session", i+1, list)
			}
		}
		late := b.open(home, token)
		if list := late.next(); len(list) != 2 || !strings.HasPrefix(list[1], "44{") || !strings.Contains(list[1], `"code":"rate_limited"`) {
			b.t.Errorf("session 21 was told %q, want CONNECT_ERROR with rate_limited", list)
		}
		b.refused("sessions_per_member", 1)
		if n := len(b.members.of("m")); n != 20 {
			b.t.Errorf("the member has %d sessions, want 20", n)
		}

		guest := b.open(home, "")
		guest.next()
		if code := guest.ask(`["identify","` + token + `"]`); code != "rate_limited" {
			b.t.Errorf("identify as session 21 = %q, want rate_limited", code)
		}
		b.refused("sessions_per_member", 2)
		if code := guest.ask(`["identify","` + b.token("n") + `"]`); code != "" {
			b.t.Errorf("identify as somebody else = %q, want ok", code)
		}
		if code := open[0].ask(`["identify","` + b.token("m") + `"]`); code != "" {
			b.t.Errorf("a renewed token at the limit = %q, want ok", code)
		}
		if code := guest.ask(`["identify","` + token + `"]`); code != "rate_limited" {
			b.t.Errorf("identify away from another member = %q, want rate_limited", code)
		}
		if n, m := len(b.members.of("m")), len(b.members.of("n")); n != 20 || m != 1 {
			b.t.Errorf("the members have %d and %d sessions, want 20 and 1", n, m)
		}

		open[7].Close()
		synctest.Wait()
		if code := guest.ask(`["identify","` + token + `"]`); code != "" {
			b.t.Errorf("identify when one has left = %q, want ok", code)
		}
		if n, m := len(b.members.of("m")), len(b.members.of("n")); n != 20 || m != 0 {
			b.t.Errorf("the members have %d and %d sessions, want 20 and 0", n, m)
		}
		open[8].say("41") // leaves the namespace, and its session goes on
		if list := b.open(home, token).next(); !strings.HasPrefix(list[1], "40{") {
			b.t.Errorf("a session in the place of one that has left was told %q, want it let in", list)
		}
		for range 50 {
			b.open(home, "") // guests are not counted
		}
	})
	inBubble(t, Config{MaxPerMember: -1}, func(b *bubble) {
		token := b.token("m")
		for range 100 {
			b.open(home, token)
		}
		if n := len(b.members.of("m")); n != 100 {
			b.t.Errorf("without a limit the member has %d sessions, want 100", n)
		}
	})
}

// The map of members against a model, over many turns.
func TestMembers(t *testing.T) {
	const limit, turns = 4, 20_000
	random := rand.New(rand.NewPCG(1, 2))
	names := []string{"a", "b", "c", "guest:x"}
	m, model := newMembers(), make(map[string][]*client)
	clients, whose := make([]*client, 16), make(map[*client]string)
	for i := range clients {
		clients[i] = &client{}
		whose[clients[i]] = "guest:x"
	}
	for turn := range turns {
		c := clients[random.IntN(len(clients))]
		from, to := whose[c], names[random.IntN(len(names))]
		want := from == to || to == "guest:x" || len(model[to]) < limit
		if got := m.move(from, to, c, limit); got != want {
			t.Fatalf("turn %d: move(%q, %q) = %v with %d sessions, want %v", turn, from, to, got, len(model[to]), want)
		}
		if want && from != to {
			whose[c] = to
			if i := slices.Index(model[from], c); i >= 0 {
				model[from] = slices.Delete(model[from], i, i+1)
			}
			if to != "guest:x" {
				model[to] = append(model[to], c)
			}
		}
		heads := 0
		for _, name := range names {
			if len(model[name]) > 0 {
				heads++
			}
			if got := m.of(name); !same(got, model[name]) {
				t.Fatalf("turn %d: of(%q) are %d sessions, want %d", turn, name, len(got), len(model[name]))
			}
		}
		if m.len() != heads {
			t.Fatalf("turn %d: len() = %d, want %d", turn, m.len(), heads)
		}
	}
}

// same reports whether both are the same clients.
func same(a, b []*client) bool {
	key := func(c *client) string { return fmt.Sprintf("%p", c) }
	order := func(x, y *client) int { return strings.Compare(key(x), key(y)) }
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, order)
	slices.SortFunc(b, order)
	return slices.Equal(a, b)
}
