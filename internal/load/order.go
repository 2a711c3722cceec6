package load

// A verdict is what a message was to the client that got it.
type verdict int

const (
	inOrder verdict = iota // the one that was due
	early                  // some before it have not come
	late                   // one that had been left out
	doubled                // one that had come before
)

// maxHoles is how many holes a client remembers, of those it has the last.
const maxHoles = 64

// An order is the numbers that one client has seen of its channel.
type order struct {
	last  int64  // the highest
	holes []hole // what is missing below it, in order
}

// A hole is numbers that have not come, both ends included.
type hole struct{ from, to int64 }

// see takes the next message's number.
func (o *order) see(n int64) verdict {
	if n == o.last+1 {
		o.last = n
		return inOrder
	}
	if n > o.last {
		if len(o.holes) == maxHoles {
			o.holes = append(o.holes[:0], o.holes[1:]...)
		}
		o.holes = append(o.holes, hole{o.last + 1, n - 1})
		o.last = n
		return early
	}
	for i, h := range o.holes {
		if n < h.from || n > h.to {
			continue
		}
		var parts []hole
		if h.from < n {
			parts = append(parts, hole{h.from, n - 1})
		}
		if n < h.to {
			parts = append(parts, hole{n + 1, h.to})
		}
		o.holes = append(o.holes[:i:i], append(parts, o.holes[i+1:]...)...)
		return late
	}
	return doubled
}

// Faults are deliveries that are not as they should be.
type Faults struct {
	Lost    int64 // never came, though the client reads
	Doubled int64 // came again
	Swapped int64 // came after a later one
	Foreign int64 // of a channel that the client did not ask for
	Closed  int64 // clients whose connection ended
}

// Any reports whether there are some.
func (f Faults) Any() bool { return f != Faults{} }
