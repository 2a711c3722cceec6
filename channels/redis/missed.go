package redis

import (
	"time"

	"github.com/sb-stream/stream-server/internal/streams"
	"github.com/sb-stream/stream-server/internal/tags"
)

const complaintIn = time.Minute // between log lines about entries that are no messages

// complainOf tells the log of an entry, once in a while.
func (t *tail) complainOf(p *partition, e *entry, what string) {
	if now := time.Now(); now.After(t.complain) {
		t.complain = now.Add(complaintIn)
		t.broker.config.Log.WithField("stream", p.key).WithField("id", e.id.String()).Warn(what)
	}
}

// missed tells the clients of the channels of a stream that durable messages
// may be missing, if there is a reason.
func (t *tail) missed(p *partition, reason string) {
	if reason == "" {
		return
	}
	b := t.broker
	b.config.Log.WithField("stream", p.key).WithField("reason", reason).
		Warn("redis: durable messages may be missing")
	var list []string
	for _, l := range b.all() {
		l.mu.Lock()
		list = append(list, l.subs.wanted(func(tag string) bool {
			return p.number == anywhere || p.number == streams.Partition(tag, b.config.StreamPartitions)
		})...)
		l.mu.Unlock()
	}
	t.sink.Missed(reason, list...)
}

// wanted are the channels that clients want, of those that ok says.
func (s *subscriptions) wanted(ok func(tag string) bool) (list []string) {
	for tag, sub := range s.tags {
		if sub.wanted && tags.Check(tag) == nil && ok(tag) {
			list = append(list, tag)
		}
	}
	return list
}
