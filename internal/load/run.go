package load

import (
	"context"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxLatency is the longest that is told from longer ones.
const maxLatency = time.Minute

// maxStalls is how often a phase may lose patience before it ends.
const maxStalls = 3

// A Limit ends a phase: after so many publishes, or so long if that is not 0.
type Limit struct {
	Messages int
	Duration time.Duration
}

// Messages is how many publishes make that many deliveries, at least one.
func (s *Swarm) Messages(deliveries int) int {
	listeners := 0
	for i := range s.channels {
		listeners += s.channels[i].listeners
	}
	return max(1, deliveries*len(s.channels)/max(listeners, 1))
}

// A Result is what a phase measured.
type Result struct {
	Published int64
	Delivered int64 // each message once for each client
	Bytes     int64 // of the frames of messages
	Took      time.Duration
	Stalls    int // times that messages did not come within the patience
	Faults    Faults

	latency *hdrhistogram.Histogram
}

// PerSecond is deliveries a second.
func (r Result) PerSecond() float64 { return float64(r.Delivered) / r.Took.Seconds() }

// Latency is that of the percentile, from 0 to 100, counted from the time at
// which the publish was due.
func (r Result) Latency(percentile float64) time.Duration {
	return time.Duration(r.latency.ValueAtPercentile(percentile))
}

// A phase is a Result that grows.
type phase struct {
	published, expected, delivered, bytes int64

	underWay int
	stalls   int
	faults   Faults
	latency  *hdrhistogram.Histogram // nil between phases
}

// A pending is a message that has not reached all its listeners.
type pending struct {
	number int64
	left   int
}

// arrived takes message n off the list of those under way, when a client has
// it.
func (c *channel) arrived(p *phase, n int64) {
	if len(c.under) == 0 {
		return
	}
	slot := &c.under[n%int64(len(c.under))]
	if slot.number != n || slot.left == 0 {
		return
	}
	if slot.left--; slot.left == 0 {
		p.underWay--
	}
}

// begin makes the phase; under is how many messages of a channel may be under
// way, 0 for any number.
func (s *Swarm) begin(under int) *phase {
	s.phase = &phase{latency: hdrhistogram.New(int64(time.Microsecond), int64(maxLatency), 3)}
	for i := range s.channels {
		c := &s.channels[i]
		c.base = c.sent
		c.under = make([]pending, under)
	}
	return s.phase
}

func (s *Swarm) end(began time.Time) Result {
	p := s.phase
	s.phase = &phase{}
	p.faults.Lost = max(p.expected-p.delivered, 0)
	return Result{p.published, p.delivered, p.bytes, time.Since(began), p.stalls, p.faults, p.latency}
}

// Saturate publishes to each channel in turn, and again as soon as less than
// under messages have not reached all their listeners.
func (s *Swarm) Saturate(ctx context.Context, to Publisher, under int, limit Limit) (Result, error) {
	under = max(under, 1)
	p := s.begin(under)
	began := time.Now()
	for i := 0; !limit.over(i, began); i++ {
		if err := s.waitFor(ctx, p, func() bool { return p.underWay < under }); err != nil {
			return s.end(began), err
		}
		if p.stalls >= maxStalls {
			return s.end(began), nil
		}
		if err := s.publish(to, i%len(s.channels), time.Since(s.started)); err != nil {
			return s.end(began), err
		}
	}
	err := s.waitFor(ctx, p, func() bool { return p.underWay == 0 })
	return s.end(began), err
}

// Pace publishes to each channel in turn at planned times, so that rate
// messages are delivered in a second.
func (s *Swarm) Pace(ctx context.Context, to Publisher, rate float64, limit Limit) (Result, error) {
	p := s.begin(0)
	began := time.Now()
	listeners := 0
	for i := range s.channels {
		listeners += s.channels[i].listeners
	}
	every := time.Duration(float64(time.Second) * float64(listeners) / float64(len(s.channels)) / rate)
	for i := 0; ; i++ {
		planned := time.Duration(i) * every
		if limit.Messages > 0 && i >= limit.Messages || limit.Duration > 0 && planned >= limit.Duration || limit == (Limit{}) {
			break
		}
		due := began.Add(planned)
		for first := true; first || time.Now().Before(due); first = false { // who is behind reads too
			if err := s.turn(earlier(due, time.Now().Add(tick))); err != nil {
				return s.end(began), err
			}
			if err := ctx.Err(); err != nil {
				return s.end(began), err
			}
		}
		if err := s.publish(to, i%len(s.channels), due.Sub(s.started)); err != nil {
			return s.end(began), err
		}
	}
	err := s.waitFor(ctx, p, func() bool { return p.delivered >= p.expected })
	return s.end(began), err
}

func (l Limit) over(messages int, began time.Time) bool {
	return l.Messages > 0 && messages >= l.Messages || l.Duration > 0 && time.Since(began) >= l.Duration ||
		l == Limit{}
}

// tick is how long the end of the context may go unseen.
const tick = 100 * time.Millisecond

// waitFor serves the clients until ready. When nothing is delivered for too
// long, what is under way counts as lost.
func (s *Swarm) waitFor(ctx context.Context, p *phase, ready func() bool) error {
	seen, since := p.delivered, time.Now()
	for !ready() {
		if err := s.turn(time.Now().Add(tick)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.delivered != seen {
			seen, since = p.delivered, time.Now()
		} else if time.Since(since) > s.config.Patience {
			p.stalls++
			p.underWay = 0
			for i := range s.channels {
				clear(s.channels[i].under)
			}
			return nil
		}
	}
	return nil
}

// publish sends the next message of a channel.
func (s *Swarm) publish(to Publisher, i int, due time.Duration) error {
	c := &s.channels[i]
	c.sent++
	s.phase.published++
	s.phase.expected += int64(c.listeners)
	if len(c.under) > 0 && c.listeners > 0 {
		c.under[c.sent%int64(len(c.under))] = pending{c.sent, c.listeners}
		s.phase.underWay++
	}
	s.payload = appendPayload(s.payload[:0], message{i, c.sent, due}, s.config.Size)
	return to.Publish(c.name, s.payload)
}
