package main

import (
	"math"
	"slices"

	"github.com/sb-stream/stream-server/internal/load"
)

// A cell is one subject with so many clients on so many channels.
type cell struct {
	subject           string
	clients, channels int
}

// results are the figures of all runs, by cell, metric and round.
type results struct {
	values    map[cell]map[string]map[int]float64
	faults    map[string]load.Faults // by subject, summed
	delivered map[string]int64
	failed    map[string][]string // by subject
}

func newResults() *results {
	return &results{
		make(map[cell]map[string]map[int]float64), make(map[string]load.Faults),
		make(map[string]int64), make(map[string][]string),
	}
}

func (r *results) add(c cell, metric string, round int, value float64) {
	if r.values[c] == nil {
		r.values[c] = make(map[string]map[int]float64)
	}
	if r.values[c][metric] == nil {
		r.values[c][metric] = make(map[int]float64)
	}
	r.values[c][metric][round] = value
}

func (r *results) fault(c cell, f load.Faults, delivered int64) {
	sum := r.faults[c.subject]
	sum.Lost += f.Lost
	sum.Doubled += f.Doubled
	sum.Swapped += f.Swapped
	sum.Foreign += f.Foreign
	sum.Closed += f.Closed
	r.faults[c.subject] = sum
	r.delivered[c.subject] += delivered
}

// median of a metric over the rounds; NaN if there is none.
func (r *results) median(c cell, metric string) float64 {
	var all []float64
	for _, v := range r.values[c][metric] {
		all = append(all, v)
	}
	return median(all)
}

// ratio is the median of the ratios to another subject in the same round.
func (r *results) ratio(c cell, metric, to, toMetric string) float64 {
	var all []float64
	base := r.values[cell{to, c.clients, c.channels}][toMetric]
	for round, v := range r.values[c][metric] {
		if b, ok := base[round]; ok && b > 0 {
			all = append(all, v/b)
		}
	}
	return median(all)
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}
