package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"

	"github.com/sb-stream/stream-server/internal/load"
)

// The run with clients that do not read: some on one channel, of whom 1 % stop,
// and messages long enough to fill the budget of those.
const (
	slowMessages = 600
	slowSize     = 1024
	slowBudget   = "256KiB"
)

// park measures the memory of parked long-polls.
func (b *sitting) park(ctx context.Context, s subject, clients int) error {
	return b.resident(cell{s.name, clients, 1}, "parked", s.args(b.redis), func(p *process) (func() error, func(), error) {
		parked, err := load.Park(ctx, b.config(s, p, clients, 1), "/socket.io/")
		if err != nil {
			return nil, nil, err
		}
		return func() error {
			err := sleep(ctx, min(idle, b.idleFor))
			if n := parked.Ended(); err == nil && n > 0 {
				err = fmt.Errorf("%d of %d parked polls ended", n, clients)
			}
			return err
		}, parked.Close, nil
	})
}

// secure measures the memory of idle clients over TLS.
func (b *sitting) secure(ctx context.Context, s subject, clients int) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cert, key, trust, err := makeCertificate(dir)
	if err != nil {
		return err
	}
	args := append(s.args(b.redis), "--tls-cert", cert, "--tls-key", key)
	return b.resident(cell{s.name, clients, 1}, "tls", args, func(p *process) (func() error, func(), error) {
		c := b.config(s, p, clients, 1)
		c.URL, c.TLS = "https://"+p.address, trust
		swarm, _, err := load.Connect(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		// The handshakes' garbage is collected when the next comes along, and then
		// given back to the system.
		return func() error { return swarm.Idle(ctx, min(secureIdle, 6*b.idleFor)) }, swarm.Close, nil
	})
}

// resident measures what each client adds to the memory of a subject, when they
// have connected and then been idle.
func (b *sitting) resident(c cell, metric string, args []string, connect func(*process) (wait func() error, end func(), err error)) error {
	p, err := spawn(b.cores, args)
	if err != nil {
		return err
	}
	defer p.stop()
	empty, err := p.memory("VmRSS")
	if err != nil {
		return err
	}
	wait, end, err := connect(p)
	if err != nil {
		return err
	}
	defer end()
	if err := wait(); err != nil {
		return err
	}
	full, err := p.memory("VmRSS")
	if err != nil {
		return err
	}
	b.add(c, metric, (full-empty)/1024/float64(c.clients))
	return nil
}

// secureIdle is how long clients over TLS are idle before memory is measured.
const secureIdle = 6 * idle

// slowClients is how many clients that run has.
func (o options) slowClients() int { return min(1000, slices.Max(o.clients)) }

// slow measures what clients that do not read cost the others: the same run
// without and with them.
func (b *sitting) slow(ctx context.Context, s subject) error {
	c := cell{s.name, b.slowClients(), 1}
	without, err := b.slowRun(ctx, s, 0)
	if err != nil {
		return err
	}
	with, err := b.slowRun(ctx, s, max(1, b.slowClients()/100))
	if err != nil {
		return err
	}
	b.add(c, "slow cpu", with.cpu/without.cpu)
	b.add(c, "slow grown", with.grown/(1<<20))
	b.add(c, "slow grown without", without.grown/(1<<20))
	b.add(c, "slow closed", with.closed)
	b.add(c, "slow lost", with.lost)
	return nil
}

type slowFigures struct {
	cpu    float64 // µs per delivery
	grown  float64 // bytes resident at most, above those before the first message
	closed float64 // clients closed as slow
	lost   float64 // messages to clients that read
}

func (b *sitting) slowRun(ctx context.Context, s subject, deaf int) (f slowFigures, err error) {
	p, err := spawn(b.cores, append(s.args(b.redis), "--client-queue", slowBudget))
	if err != nil {
		return f, err
	}
	defer p.stop()
	to, err := s.publisher(p, b.redis)
	if err != nil {
		return f, err
	}
	defer to.Close()
	config := b.config(s, p, b.slowClients(), 1)
	config.Deaf, config.Size = deaf, slowSize
	swarm, _, err := load.Connect(ctx, config)
	if err != nil {
		return f, err
	}
	defer swarm.Close()
	if err := swarm.Idle(ctx, settle); err != nil {
		return f, err
	}
	before, err := p.memory("VmRSS")
	if err != nil {
		return f, err
	}
	cpu := &spans{p: p}
	if _, err := cpu.next(); err != nil {
		return f, err
	}
	r, err := swarm.Saturate(ctx, to, 1, load.Limit{Messages: slowMessages})
	if err != nil {
		return f, err
	}
	d, err := cpu.next()
	if err != nil {
		return f, err
	}
	most, err := p.memory("VmHWM")
	if err != nil {
		return f, err
	}
	f.cpu, f.grown = micros(d)/float64(max(r.Delivered, 1)), max(most-before, 0)
	f.lost = float64(r.Faults.Lost)
	f.closed, err = slowClosed(ctx, p.address)
	return f, err
}

var slowPattern = regexp.MustCompile(`(?m)^stream_slow_clients_closed_total (\S+)$`)

// slowClosed asks the stream server how many clients it has closed as slow.
func slowClosed(ctx context.Context, address string) (float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	found := slowPattern.FindSubmatch(body)
	if found == nil {
		return 0, fmt.Errorf("no stream_slow_clients_closed_total in /metrics")
	}
	return strconv.ParseFloat(string(found[1]), 64)
}
