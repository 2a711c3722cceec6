package main

import (
	"fmt"
	"math"
	"slices"
)

// A goal is a figure that the stream server means to stay under.
type goal struct {
	what  string
	value float64
	most  float64
	unit  string
}

// goals are those of the columns that were measured.
func (r *report) goals() *table {
	var all []goal
	is := func(name string) bool {
		return slices.ContainsFunc(r.subjects, func(s subject) bool { return s.name == name })
	}
	ratio := func(c [2]int, metric, to, toMetric string) float64 {
		return r.results.ratio(cell{"epoll", c[0], c[1]}, metric, to, toMetric)
	}
	if !is("epoll") {
		return nil
	}
	for _, c := range r.columns() {
		all = append(all, goal{"CPU per delivery ÷ floor, " + columnName(c), ratio(c, "cpu", floorName, "cpu"), 1.15, ""})
	}
	for _, c := range r.columns() {
		if c[1] == 1 {
			all = append(all, goal{"8 publishes under way ÷ floor, " + columnName(c), ratio(c, "coalesced", floorName, "cpu"), 0.35, ""})
		}
	}
	for _, c := range r.columns() {
		most := 0.45
		if c[0] > 10_000 {
			most = 0.5
		}
		all = append(all, goal{"CPU per delivery ÷ socket.io, " + columnName(c), ratio(c, "cpu", "socketio", "cpu"), most, ""})
	}
	for _, c := range r.columns() {
		all = append(all, goal{"p99 ÷ floor by Redis, " + columnName(c), ratio(c, "p99", floorRedisName, "p99"), 1.3, ""})
	}
	n := slices.Max(r.clients)
	most := func(name, metric string) float64 { return r.results.median(cell{name, n, r.channels[0]}, metric) }
	for _, g := range []goal{
		{"resident per idle client", most("epoll", "memory"), 2, "KiB"},
		{"the same, goroutine", most("goroutine", "memory"), 6, "KiB"},
		{"the same, over TLS", r.results.median(cell{"epoll", n, 1}, "tls"), 17, "KiB"},
		{"resident per parked long-poll", r.results.median(cell{"epoll", n, 1}, "parked"), 4, "KiB"},
		{"CPU per GC cycle", most("epoll", "gc"), 15, "ms"},
		{"CPU per connect", most("epoll", "connect"), 150, "µs"},
	} {
		g.what += ", N=" + thousands(n)
		all = append(all, g)
	}
	slow := cell{"epoll", r.slowClients(), 1}
	all = append(
		all,
		goal{"lost while 1 % do not read", r.results.median(slow, "slow lost"), 0, ""},
		goal{"CPU while 1 % do not read ÷ without", r.results.median(slow, "slow cpu"), 1.2, ""},
	)
	t := newTable("goal", "at most", "measured", "")
	for _, g := range all {
		unit := ""
		if g.unit != "" {
			unit = " " + g.unit
		}
		t.row(g.what, fmt.Sprint(g.most)+unit, show(g.value, 2)+unit, verdict(g))
	}
	return t
}

func verdict(g goal) string {
	switch {
	case math.IsNaN(g.value):
		return "not measured"
	case g.value <= g.most:
		return "met"
	}
	return "missed"
}
