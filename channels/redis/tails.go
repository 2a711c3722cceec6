package redis

import (
	"context"
	"maps"
	"slices"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/streams"
)

// newTails is one for all streams, or one for each where they are on different
// nodes of a Cluster.
func (b *Broker) newTails(sink channels.Sink) (tails []*tail) {
	if b.config.StreamPartitions == 0 {
		return nil
	}
	keys := make(map[string]int)
	for i, key := range streams.Keys(b.config.Prefix, b.config.StreamPartitions) {
		keys[key] = i
	}
	if b.config.StreamPartitions > 1 { // what is added by who knows of no partitions is not lost
		keys[streams.Key(b.config.Prefix, "", 1)] = anywhere
	}
	b.tailing.Store(true)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if len(tails) == 0 || b.cluster != nil {
			tails = append(tails, b.newTail(sink, key))
		}
		tails[len(tails)-1].add(key, keys[key])
	}
	b.late.Store(int32(len(tails))) //nolint:gosec // of at most 257
	return tails
}

// newTail is one that begins with this stream.
func (b *Broker) newTail(sink channels.Sink, key string) *tail {
	t := &tail{
		broker: b, dialer: b.dialer.forStreams(), sink: sink, late: true,
		byKey: make(map[string]*partition), placed: make(chan struct{}),
	}
	if b.cluster != nil {
		t.dialer.find = func(context.Context) (string, error) {
			addr := b.cluster.owner(key)
			if addr == "" {
				return "", errNoOwner
			}
			return addr, nil
		}
	}
	return t
}

func (t *tail) add(key string, number int) {
	p := &partition{key: key, number: number}
	t.partitions = append(t.partitions, p)
	t.byKey[key] = p
}

// isLate notes whether the connection is missing.
func (t *tail) isLate(late bool) {
	if late && !t.late {
		t.broker.late.Add(1)
	} else if !late && t.late {
		t.broker.late.Add(-1)
	}
	t.late = late
}
