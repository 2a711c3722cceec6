package redis

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sb-stream/stream-server/internal/streams"
)

func id(n uint64) streams.ID { return streams.ID{MS: 1000 + n} }

// begun has read up to 9, of as many entries.
func begun() *partition { return &partition{begun: true, last: id(9), added: 9} }

func TestResume(t *testing.T) {
	at := func(last, first uint64, length, added int64) streamInfo {
		return streamInfo{id(last), id(first), length, added}
	}
	for _, tt := range []struct {
		name    string
		before  *partition
		info    streamInfo
		present bool
		want    string
		last    streams.ID
	}{
		{"the first time", &partition{}, at(9, 5, 5, 9), false, "", id(9)},
		{"the first time, no stream", &partition{}, streamInfo{}, false, "", streams.ID{}},
		{"nothing happened", begun(), at(9, 5, 5, 9), true, "", id(9)},
		{"all was trimmed, after it was read", begun(), streamInfo{last: id(9), added: 9}, false, "", id(9)},
		{"more was added", begun(), at(12, 5, 8, 12), true, "", id(9)},
		{"still no stream", &partition{begun: true}, streamInfo{}, false, "", streams.ID{}},
		{"a new stream", &partition{begun: true}, at(3, 1, 3, 3), false, "", streams.ID{}},
		{"a new stream, all of it trimmed", &partition{begun: true}, streamInfo{last: id(3), added: 3}, false, reasonTrimmed, id(3)},
		{"the key is gone", begun(), streamInfo{}, false, reasonRestarted, streams.ID{}},
		{"it went back", begun(), at(7, 5, 3, 7), false, reasonRestarted, id(7)},
		{"another with the same end", begun(), at(9, 9, 1, 1), true, reasonRestarted, id(9)},
		{"another that is ahead", begun(), at(12, 10, 3, 3), false, reasonRestarted, id(9)},
		{"another branch", begun(), at(12, 5, 7, 11), false, reasonRestarted, id(9)},
		{"trimmed", begun(), at(20, 15, 6, 20), false, reasonTrimmed, id(9)},
		{"trimmed, and nothing left", begun(), streamInfo{last: id(20), added: 20}, false, reasonRestarted, id(20)},
		{"Redis 6", &partition{begun: true, last: id(9), added: unknown}, at(12, 5, 8, unknown), true, "", id(9)},
		{"Redis 6, trimmed", &partition{begun: true, last: id(9), added: unknown}, at(20, 15, 6, unknown), false, reasonRestarted, id(9)},
	} {
		if got := tt.before.resume(tt.info, tt.present); got != tt.want || tt.before.last != tt.last {
			t.Errorf("%s: resume = %q and goes on after %v, want %q and %v", tt.name, got, tt.before.last, tt.want, tt.last)
		}
	}
}

// A Redis that adds, trims, and starts anew, and a node that reads now and then
// and loses its connection: each entry comes once and in order, and one that
// never came was told of, before anything else was read after the next look.
func TestPartitionModel(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := &streamModel{}
		p := &partition{}
		p.resume(m.info(), false)
		unread := 0 // entries that were added and not read, nor told of
		steps := 1 + r.IntN(40)
		for step := range steps {
			told := ""
			switch n := r.IntN(12); {
			case n < 5:
				m.add()
				unread++
			case n < 6:
				m.trim(r.IntN(4))
			case n < 9: // XREAD
				for _, e := range m.after(p.last, 1+r.IntN(3)) {
					isNew, reason := p.read(e)
					if !isNew {
						t.Fatalf("seed %d, step %d: %v comes twice", seed, step, e)
					}
					unread--
					if reason != "" {
						told = reason
					}
				}
			case n < 10:
				told = p.note(m.info())
			case n < 11: // the connection breaks, and is there again
				told = p.resume(m.info(), slices.Contains(m.entries, p.last))
			default: // Redis starts anew, which breaks the connection; what was there is lost
				if r.IntN(4) > 0 {
					continue
				}
				if p.last.IsZero() {
					unread = 0 // there was nothing that it could know of
				}
				lost := unread > 0
				m.restart()
				for range r.IntN(3) * r.IntN(6) {
					m.add()
					unread++
				}
				m.trim(r.IntN(30))
				told = p.resume(m.info(), false)
				if told == "" && lost {
					t.Fatalf("seed %d, step %d: Redis lost entries and nobody was told", seed, step)
				}
			}
			if told != "" {
				unread = len(m.after(p.last, len(m.entries)))
			}
		}
		// In the end all is read, and looked at once more.
		for range 2 {
			if p.note(m.info()) != "" {
				unread = len(m.after(p.last, len(m.entries)))
			}
			for _, e := range m.after(p.last, len(m.entries)) {
				_, reason := p.read(e)
				if unread--; reason != "" {
					unread = len(m.after(p.last, len(m.entries)))
				}
			}
		}
		if unread != 0 {
			t.Fatalf("seed %d: %d entries were neither read nor told of", seed, unread)
		}
	}
}

// A streamModel is a stream of Redis 7.
type streamModel struct {
	entries []streams.ID
	clock   uint64
	last    streams.ID
	added   int64
}

func (m *streamModel) add() {
	m.clock++
	m.last = id(m.clock)
	m.added++
	m.entries = append(m.entries, m.last)
}

func (m *streamModel) trim(most int) {
	m.entries = m.entries[max(0, len(m.entries)-most):]
}

func (m *streamModel) restart() { m.entries, m.last, m.added = nil, streams.ID{}, 0 }

func (m *streamModel) after(last streams.ID, count int) []streams.ID {
	i, found := slices.BinarySearchFunc(m.entries, last, streams.ID.Compare)
	if found {
		i++
	}
	return slices.Clone(m.entries[i:min(len(m.entries), i+count)])
}

func (m *streamModel) info() streamInfo {
	info := streamInfo{last: m.last, length: int64(len(m.entries)), added: m.added}
	if len(m.entries) > 0 {
		info.first = m.entries[0]
	}
	return info
}
