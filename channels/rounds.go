package channels

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A Round is the messages that go to all clients of a channel together: one, or
// those that came while the round before was under way. So a channel that is
// idle sends at once, and a hot one sends more at a time and seldom.
//
// A Round is immutable once its walk has begun.
type Round struct {
	Channel  string
	Latest   bool // a client that is behind gets only the newest message
	Messages []Message

	// Encoding is what the owner of the clients keeps beside the messages, so
	// that they are encoded once and not once per client. Opaque here.
	Encoding any

	one   [1]Message // room for the first
	tally tally
	late  func(r *Round, c Client, o Outcome) // Config.Late
	came  time.Time                           // when the first was published; zero for a gap, and while nobody measures
}

// rounds is what a channel has while it sends, guarded by its mu.
type rounds struct {
	first, last uint64        // numbers of the messages of the round under way
	next        *Round        // what is pending; nil for nothing
	size        int           // bytes of data in next
	room        chan struct{} // closed when the next round begins; nil if nobody waits
}

// spare are for channels that begin to send.
var spare = sync.Pool{New: func() any { return new(rounds) }}

const (
	// inline is how many clients a channel may have for its publisher to walk
	// them itself. Above it a goroutine does, so that the broker's other
	// messages do not wait.
	inline = partSize / 2

	// maxPending is how many bytes wait for the next round. A publisher who
	// brings more waits for it to begin: for this process, never for a client.
	maxPending = 1 << 20

	// turns is how many rounds a publisher walks for others before a goroutine
	// takes over.
	turns = 4

	// partsPerCore is how many parts make a walk worth another core.
	partsPerCore = 4
)

// publish numbers the message, keeps it for a while, and sends it to every
// client. It returns how many there are.
func (ch *Channel) publish(data []byte, id string, cs *Channels) int {
	var came time.Time
	if cs.sent != nil {
		came = time.Now()
	}
	ch.mu.Lock()
	for ch.rounds != nil && ch.rounds.size > maxPending {
		if ch.rounds.room == nil {
			ch.rounds.room = make(chan struct{})
		}
		room := ch.rounds.room
		ch.mu.Unlock()
		<-room
		ch.mu.Lock()
	}
	if id == "" && !ch.live {
		// One that was on its way when the channel was given up, and others after it
		// were not: it belongs to nobody.
		ch.mu.Unlock()
		return 0
	}
	m := ch.keepLocked(data, id, cs)
	n := ch.sendAndUnlock(m, came, cs)
	if m.entry != nil {
		cs.retention.trim(m.entry.time)
	}
	return n
}

// sendAndUnlock adds m, which came then, to the next round and, if none is under
// way, begins it.
func (ch *Channel) sendAndUnlock(m Message, came time.Time, cs *Channels) int {
	n := ch.clients.size()
	if n == 0 {
		if m.entry != nil {
			m.entry.ended = m.number
		}
		ch.mu.Unlock()
		return 0
	}
	idle := ch.rounds == nil
	if idle {
		newest := cs.seq.last.Load()
		if m.number > 0 {
			newest = m.number - 1
		}
		ch.rounds = spare.Get().(*rounds)
		*ch.rounds = rounds{first: newest + 1, last: newest}
	}
	if ch.rounds.next == nil {
		r := &Round{Channel: ch.tag, Latest: ch.latest, late: cs.late, came: came}
		r.Messages = r.one[:0]
		ch.rounds.next = r
	}
	ch.rounds.next.Messages = append(ch.rounds.next.Messages, m)
	ch.rounds.size += len(m.Data)
	ch.mu.Unlock()
	switch {
	case !idle:
	case n <= inline:
		ch.walk(cs, nil, turns)
	default:
		go ch.walk(cs, nil, 0) // ends when nothing is pending
	}
	return n
}

// walk sends round after round until nothing is pending; done is the one that
// was sent before. After so many turns another goroutine goes on; 0 is no limit.
func (ch *Channel) walk(cs *Channels, done *Round, turns int) {
	for turn := 1; ; turn++ {
		r, parts, last := ch.nextRound(done, cs)
		if r == nil {
			return
		}
		r.Encoding = cs.encode(r)
		if parts == nil {
			ch.clients.first.send(r, last)
		} else {
			sendTo(parts, r, last)
		}
		if !r.came.IsZero() {
			cs.sent(r, time.Since(r.came))
		}
		if turn == turns {
			go ch.walk(cs, r, 0) // ends when nothing is pending
			return
		}
		done = r
	}
}

// walking reports whether rounds are under way.
func (ch *Channel) walking() bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.rounds != nil
}

// nextRound takes what is pending, which goes to the clients of these parts, or of
// the first part if there are no others, and ends with the message of this
// number. No round means that there is nothing. The one before has been sent.
func (ch *Channel) nextRound(done *Round, cs *Channels) (r *Round, parts []*part, last uint64) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if done != nil {
		done.tellLocked(cs.seq.last.Load())
	}
	now := ch.rounds
	if r = now.next; r == nil {
		ch.rounds = nil
		spare.Put(now)
		return nil, nil, 0
	}
	now.first = now.last + 1
	for _, m := range r.Messages {
		now.last = max(now.last, m.number)
	}
	now.next, now.size = nil, 0
	if now.room != nil {
		close(now.room)
		now.room = nil
	}
	if ch.clients.more != nil {
		parts = ch.clients.more.list
	}
	r.tally.clients = uint32(ch.clients.size())
	return r, parts, now.last
}

// sendTo sends a round to the clients of these parts, on as many cores as there
// is work for. Holding the lock of a part all the way gives its clients the
// messages in order; Send never blocks.
func sendTo(parts []*part, r *Round, last uint64) {
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(parts) {
				return
			}
			parts[i].send(r, last)
			runtime.Gosched() // a walk may take long, and others have work too
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(parts)/partsPerCore) - 1 {
		others.Go(work) // ends with the walk
	}
	work()
	others.Wait()
}

func (p *part) send(r *Round, last uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.list {
		c.Send(r)
	}
	p.seen = last
}
