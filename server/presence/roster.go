package presence

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// A roster is who is in one channel. All of it is guarded by Rosters.mu.
type roster struct {
	tag string // constant

	// Of this node.
	here   map[string]*stay // by id; those included who may come back
	seats  map[Session]*seat
	total  [2]int  // stays, by kind
	active [2]int  // those with sessions
	many   [2]bool // there are too many to name
	own    *report // what others are to know of it

	// Of the other nodes.
	others map[string]*report // node → what it said last
	live   bool               // what they say has begun to arrive
	synced bool               // all of them have said it, or had the time to
	asking *inquiry           // nil: they need not be asked

	// What sessions were told.
	shown   view
	json    []byte  // the same, once somebody needed it
	waiting []*seat // not ready
	due     time.Time
	flushed time.Time

	// What the others are told.
	mustSay bool
	queued  bool
	saying  bool
	again   time.Time // when it is said although nothing has changed
}

// The kinds of those who are here.
const (
	member = iota
	guest
)

// A stay is somebody who is here, with any number of sessions.
type stay struct {
	guest    bool
	shown    bool   // what was shown last has them
	sessions int    // 0: they may come back
	ticket   uint64 // of the lingerer that is good for that
	hash     uint64 // of a guest
	said     json.RawMessage
}

// hear takes what is said of somebody, and reports whether that is new.
func (s *stay) hear(said json.RawMessage) bool {
	if said == nil || bytes.Equal(said, s.said) {
		return false
	}
	s.said = said
	return true
}

func (s *stay) kind() int {
	if s.guest {
		return guest
	}
	return member
}

// A seat is one session's place.
type seat struct {
	id    string
	ready chan struct{}
	told  told
}

// What a session has been told.
type told uint8

const (
	nothing told = iota // it waits to be welcome
	owed                // it has a list that is old
	all                 // what was shown last
)

// A view is who is in a channel, on all nodes.
type view struct {
	members   []string // ascending; nil if there are too many
	count     int      // of members
	guests    int
	truncated bool
	said      map[string]json.RawMessage // of members; nil: nothing
}

// of is what is said of those.
func (v *view) of(members []string) (list []json.RawMessage) {
	for _, id := range members {
		if said := v.said[id]; said != nil {
			list = append(list, said)
		}
	}
	return list
}

func newRoster(tag string) *roster {
	return &roster{
		tag:    tag,
		here:   make(map[string]*stay),
		seats:  make(map[Session]*seat),
		others: make(map[string]*report),
		shown:  view{members: []string{}},
		own:    &report{},
	}
}

// arrive counts a session of somebody, and reports whether that changes who is
// here.
func (r *roster) arrive(who Who) (changed bool) {
	one := r.here[who.ID]
	if one == nil {
		one = &stay{guest: who.Guest}
		if who.Guest {
			one.hash = hash(who.ID)
		}
		r.here[who.ID] = one
		r.total[one.kind()]++
		changed = true
	}
	changed = one.hear(who.Said) || changed
	if one.sessions++; one.sessions == 1 {
		r.active[one.kind()]++
		changed = changed || r.many[one.kind()]
	}
	return changed
}

// count makes own anew, of at most room bytes, and reports whether it has
// changed.
func (r *roster) count(room int) (changed bool) {
	for kind := range r.many {
		limit := Limit
		if r.many[kind] {
			limit = Limit - Limit/10 // so that one who comes and goes does not change it each time
		}
		r.many[kind] = r.total[kind] > limit
	}
	own := &report{}
	size := 0
	for id, one := range r.here {
		one.shown = true
		switch {
		case r.many[one.kind()]:
		case one.guest:
			own.Guests = append(own.Guests, one.hash)
			size += hashLength
		default:
			own.Members = append(own.Members, id)
			size += 2*len(id) + len(`"",`) // JSON makes it longer by less than that
			if one.said != nil {
				if own.Said == nil {
					own.Said = make(map[string]json.RawMessage)
				}
				own.Said[id] = one.said
				size += 2*len(id) + len(`"":,`) + len(one.said)
			}
		}
	}
	if size > room {
		r.many = [2]bool{true, true}
		own.Members, own.Guests, own.Said = nil, nil, nil
	}
	if r.many[member] {
		own.MoreMembers = r.active[member]
	}
	if r.many[guest] {
		own.MoreGuests = r.active[guest]
	}
	slices.Sort(own.Members)
	slices.Sort(own.Guests)
	changed = !own.same(r.own)
	r.own = own
	return changed
}

// hash is what others are told of a guest.
func hash(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:])
}

// look is who is here, by what this node and the others have said.
func (r *roster) look() view {
	v := view{members: []string{}}
	var guests []uint64
	named, counted := true, true
	for said := range r.reports {
		named = named && said.MoreMembers == 0
		counted = counted && said.MoreGuests == 0
		v.count += len(said.Members) + said.MoreMembers
		v.guests += len(said.Guests) + said.MoreGuests
		v.members = append(v.members, said.Members...)
		guests = append(guests, said.Guests...)
		if len(said.Said) > 0 && v.said == nil {
			v.said = make(map[string]json.RawMessage)
		}
		for id, text := range said.Said {
			if v.said[id] == nil {
				v.said[id] = text
			}
		}
	}
	if counted {
		slices.Sort(guests)
		v.guests = len(slices.Compact(guests))
	}
	limit := Limit
	if r.shown.truncated {
		limit -= Limit / 10
	}
	if named {
		slices.Sort(v.members)
		v.members = slices.Compact(v.members)
		v.count = len(v.members)
	}
	if !named || v.count > limit {
		v.members, v.said, v.truncated = nil, nil, true
	}
	return v
}

// reports is what all nodes have said, this one first.
func (r *roster) reports(yield func(*report) bool) {
	if !yield(r.own) {
		return
	}
	maps.Values(r.others)(yield)
}

// interval is the time from one event to the next: every one of them goes to
// everybody.
func (r *roster) interval() time.Duration {
	switch n := max(len(r.seats), r.shown.count+r.shown.guests); {
	case !r.synced: // somebody waits for it
		return 0
	case n <= 100:
		return 200 * time.Millisecond
	case n <= Limit:
		return time.Second
	default:
		return 5 * time.Second
	}
}
