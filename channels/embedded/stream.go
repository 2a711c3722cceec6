package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/streams"
)

// A record is a durable message.
type record struct {
	id   streams.ID
	at   int64 // when it came, in milliseconds since 1970
	tag  string
	data []byte
}

// overhead is about what a record takes beside its text, in bytes.
const overhead = 96

func (r *record) size() int { return len(r.tag) + len(r.data) + overhead }

// A stream is the durable messages of all channels, oldest first, within
// bounds. One goroutine adds; any may look.
type stream struct {
	// Constant.
	most  int           // records
	room  int           // bytes of them
	until time.Duration // that one is kept

	delivered streams.Progress

	mu      sync.RWMutex
	records []record   // guarded by mu; what was dropped at the front is cut off
	bytes   int        // guarded by mu; of records
	last    streams.ID // guarded by mu; given last
	gone    streams.ID // guarded by mu; of the newest record that was dropped
}

// Errors of an id, in the words of Redis.
var (
	errSmallID = errors.New("ERR The ID specified in XADD is equal or smaller than the target stream top item")
	errZeroID  = errors.New("ERR The ID specified in XADD must be greater than 0-0")
	errNoIDs   = errors.New("ERR The stream has exhausted the last possible ID, unable to add more items")
)

// A wantedID is the id that a message shall have.
type wantedID struct {
	id     streams.ID
	anyMS  bool // the time of now, and the next number: "*"
	anySeq bool // the next number: "5-*"
}

// next is the id of a message that follows the one of last. Ids grow, even if
// the clock does not.
func (w wantedID) next(last streams.ID, now time.Time) (streams.ID, error) {
	ms := uint64(max(now.UnixMilli(), 0))
	switch {
	case last == streams.Max:
		return streams.ID{}, errNoIDs
	case w.anyMS && ms > last.MS:
		return streams.ID{MS: ms}, nil
	case w.anyMS:
		return last.Next(), nil
	case w.anySeq && w.id.MS > last.MS:
		return streams.ID{MS: w.id.MS}, nil
	case w.anySeq && w.id.MS == last.MS && last.Seq < math.MaxUint64:
		return last.Next(), nil
	case w.anySeq:
		return streams.ID{}, errSmallID
	case w.id.IsZero():
		return streams.ID{}, errZeroID
	case w.id.Compare(last) <= 0:
		return streams.ID{}, errSmallID
	}
	return w.id, nil
}

// A trim is what XADD says of what may be forgotten. The zero trim is nothing.
type trim struct {
	most int        // records that stay; 0: it does not say
	none bool       // no record stays
	from streams.ID // of the first that stays
}

// add puts records at the end.
func (s *stream) add(list []record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		s.records = append(s.records, list[i])
		s.bytes += list[i].size()
		s.last = list[i].id
	}
}

// drop forgets what is beyond the bounds, or beyond those of t.
func (s *stream) drop(t trim, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most, n := s.most, 0
	if t.most > 0 || t.none {
		most = min(most, t.most)
	}
	oldest := now.Add(-s.until).UnixMilli()
	for n < len(s.records) {
		r := &s.records[n]
		if len(s.records)-n <= most && s.bytes <= s.room && r.at >= oldest && r.id.Compare(t.from) >= 0 {
			break
		}
		s.bytes -= r.size()
		s.gone = r.id
		n++
	}
	clear(s.records[:n]) // gives the memory of the messages back
	s.records = s.records[n:]
}

// bounds are the id given last, and the newest that is gone.
func (s *stream) bounds() (last, gone streams.ID) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.last, s.gone
}

// between are the records from one id to another, both included, at most limit.
func (s *stream) between(from, to streams.ID, limit int) []record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	first, _ := s.findLocked(from)
	end, found := s.findLocked(to)
	if found {
		end++
	}
	if end <= first {
		return nil
	}
	return slices.Clone(s.records[first:min(end, first+limit)])
}

// length is how many records there are.
func (s *stream) length() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.records)
}

// findLocked is the place of an id, and whether there is a record at it.
func (s *stream) findLocked(id streams.ID) (int, bool) {
	return slices.BinarySearchFunc(s.records, id, func(r record, id streams.ID) int { return r.id.Compare(id) })
}

// since is what [channels.Keeper.Since] finds, and the id given last.
func (s *stream) since(tag string, id streams.ID, limit int) (kept []channels.Kept, complete bool, last streams.ID) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	last = s.last
	i, found := s.findLocked(id)
	switch {
	case found:
		i++
	case id != s.gone || s.gone.IsZero(): // else it was the last that is gone
		return nil, false, last
	}
	for ; i < len(s.records); i++ {
		if r := &s.records[i]; r.tag == tag {
			if len(kept) == limit {
				return kept, false, last
			}
			kept = append(kept, channels.Kept{ID: r.id.String(), Data: r.data})
		}
	}
	return kept, true, last
}

// Since returns what was kept on the channel after the message of that id.
func (b *Broker) Since(ctx context.Context, tag, id string, limit int) (kept []channels.Kept, complete bool, err error) {
	from, err := streams.Parse(id)
	if err != nil {
		return nil, false, nil // no message has it
	}
	kept, complete, last := b.stream.since(tag, from, limit)
	if err := b.stream.delivered.Wait(ctx, last); err != nil {
		return nil, false, fmt.Errorf("embedded: since: %w", err)
	}
	return kept, complete, nil
}
