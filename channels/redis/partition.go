package redis

import (
	"cmp"

	"github.com/sb-stream/stream-server/internal/streams"
)

// Why clients may have missed durable messages, as they are told.
const (
	reasonRestarted = "stream_restarted" // the stream is another one, or an older state of it
	reasonTrimmed   = "stream_trimmed"   // it was trimmed before this node had read it
)

// A partition is what is known about one stream of durable messages: a state
// machine without input or output, as subscriptions is.
//
// Entries must come each once and none be left out. XREAD says nothing when
// entries were trimmed before they were read, nor when the stream was made
// anew. So the entries are counted, and the count is compared with that of
// Redis, which says how many were ever added (since Redis 7).
type partition struct {
	key    string
	number int // as [streams.Partition] has it; anywhere if messages of any channel may be here
	begun  bool
	last   streams.ID // read last, or where it began
	added  int64      // entries that were ever added, up to last; unknown if that is not known
	mark   *mark      // nil if there is nothing to compare with
}

// anywhere is the number of the stream of those who know of no partitions.
const anywhere = -1

// A mark is what Redis said: when last was the last entry, this many had been added.
type mark struct {
	last  streams.ID
	added int64
}

// unknown is a number of entries that Redis did not say.
const unknown = -1

// A streamInfo is what XINFO STREAM says; the zero value is that of a key that
// is not there.
type streamInfo struct {
	last   streams.ID // the id given last
	first  streams.ID // of the first entry; zero if there is none
	length int64
	added  int64 // entries ever added; unknown before Redis 7
}

// resume is called with what Redis says on a new connection, and with whether
// the entry of last is still there, before anything is read. The reason is that
// for which messages may be missing, if they may.
func (p *partition) resume(info streamInfo, present bool) (reason string) {
	p.mark = nil
	switch {
	case !p.begun:
		p.begun, p.last, p.added = true, info.last, info.added
		return ""
	case info.last.Compare(p.last) <= 0:
		return p.behind(info)
	case !present && !p.last.IsZero():
		// Nobody can say what stood between this and the entries that are there.
		reason = reasonRestarted
		p.added = unknown
		if info.first.Compare(p.last) > 0 && info.added != unknown {
			p.added = info.added - info.length // all that is there is still to be read
			if p.added > 0 {
				reason = reasonTrimmed
			}
		}
	}
	return p.ahead(info, reason)
}

// ahead takes what Redis says when there is, or was, something to read.
func (p *partition) ahead(info streamInfo, reason string) string {
	if info.length == 0 { // there was
		p.last, p.added, p.mark = info.last, info.added, nil
		return cmp.Or(reason, reasonTrimmed)
	}
	p.mark = &mark{info.last, info.added}
	return reason
}

// behind takes what Redis says when it is not ahead of what was read.
func (p *partition) behind(info streamInfo) (reason string) {
	if info.last == p.last {
		p.mark = &mark{info.last, info.added}
		return p.compare(false)
	}
	p.last, p.added, p.mark = info.last, info.added, nil
	return reasonRestarted
}

// note is called with what Redis says from time to time, after everything that
// came before was read.
func (p *partition) note(info streamInfo) (reason string) {
	switch {
	case info.last.Compare(p.last) <= 0:
		return p.behind(info)
	case p.mark == nil || info.length == 0:
		return p.ahead(info, "")
	}
	return ""
}

// read is called with the id of each entry. It reports whether the entry is
// new, and why messages before it may be missing.
func (p *partition) read(id streams.ID) (isNew bool, reason string) {
	if id.Compare(p.last) <= 0 {
		return false, ""
	}
	if p.mark != nil && id.Compare(p.mark.last) > 0 { // the entry of the mark itself is gone
		reason = p.compare(true)
	}
	p.last = id
	if p.added != unknown {
		p.added++
	}
	if p.mark != nil && id == p.mark.last {
		reason = p.compare(false)
	}
	return true, reason
}

// compare ends a mark, whose entry may be gone.
func (p *partition) compare(gone bool) (reason string) {
	m := p.mark
	p.mark = nil
	switch {
	case m.added == unknown || p.added == unknown:
		if gone {
			reason = reasonTrimmed // perhaps with others before it
		}
	case p.added < m.added:
		reason = reasonTrimmed
	case p.added > m.added:
		reason = reasonRestarted
	}
	p.added = m.added
	return reason
}
