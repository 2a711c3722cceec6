package chaos

import "fmt"

// A verdict counts what one client, or many, got of the messages that were
// published while they listened.
type verdict struct {
	owed     int // accepted by Redis, after the client's subscription was confirmed
	got      int // of all messages, each once
	replayed int // of those, after a reconnect, as the server counts
	told     int // owed and not got, and a gap was told there
	late     int // of those: told by the answer to subscribe, after a newer message
	lost     int // owed and not got, and nothing was told
	twice    int // got again
	swapped  int // got after a newer one
	foreign  int // never published
	faults   []string
}

// maxFaults is how many faults of a verdict are described.
const maxFaults = 5

func (v *verdict) add(other verdict) {
	v.owed += other.owed
	v.got += other.got
	v.replayed += other.replayed
	v.told += other.told
	v.late += other.late
	v.lost += other.lost
	v.twice += other.twice
	v.swapped += other.swapped
	v.foreign += other.foreign
	for _, fault := range other.faults {
		v.fault("%s", fault)
	}
}

func (v *verdict) fault(format string, args ...any) {
	if len(v.faults) < maxFaults {
		v.faults = append(v.faults, fmt.Sprintf(format, args...))
	}
}

// wrong is how much of it no kind of channel may ever have.
func (v verdict) wrong() int { return v.lost + v.twice + v.swapped + v.foreign }

// A checker walks through what a client saw of a channel.
type checker struct {
	verdict
	replies []bool
	from    int // messages after this one are owed; -1: none yet
	seen    []bool
	last    int // the highest number received
	excused bool
	pending []int // missing, and the answer to subscribe is still to come
	waiting bool  // for it
}

// check says what became of each message: replies is what Redis said of
// message n at n-1, entries what the client saw.
//
// A message is owed if Redis accepted it and it was published after the first
// answer to subscribe. A hole is told if a gap was told between the messages
// on either side of it, or by the answer to the subscribe that was under way.
// What Redis did not accept may have been delivered or not, once and in order.
func check(replies []bool, entries []entry) verdict {
	c := &checker{replies: replies, from: -1, seen: make([]bool, len(replies)+1)}
	for _, e := range entries {
		switch e.what {
		case asked:
			// An answer that never came has told nothing: the position that
			// goes with this subscribe is past the hole.
			c.lose(c.pending)
			c.pending, c.waiting = nil, true
		case answered:
			c.answer(e)
		case gap:
			c.excused = true
			c.excusePending()
		case message:
			c.message(e.n)
		}
	}
	c.lose(c.pending)
	c.pass(len(replies) + 1)
	c.lose(c.pending)
	for n, accepted := range replies {
		if accepted && c.owes(n+1) {
			c.owed++
		}
	}
	return c.verdict
}

func (c *checker) answer(e entry) {
	c.waiting = false
	if c.from < 0 {
		c.from = e.n
	}
	if !e.again {
		return
	}
	c.replayed += e.replayed
	if e.recovered {
		c.lose(c.pending)
	} else {
		c.excused = true
		c.excusePending()
	}
	c.pending = nil
}

func (c *checker) message(n int) {
	switch {
	case n < 1 || n > len(c.replies):
		c.foreign++
		c.fault("message %d was never published", n)
		return
	case c.seen[n]:
		c.twice++
		c.fault("message %d came twice", n)
		return
	}
	c.seen[n] = true
	c.got++
	if n < c.last {
		c.swapped++
		c.fault("message %d came after %d", n, c.last)
		return
	}
	c.pass(n)
	c.last, c.excused = n, false
}

// pass judges what is missing between the last message and n.
func (c *checker) pass(n int) {
	var missing []int
	for m := c.last + 1; m < n; m++ {
		if c.replies[m-1] && c.owes(m) {
			missing = append(missing, m)
		}
	}
	switch {
	case c.excused:
		c.told += len(missing)
	case c.waiting:
		c.pending = append(c.pending, missing...)
	default:
		c.lose(missing)
	}
}

func (c *checker) owes(n int) bool { return c.from >= 0 && n > c.from }

func (c *checker) lose(missing []int) {
	c.lost += len(missing)
	if len(missing) > 0 {
		c.fault("messages %s were lost and nothing was told", numbers(missing))
	}
}

func (c *checker) excusePending() {
	c.told += len(c.pending)
	c.late += len(c.pending)
	c.pending = nil
}

// numbers is a list as people write it, by its ends.
func numbers(list []int) string {
	if len(list) == 1 {
		return fmt.Sprint(list[0])
	}
	return fmt.Sprintf("%d to %d (%d of them)", list[0], list[len(list)-1], len(list))
}
