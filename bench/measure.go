package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/sb-stream/stream-server/internal/load"
)

// settle is how long a subject may finish what the clients began.
const settle = 500 * time.Millisecond

// idle is how long all are idle before memory is measured.
const idle = 5 * time.Second

// A sitting is what all runs have in common.
type sitting struct {
	options
	cores   []int
	redis   string // host:port
	results *results
	round   int
}

func (b *sitting) config(s subject, p *process, clients, channels int) load.Config {
	return load.Config{
		URL: "http://" + p.address, Protocol: s.protocol, Clients: clients, Channels: channels,
		Patience: 5 * time.Second,
	}
}

// spans are the CPU times of a process between two readings.
type spans struct {
	p    *process
	last time.Duration
}

func (s *spans) next() (time.Duration, error) {
	now, err := s.p.cpu()
	d := now - s.last
	s.last = now
	return d, err
}

// deliver is one run of a subject: connect, be idle, one message at a time,
// several on a hot channel, and a fixed rate.
func (b *sitting) deliver(ctx context.Context, s subject, clients, channels int) error {
	p, err := spawn(b.cores, s.args(b.redis))
	if err != nil {
		return err
	}
	defer p.stop()
	to, err := s.publisher(p, b.redis)
	if err != nil {
		return err
	}
	defer to.Close()
	c := cell{s.name, clients, channels}
	empty, err := p.memory("VmRSS")
	if err != nil {
		return err
	}
	cpu := &spans{p: p}
	if _, err := cpu.next(); err != nil {
		return err
	}
	swarm, connected, err := load.Connect(ctx, b.config(s, p, clients, channels))
	if err != nil {
		return err
	}
	defer swarm.Close()
	if err := swarm.Idle(ctx, settle); err != nil {
		return err
	}
	d, err := cpu.next()
	if err != nil {
		return err
	}
	b.add(c, "connect", micros(d)/float64(clients))
	b.add(c, "connects", connected.PerSecond())
	if channels == b.channels[0] {
		if err := b.idle(ctx, c, s, p, swarm, empty); err != nil {
			return err
		}
	}
	// Not counted: compilers at run time and first allocations are done with.
	warm, err := swarm.Saturate(ctx, to, oneEach(channels), load.Limit{Messages: swarm.Messages(b.deliveries / 10)})
	if err != nil {
		return err
	}
	b.faults(c, warm)
	if _, err := cpu.next(); err != nil {
		return err
	}
	if err := b.saturate(ctx, c, "cpu", oneEach(channels), swarm, to, cpu); err != nil {
		return err
	}
	if channels == 1 {
		if err := b.saturate(ctx, c, "coalesced", 8, swarm, to, cpu); err != nil {
			return err
		}
	}
	r, err := swarm.Pace(ctx, to, b.rate, load.Limit{Duration: b.paced})
	if err != nil {
		return err
	}
	b.add(c, "p50", r.Latency(50).Seconds()*1000)
	b.add(c, "p99", r.Latency(99).Seconds()*1000)
	b.faults(c, r)
	return nil
}

// oneEach is how many publishes are under way so that a channel has one message
// at a time. With a thousand channels of a few clients it is not one in all: that
// would measure how a process falls asleep and wakes.
func oneEach(channels int) int { return max(1, min(channels/4, 64)) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// idle measures what clients cost that do nothing.
func (b *sitting) idle(ctx context.Context, c cell, s subject, p *process, swarm *load.Swarm, empty float64) error {
	if err := swarm.Idle(ctx, min(idle, b.idleFor)); err != nil {
		return err
	}
	full, err := p.memory("VmRSS")
	if err != nil {
		return err
	}
	b.add(c, "memory", (full-empty)/1024/float64(c.clients))
	if s.collects == "" {
		return nil
	}
	before, _ := p.cycle()
	deadline := time.Now().Add(10 * time.Second)
	for n := before; n == before; n, _ = p.cycle() {
		if time.Now().After(deadline) {
			return nil // no figure
		}
		if err := makeGarbage(ctx, "http://"+p.address+s.collects); err != nil {
			return err
		}
	}
	_, last := p.cycle()
	b.add(c, "gc", last.cpu)
	b.add(c, "gc all", last.all)
	return swarm.Idle(ctx, settle)
}

// makeGarbage asks a subject for something, whatever it answers, so that its
// collector has a reason to run.
func makeGarbage(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// saturate is one phase; what it cost for each delivery is the metric.
func (b *sitting) saturate(ctx context.Context, c cell, metric string, under int, swarm *load.Swarm, to load.Publisher, cpu *spans) error {
	r, err := swarm.Saturate(ctx, to, under, load.Limit{Messages: swarm.Messages(b.deliveries)})
	if err != nil {
		return err
	}
	d, err := cpu.next()
	if err != nil {
		return err
	}
	b.faults(c, r)
	if r.Delivered == 0 {
		return fmt.Errorf("nothing was delivered")
	}
	b.add(c, metric, micros(d)/float64(r.Delivered))
	b.add(c, metric+" rate", r.PerSecond())
	b.add(c, "bytes", float64(r.Bytes)/float64(r.Delivered))
	return nil
}

func (b *sitting) add(c cell, metric string, value float64) { b.results.add(c, metric, b.round, value) }

func (b *sitting) faults(c cell, r load.Result) { b.results.fault(c, r.Faults, r.Delivered) }
