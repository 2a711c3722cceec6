package redis

import (
	"context"
	"fmt"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/streams"
)

// What one Since takes at most.
const (
	maxKeepers = 8        // of them at once; others wait, as long as their context allows
	maxScanned = 50_000   // entries, of all channels of the stream
	maxKept    = 16 << 20 // bytes of what it returns
	scanCount  = 500      // entries that one XRANGE asks for
)

// Keep is Publish of a durable message, and returns the id under which Redis
// has it. Redis forgets the oldest of its stream beyond StreamMax, or some more.
func (b *Broker) Keep(ctx context.Context, tag string, data []byte) (id string, err error) {
	ctx, cancel, err := b.limit(ctx, data)
	if err != nil {
		return "", err
	}
	defer cancel()
	key := streams.Key(b.config.Prefix, tag, b.config.StreamPartitions)
	id, err = redis.String(b.way.do(ctx, key, "XADD", key,
		"MAXLEN", "~", b.config.StreamMax, "*", streams.FieldChannel, tag, streams.FieldData, data))
	if err != nil {
		return "", fmt.Errorf("redis: keep: %w", cause(ctx, err))
	}
	return id, nil
}

// Since returns what was kept on the channel after the message of that id. It
// is complete if that message is still in the stream, since Redis forgets from
// the oldest on, and if there are not too many entries after it.
func (b *Broker) Since(ctx context.Context, tag, id string, limit int) (kept []channels.Kept, complete bool, err error) {
	from, err := streams.Parse(id)
	if err != nil || b.config.StreamPartitions == 0 {
		return nil, false, nil // no stream has it
	}
	ctx, cancel, err := b.limit(ctx, nil)
	if err != nil {
		return nil, false, err
	}
	defer cancel()
	key := streams.Key(b.config.Prefix, tag, b.config.StreamPartitions)
	conn, err := b.forKept(ctx, key)
	if err == nil {
		defer conn.Close()
		s := scan{conn: conn, key: key, tag: tag, largest: b.config.MaxPublish, limit: limit}
		if complete, err = s.after(ctx, from); err == nil {
			err = b.caughtUp(ctx, &s, complete)
		}
		if err == nil {
			return s.kept, complete, nil
		}
	}
	return nil, false, fmt.Errorf("redis: since: %w", cause(ctx, err))
}

// forKept is a connection to the Redis that has this stream.
func (b *Broker) forKept(ctx context.Context, key string) (redis.Conn, error) {
	if b.cluster != nil {
		return b.cluster.keeper(ctx, key)
	}
	return b.keeper.GetContext(ctx)
}

// caughtUp waits until this node has read the stream up to where the scan came,
// or up to its end if that is not known.
func (b *Broker) caughtUp(ctx context.Context, s *scan, complete bool) error {
	if !b.tailing.Load() {
		return nil
	}
	end := s.end
	if !complete {
		reply, err := redis.DoContext(s.conn, ctx, "XINFO", "STREAM", s.key)
		if noSuchKey(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := readInfo(reply)
		if err != nil {
			return err
		}
		end = info.last
	}
	return b.tailed[streams.Partition(s.tag, b.config.StreamPartitions)].Wait(ctx, end)
}

// A scan looks for the messages of one channel among all of a stream.
type scan struct {
	conn    redis.Conn
	key     string
	tag     string
	largest int // bytes of a message
	limit   int // messages

	kept    []channels.Kept
	bytes   int
	scanned int
	end     streams.ID // of the last entry that it came to
}

// after keeps what came after the entry from, and reports whether that is all.
func (s *scan) after(ctx context.Context, from streams.ID) (complete bool, err error) {
	entries, end, err := s.page(ctx, from, scanCount)
	if err != nil || len(entries) == 0 || entries[0].id != from {
		return false, err
	}
	s.end = from
	if !s.take(entries[1:]) {
		return false, nil
	}
	if end {
		return true, nil
	}
	for last := entries[len(entries)-1].id; !end; last = entries[len(entries)-1].id {
		if entries, end, err = s.page(ctx, last.Next(), scanCount); err != nil {
			return false, err
		}
		if !s.take(entries) {
			return false, nil
		}
		if len(entries) == 0 {
			break
		}
	}
	// What was forgotten meanwhile may have stood between two pages.
	entries, _, err = s.page(ctx, from, 1)
	return err == nil && len(entries) == 1 && entries[0].id == from, err
}

// page returns entries from an id on, and whether there are no more.
func (s *scan) page(ctx context.Context, from streams.ID, count int) (entries []entry, end bool, err error) {
	reply, err := redis.DoContext(s.conn, ctx, "XRANGE", s.key, from.String(), "+", "COUNT", count)
	if err != nil {
		return nil, false, err
	}
	if entries, err = readEntries(reply, s.largest, true); err != nil {
		return nil, false, err
	}
	list, _ := reply.([]any)
	return entries, len(list) < count && len(entries) == len(list), nil
}

// take keeps those of the channel, and reports false when it cannot keep all.
func (s *scan) take(entries []entry) bool {
	for i := range entries {
		e := &entries[i]
		switch {
		case e.fault == oversized && (e.tag == "" || e.tag == s.tag):
			return false // clients have missed it
		case e.fault != noFault || e.tag != s.tag:
			continue
		case len(s.kept) >= s.limit || s.bytes+len(e.data) > maxKept:
			return false
		}
		s.bytes += len(e.data)
		s.kept = append(s.kept, channels.Kept{ID: e.id.String(), Data: e.data})
	}
	if len(entries) > 0 {
		s.end = entries[len(entries)-1].id
	}
	s.scanned += len(entries)
	return s.scanned <= maxScanned
}

// limit refuses data over the limit, and gives a call without a deadline one.
func (b *Broker) limit(ctx context.Context, data []byte) (context.Context, context.CancelFunc, error) {
	if len(data) > b.config.MaxPublish {
		b.refused.Add(1)
		return nil, nil, fmt.Errorf("redis: a message of %d bytes is over the limit of %d", len(data), b.config.MaxPublish)
	}
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel := context.WithTimeout(ctx, b.config.PublishTimeout)
		return ctx, cancel, nil
	}
	return ctx, func() {}, nil
}
