package channels

import (
	"cmp"
	"slices"
	"time"
)

// A Load is what is published on a channel, as far as its history tells.
type Load struct {
	Tag     string
	Rate    float64 // messages a second
	Bytes   float64 // of data, a second
	Clients int     // now
}

// Limits of what is looked at for a Load.
const (
	loadWindow = 10 * time.Second
	loadSample = 4096 // messages
	loadBreath = 256  // of them under one lock, which every message takes
)

// Busiest is the channels on which most is published, at most limit of them, the
// busiest first. It is reckoned from the newest messages that are kept, no older
// than 10 s and no more than 4,096, so that a message pays nothing for it. One
// that is kept no longer than it is sent, as with Keep 0, is not there.
func (cs *Channels) Busiest(limit int) []Load {
	now := cs.retention.now()
	loads := make(map[*Channel]*load)
	span := cs.retention.newestFirst(now-loadWindow.Milliseconds(), func(e *entry) {
		l := loads[e.channel]
		if l == nil {
			l = new(load)
			loads[e.channel] = l
		}
		l.add(e)
	})
	list := make([]Load, 0, len(loads))
	for ch, l := range loads {
		rate, bytes := l.reckon(now, span, cs.retention.count)
		list = append(list, Load{Tag: ch.tag, Rate: rate, Bytes: bytes})
	}
	slices.SortFunc(list, func(a, b Load) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Tag, b.Tag))
	})
	list = list[:min(limit, len(list))]
	for i := range list {
		list[i].Clients = cs.Clients(list[i].Tag)
	}
	return list
}

// newestFirst calls f with messages no older than since, at most 4,096 of them,
// and returns how many milliseconds back all of them were looked at. The lock is
// let go of between a few, and messages that come meanwhile are left out.
func (r *retention) newestFirst(since int64, f func(*entry)) (span int64) {
	now := r.now()
	few := make([]*entry, 0, loadBreath)
	var last *entry
	for looked := 0; looked < loadSample; looked += len(few) {
		few = few[:0]
		r.mu.Lock()
		e := r.newest
		if last != nil {
			e = last.older
			if e == nil && r.oldest != last { // it has been removed meanwhile
				r.mu.Unlock()
				break
			}
		}
		for ; e != nil && e.time >= since && len(few) < loadBreath; e = e.older {
			few = append(few, e)
		}
		r.mu.Unlock()
		for _, e := range few {
			f(e)
		}
		if len(few) < loadBreath {
			return now - since
		}
		last = few[len(few)-1]
	}
	return now - last.time
}

// A load counts messages of one channel, newest first.
type load struct {
	messages, bytes int
	oldest          int64 // when the last of them came, in milliseconds
}

func (l *load) add(e *entry) {
	l.messages++
	l.bytes += len(e.Data)
	l.oldest = e.time
}

// reckon is what comes in a second, of messages that came within so many
// milliseconds. Of a channel of which as many were found as are kept, there were
// more: the first of these then only says when the others began to come.
func (l *load) reckon(now, span int64, kept int) (rate, bytes float64) {
	n := float64(l.messages)
	size := float64(l.bytes) / max(n, 1)
	if l.messages >= kept {
		n, span = n-1, min(span, now-l.oldest)
	}
	rate = n / float64(max(span, 1)) * 1000
	return rate, rate * size
}

// loadLocked is that of the channel, and how many messages its history has.
func (ch *Channel) loadLocked(cs *Channels) (l Load, kept int) {
	l = Load{Tag: ch.tag, Clients: ch.clients.size()}
	h := ch.history
	if h == nil {
		return l, 0
	}
	now := cs.retention.now()
	var recent load
	for e := h.oldest; e != nil; e = e.next {
		if e.time < now-loadWindow.Milliseconds() {
			continue
		}
		if recent.messages == 0 {
			recent.oldest = e.time
		}
		recent.messages++
		recent.bytes += len(e.Data)
	}
	l.Rate, l.Bytes = recent.reckon(now, loadWindow.Milliseconds(), cs.retention.count)
	return l, h.count
}
