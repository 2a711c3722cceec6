package doctor

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// measured reads /metrics once; the text says why it cannot be had.
func (v *visit) measured(ctx context.Context) string {
	if v.metrics != nil {
		return ""
	}
	address := v.Metrics
	if address == "" {
		address = v.base.String() + "/metrics"
	}
	a, err := v.ask(ctx, v.once, http.MethodGet, address, nil, nil)
	switch {
	case err != nil:
		return err.Error()
	case a.status != http.StatusOK:
		return "/metrics is not passed on, which is well: --metrics names where it is"
	}
	v.metrics = parseMetrics(a.body)
	return ""
}

// parseMetrics adds the samples of a name up, whatever their labels.
func parseMetrics(text []byte) map[string]float64 {
	sums := make(map[string]float64)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		end := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || end < 0 {
			continue
		}
		name, _, _ := strings.Cut(line[:end], "{")
		if n, err := strconv.ParseFloat(line[end+1:], 64); err == nil {
			sums[name] += n
		}
	}
	return sums
}

// Limits of open files: below the first a node is for tests, below the second it
// is not for many.
const (
	leastFiles = 1024
	manyFiles  = 10_000
)

const mendFiles = "LimitNOFILE=1048576 in the unit, ulimits: nofile of the container, or ulimit -n"

// lookAtDescriptors compares what is open with the limit.
func lookAtDescriptors(ctx context.Context, v *visit) Finding {
	if text := v.measured(ctx); text != "" {
		return skip("%s", text)
	}
	most, known := v.metrics["process_max_fds"]
	if !known {
		return skip("/metrics has no process_max_fds, as on systems without /proc")
	}
	open, paused := v.metrics["process_open_fds"], v.metrics["stream_accept_paused_total"]
	seen := fmt.Sprintf("%.0f of %.0f open files", open, most)
	switch {
	case open > most*7/8:
		return fault(Fail, seen, "the server takes no more connections", mendFiles)
	case most < leastFiles:
		return fault(Fail, seen, fmt.Sprintf("each client takes one: fewer than %.0f connect", most), mendFiles)
	case paused > 0:
		return fault(Warn, fmt.Sprintf("%s; %.0f times new connections had to wait", seen, paused), "they were short before", mendFiles)
	case most < manyFiles:
		return fault(Warn, seen, fmt.Sprintf("each client takes one: fewer than %.0f connect", most), mendFiles)
	}
	return ok("%s", seen)
}

// perAddress is how many ports Linux gives to connections from one address to
// another (net.ipv4.ip_local_port_range).
const perAddress = 28_232

// lookAtPorts compares the sessions with what one proxy can connect.
func lookAtPorts(ctx context.Context, v *visit) Finding {
	if text := v.measured(ctx); text != "" {
		return skip("%s", text)
	}
	sessions := v.metrics["stream_sessions"]
	seen := fmt.Sprintf("%.0f sessions on this node; a proxy on one address has ports for %d", sessions, perAddress)
	if v.info != nil && v.info.Client.Proxied && sessions > perAddress*3/4 {
		return fault(Warn, seen, "the proxy will answer 502 when they are used up", "net.ipv4.ip_local_port_range there, or more addresses: several --listen ports behind it, or proxy_bind")
	}
	return ok("%s", seen)
}
