package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/streams"
	"github.com/sb-stream/stream-server/internal/tags"
)

const (
	tailCount = 512     // entries of each stream that one XREAD asks for
	tailReply = 8 << 20 // bytes that one answer may have; more if one message may
)

// A tail reads streams of durable messages, all on one connection, from the last entry that there is when it begins. After a break it reads on.
//
// It belongs to the goroutine of run, but for placed.
type tail struct {
	// Constant.
	broker     *Broker
	dialer     *dialer
	sink       channels.Sink
	partitions []*partition
	byKey      map[string]*partition
	placed     chan struct{} // closed once it knows where it begins, or that it may not read

	place    sync.Once // closes placed
	late     bool      // its connection is missing
	turn     int       // of the partition that XREAD names first
	away     bool      // the log was told that there is no connection
	barred   string    // why Redis refused, as the log was told
	complain time.Time // when the log may hear of an entry again
}

// forStreams is the dialer for answers that hold entries.
func (d *dialer) forStreams() *dialer {
	other := *d
	other.reply = max(tailReply, 2*d.largest)
	return &other
}

// run reads until ctx ends.
func (t *tail) run(ctx context.Context) {
	defer t.broker.tailing.Store(false)
	for tries := 0; ; tries++ {
		began := time.Now()
		conn, err := t.dialer.dial(ctx)
		if err == nil {
			if err = t.serve(ctx, conn); time.Since(began) > t.broker.config.MaxRedial {
				tries = 0
			}
		}
		if ctx.Err() != nil {
			return
		}
		pause := t.broker.redial(tries)
		if t.failed(err) {
			pause = t.broker.config.CheckInterval
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// failed tells the log why nothing is read. It reports whether Redis refuses,
// and so would the next time. The other messages come nevertheless then.
func (t *tail) failed(err error) (refused bool) {
	log := t.broker.config.Log.WithError(err)
	var reply redis.Error
	refused = errors.As(err, &reply) && (forbidden(reply) ||
		strings.HasPrefix(string(reply), "WRONGTYPE") || strings.HasPrefix(string(reply), "ERR unknown command"))
	switch {
	case refused && t.barred != string(reply):
		t.barred = string(reply)
		log.Warn("redis: durable messages do not arrive: Redis refuses to let this user read their stream")
	case !refused && !t.away:
		t.away = true
		log.Warn("redis: durable messages: connection lost, redialling")
	}
	t.isLate(!refused)
	if t.broker.cluster != nil {
		t.broker.cluster.doubt()
	}
	if refused {
		t.place.Do(func() { close(t.placed) })
	}
	return refused
}

// serve reads on conn until it breaks or ctx ends, and returns why.
func (t *tail) serve(ctx context.Context, conn redis.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	defer conn.Close()
	if err := t.resume(conn); err != nil {
		return err
	}
	t.isLate(false)
	for checked := time.Now(); ; {
		if time.Since(checked) >= t.broker.config.CheckInterval {
			if err := t.check(conn); err != nil {
				return err
			}
			checked = time.Now()
		}
		if err := t.read(conn); err != nil {
			return err
		}
	}
}

// resume finds out where to begin, or whether the streams are still those that
// were read before.
func (t *tail) resume(conn redis.Conn) error {
	// One that lacks a permission shows it before anybody relies on it.
	first := t.partitions[0]
	if _, err := t.do(conn, first, "XREAD", "COUNT", 1, "STREAMS", first.key, streams.Max.String()); err != nil {
		return err
	}
	for _, p := range t.partitions {
		info, err := t.info(conn, p)
		if err != nil {
			return err
		}
		last := p.last.String()
		reply, err := t.do(conn, p, "XRANGE", p.key, last, last, "COUNT", 1)
		if err != nil {
			return err
		}
		list, _ := reply.([]any)
		begun := p.begun
		reason := p.resume(info, len(list) > 0)
		if !begun && t.barred != "" {
			reason = reasonLost // clients were let in before anything was read
		}
		t.missed(p, reason)
		t.reached(p)
	}
	if t.away || t.barred != "" {
		t.broker.config.Log.Info("redis: durable messages are read again")
	}
	t.away, t.barred = false, ""
	t.place.Do(func() { close(t.placed) })
	return nil
}

// check compares what was read with what Redis says that there was.
func (t *tail) check(conn redis.Conn) error {
	for _, p := range t.partitions {
		info, err := t.info(conn, p)
		if err != nil {
			return err
		}
		t.missed(p, p.note(info))
		t.reached(p)
	}
	return nil
}

// read waits for new entries, as long as it is between two PINGs elsewhere.
func (t *tail) read(conn redis.Conn) error {
	config := &t.broker.config
	args := []any{"COUNT", tailCount, "BLOCK", max(config.PingInterval.Milliseconds(), 1), "STREAMS"}
	n := len(t.partitions)
	t.turn++ // what does not fit into the answer is the last of it
	for i := range n {
		args = append(args, t.partitions[(t.turn+i)%n].key)
	}
	for i := range n {
		args = append(args, t.partitions[(t.turn+i)%n].last.String())
	}
	reply, err := redis.DoWithTimeout(conn, config.PingInterval+config.PingTimeout, "XREAD", args...)
	if err != nil {
		return t.explain(t.partitions[t.turn%n], err)
	}
	batches, err := readStreams(reply, config.MaxPublish)
	if err != nil {
		return t.explain(t.partitions[t.turn%n], err)
	}
	for _, batch := range batches {
		p := t.byKey[batch.key]
		if p == nil {
			return t.explain(t.partitions[0], errOutOfStep)
		}
		for i := range batch.entries {
			t.deliver(p, &batch.entries[i])
		}
		t.reached(p)
	}
	return nil
}

// reached tells those who wait how far a stream was read.
func (t *tail) reached(p *partition) {
	if p.number != anywhere {
		t.broker.tailed[p.number].Reach(p.last)
	}
}

// do asks for something that Redis answers at once.
func (t *tail) do(conn redis.Conn, p *partition, command string, args ...any) (any, error) {
	reply, err := redis.DoWithTimeout(conn, t.broker.config.PingTimeout, command, args...)
	if err != nil {
		return nil, t.explain(p, err)
	}
	return reply, nil
}

func (t *tail) explain(p *partition, err error) error {
	return fmt.Errorf("%s: %s: %w", t.dialer.addr, p.key, plain(err))
}

func (t *tail) info(conn redis.Conn, p *partition) (streamInfo, error) {
	reply, err := redis.DoWithTimeout(conn, t.broker.config.PingTimeout, "XINFO", "STREAM", p.key)
	if noSuchKey(err) {
		return streamInfo{}, nil
	}
	if err == nil {
		var info streamInfo
		if info, err = readInfo(reply); err == nil {
			return info, nil
		}
	}
	return streamInfo{}, t.explain(p, err)
}

// noSuchKey reports whether there is no stream.
func noSuchKey(err error) bool {
	var refusal redis.Error
	return errors.As(err, &refusal) && strings.HasPrefix(string(refusal), "ERR no such key")
}

// deliver is the first hop of a durable message.
func (t *tail) deliver(p *partition, e *entry) {
	isNew, reason := p.read(e.id)
	t.missed(p, reason)
	b := t.broker
	switch {
	case !isNew:
	case e.fault == malformed:
		b.refused.Add(1)
		t.complainOf(p, e, "redis: an entry of the stream is no message: it takes the fields channel and data")
	case e.fault == oversized:
		b.refused.Add(1)
		b.config.Log.WithField("channel", tags.Loggable(e.tag)).WithField("bytes", e.size).
			Warn("redis: a durable message is over the limit and was not delivered")
		if e.tag != "" {
			t.sink.Missed(reasonTooLarge, e.tag)
		}
	case p.number != streams.Partition(e.tag, b.config.StreamPartitions):
		// Who looks for what was kept on the channel will not find this one.
		t.complainOf(p, e, "redis: a durable message stands in another stream than its channel's: is --stream-partitions the same everywhere?")
		t.sink.Message(e.tag, e.data)
	default:
		t.sink.Durable(e.tag, e.data, e.id.String())
	}
}
