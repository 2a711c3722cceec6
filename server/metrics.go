package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// newRegistry is what /metrics shows. All of it is read when it is asked for,
// so that counting costs the way of a message no more than an atomic add.
func (s *Server) newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{s})
	return r
}

// collector reads the counters of the server.
type collector struct{ s *Server }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("stream_"+name, help, labels, nil)
}

var (
	descSessions    = describe("sessions", "Sessions now.", "transport", "protocol")
	descChannels    = describe("channels", "Channels that somebody hears now.")
	descLingering   = describe("channels_lingering", "Channels listened to that nobody hears any more.")
	descMessagesIn  = describe("messages_in_total", "Messages that the broker brought.")
	descMessagesOut = describe("messages_out_total", "Messages that went to clients: messages times clients.")
	descBytesIn     = describe("bytes_in_total", "Bytes of packets that clients sent.")
	descBytesOut    = describe("bytes_out_total", "Bytes of packets that were sent to clients.")
	descUpgrades    = describe("upgrades_total", "Sessions that moved from long-polling to WebSocket.")
	descSlow        = describe("slow_clients_closed_total", "Clients closed because too much waited for them.")
	descQueued      = describe("queued_bytes", "Bytes that wait for clients now, each client's counted.")
	descReplaced    = describe("replaced_messages_total", "Messages of --latest channels that a newer one took the place of.")
	descPaused      = describe("accept_paused_total", "Times that new connections had to wait because descriptors were short.")
	descBrokerUp    = describe("broker_up", "Whether the broker can be reached.")
	descBrokerLag   = describe("broker_lag_seconds", "How long the broker took to answer last.")
)

// Describe says which metrics there are.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descSessions, descChannels, descLingering, descMessagesIn, descMessagesOut, descBytesIn, descBytesOut,
		descUpgrades, descSlow, descQueued, descReplaced, descPaused, descBrokerUp, descBrokerLag,
	} {
		ch <- d
	}
}

// Collect reads them.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	stats := c.s.io.Stats()
	for kind, n := range stats.Sessions {
		gauge(descSessions, float64(n), kind.Transport, strconv.Itoa(int(kind.Version)))
	}
	heard, lingering := c.s.channels.Len()
	gauge(descChannels, float64(heard))
	gauge(descLingering, float64(lingering))
	counter(descMessagesIn, c.s.counters.messagesIn.Load())
	counter(descMessagesOut, c.s.counters.messagesOut.Load())
	counter(descBytesIn, stats.BytesIn)
	counter(descBytesOut, stats.BytesOut)
	counter(descUpgrades, stats.Upgrades)
	counter(descSlow, stats.SlowClosed)
	counter(descReplaced, stats.Replaced)
	gauge(descQueued, float64(stats.Queued))
	counter(descPaused, c.s.counters.acceptPaused.Load())
	up := 0.0
	if c.s.broker.Up() {
		up = 1
	}
	gauge(descBrokerUp, up)
	if b, ok := c.s.broker.(interface{ Lag() time.Duration }); ok {
		gauge(descBrokerLag, b.Lag().Seconds())
	}
}
