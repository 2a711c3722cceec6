package embedded

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/internal/streams"
)

// Limits of what is kept in one go, and so of what one fsync is for.
const (
	maxBatch      = 4096
	maxBatchBytes = 8 << 20
)

// An addition is a durable message that somebody wants to add.
type addition struct {
	record

	want wantedID
	trim trim
	must bool // only if there is a stream: NOMKSTREAM

	err  error         // why it was not added
	done chan struct{} // closed when it was, or was not
}

var errNotRunning = errors.New("embedded: not running")

// Keep is Publish of a message that is kept, and returns its id once it is.
func (b *Broker) Keep(ctx context.Context, tag string, data []byte) (id string, err error) {
	if len(data) > b.config.MaxPublish {
		b.refused.Add(1)
		return "", fmt.Errorf("embedded: a message has at most %d bytes, not %d", b.config.MaxPublish, len(data))
	}
	if !b.up.Load() {
		return "", errNotRunning
	}
	a := &addition{record: record{tag: tag, data: data}, want: wantedID{anyMS: true}, done: make(chan struct{})}
	b.submit(a)
	if err := b.wait(ctx, a); err != nil {
		return "", err
	}
	return a.id.String(), nil
}

// submit asks for a message to be added, and returns when it is in the queue.
func (b *Broker) submit(a *addition) {
	select {
	case b.additions <- a:
	case <-b.ended:
		a.fail(errNotRunning)
	}
}

// wait returns when a message was added, or why it was not.
func (b *Broker) wait(ctx context.Context, a *addition) error {
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done():
		return fmt.Errorf("embedded: keep: %w", ctx.Err())
	case <-b.ended:
	}
	select {
	case <-a.done:
		return a.err
	default:
		return errNotRunning // it came into the queue after all
	}
}

func (a *addition) fail(err error) {
	a.err = err
	close(a.done)
}

// keep adds what is submitted, as much as there is in one go, until ctx ends.
func (b *Broker) keep(ctx context.Context) {
	defer b.drain()
	var batch []*addition
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-b.additions:
			batch = append(batch[:0], a)
		}
		batch = b.collect(batch)
		b.commit(batch)
		clear(batch) // holds no messages while it waits
	}
}

// collect is the batch with what waits beside it.
func (b *Broker) collect(batch []*addition) []*addition {
	for bytes := batch[0].size(); len(batch) < maxBatch && bytes < maxBatchBytes; {
		select {
		case a := <-b.additions:
			bytes += a.size()
			batch = append(batch, a)
		default:
			return batch
		}
	}
	return batch
}

// drain ends what nobody will add any more.
func (b *Broker) drain() {
	close(b.ended)
	for {
		select {
		case a := <-b.additions:
			a.fail(errNotRunning)
		default:
			return
		}
	}
}

// commit gives each message its id, keeps all of them, and delivers them then:
// what a client has seen is there after a crash too.
func (b *Broker) commit(batch []*addition) {
	now := b.now()
	last, gone := b.stream.bounds()
	records := make([]record, 0, len(batch))
	added := batch[:0]
	for _, a := range batch {
		if a.must && last.IsZero() {
			close(a.done) // without an id
			continue
		}
		id, err := a.want.next(last, now)
		if err != nil {
			a.fail(err)
			continue
		}
		a.id, a.at, last = id, now.UnixMilli(), id
		records = append(records, a.record)
		added = append(added, a)
	}
	if len(added) == 0 {
		return
	}
	if b.store != nil {
		if err := b.store.write(records, gone); err != nil {
			b.config.Log.WithError(err).Error("embedded: durable messages could not be kept, and were refused")
			for _, a := range added {
				a.fail(errors.New("ERR the message could not be kept: the log of the server says why"))
			}
			return
		}
	}
	b.stream.add(records)
	for _, a := range added {
		b.sink.Durable(a.tag, a.data, a.id.String())
		b.stream.delivered.Reach(a.id)
		if a.trim != (trim{}) {
			b.stream.drop(a.trim, now)
		}
		close(a.done)
	}
	b.stream.drop(trim{}, now)
}

// expire forgets, from time to time, what is too old.
func (b *Broker) expire(ctx context.Context) {
	tick := time.NewTicker(max(b.config.KeptAge/100, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.stream.drop(trim{}, b.now())
		}
	}
}

// parseID reads the id of an XADD: "*", "5-*", "5-1" or "5".
func parseID(text string) (wantedID, bool) {
	if text == "*" {
		return wantedID{anyMS: true}, true
	}
	w := wantedID{}
	if ms, ok := strings.CutSuffix(text, "-*"); ok {
		text, w.anySeq = ms, true
	}
	id, ok := rangeID(text, 0)
	w.id = id
	return w, ok && !(w.anySeq && strings.Contains(text, "-"))
}

// rangeID is an id whose number may be missing, and is seq then.
func rangeID(text string, seq uint64) (streams.ID, bool) {
	if !strings.Contains(text, "-") {
		id, err := streams.Parse(text + "-0")
		id.Seq = seq
		return id, err == nil
	}
	id, err := streams.Parse(text)
	return id, err == nil
}
