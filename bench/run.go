package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"
)

// run measures all subjects in turn, each round from the first to the last, and
// writes the report.
func run(ctx context.Context, o options, cores []int, out io.Writer) error {
	all, why, err := subjects(o.server)
	if err != nil {
		return err
	}
	chosen, err := choose(all, why, o.subjects)
	if err != nil {
		return err
	}
	redis, err := startRedis(ctx)
	if err != nil {
		return err
	}
	defer redis.stop()
	b := &sitting{options: o, cores: cores, redis: redis.address, results: newResults()}
	began := time.Now()
	for b.round = range o.times {
		for _, s := range chosen {
			if err := b.turn(ctx, s, began); err != nil {
				return err
			}
		}
	}
	m, err := describeMachine(cores)
	if err != nil {
		return err
	}
	r := &report{sitting: b, subjects: chosen, machine: m, took: time.Since(began), skipped: why}
	text := r.markdown()
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if o.write != "" {
		return r.write(o.write, text)
	}
	return nil
}

// choose keeps the subjects of the names, or those that can run.
func choose(all []subject, why map[string]string, names []string) (chosen []subject, err error) {
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s subject) bool { return s.name == name }) {
			return nil, fmt.Errorf("there is no subject %q", name)
		}
		if why[name] != "" {
			return nil, fmt.Errorf("%s cannot run: %s", name, why[name])
		}
	}
	for _, s := range all {
		if why[s.name] == "" && (len(names) == 0 || slices.Contains(names, s.name)) {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

// turn is all runs of a subject in a round. A subject that fails is named in
// the report, and the others go on.
func (b *sitting) turn(ctx context.Context, s subject, began time.Time) error {
	try := func(what string, measure func() error) error {
		fmt.Fprintf(os.Stderr, "%6.0f s: round %d of %d: %s, %s\n", time.Since(began).Seconds(), b.round+1, b.times, s.name, what)
		err := measure()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "bench: %s, %s: %v\n", s.name, what, err)
			b.results.failed[s.name] = append(b.results.failed[s.name], fmt.Sprintf("%s: %v", what, err))
		}
		return nil
	}
	for _, clients := range b.clients {
		for _, channels := range b.channels {
			if channels > clients {
				continue
			}
			what := fmt.Sprintf("%d clients on %d channels", clients, channels)
			if err := try(what, func() error { return b.deliver(ctx, s, clients, channels) }); err != nil {
				return err
			}
		}
	}
	if !s.ours {
		return nil
	}
	most := slices.Max(b.clients)
	if err := try(fmt.Sprintf("%d parked polls", most), func() error { return b.park(ctx, s, most) }); err != nil {
		return err
	}
	if s.name == "epoll" { // over TLS both have goroutines
		if err := try(fmt.Sprintf("%d clients over TLS", most), func() error { return b.secure(ctx, s, most) }); err != nil {
			return err
		}
	}
	return try("clients that do not read", func() error { return b.slow(ctx, s) })
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
