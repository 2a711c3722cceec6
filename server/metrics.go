package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/sb-stream/stream-server/channels"
)

// newRegistry is what /metrics shows. All of it is read when it is asked for,
// so that counting costs the way of a message no more than an atomic add.
func (s *Server) newRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{s}, s.histograms.delivery, s.histograms.fanout,
	)
	return r
}

// histograms are of messages. One is observed for each message or round, and
// nothing for a delivery.
type histograms struct {
	delivery prometheus.Histogram // seconds from a message's arrival until everybody has been sent it
	fanout   prometheus.Histogram // clients of a message
}

func newHistograms() histograms {
	return histograms{
		delivery: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "stream_delivery_duration_seconds",
			Help:    "Time from the arrival of a message until it was written, or queued, for the last of its clients; once for messages that are sent together.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
		fanout: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "stream_message_clients",
			Help:    "Clients that a message went to.",
			Buckets: []float64{0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000},
		}),
	}
}

// sent is [channels.Config] Sent.
func (s *Server) sent(r *channels.Round, took time.Duration) {
	s.histograms.delivery.Observe(took.Seconds())
	if s.config.Tracer != nil {
		for i := range r.Messages {
			s.config.Tracer.Sent(r.Messages[i].Data)
		}
	}
}

// collector reads the counters of the server.
type collector struct{ s *Server }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("stream_"+name, help, labels, nil)
}

var (
	descBuild       = describe("build_info", "1, for the version that runs.", "version")
	descSessions    = describe("sessions", "Sessions now.", "transport", "protocol")
	descBegun       = describe("sessions_begun_total", "Sessions that clients have begun.")
	descChannels    = describe("channels", "Channels that somebody hears now.")
	descLingering   = describe("channels_lingering", "Channels listened to that nobody hears any more.")
	descMessagesIn  = describe("messages_in_total", "Messages that the broker brought.")
	descMessagesOut = describe("messages_out_total", "Messages that went to clients: messages times clients.")
	descTooLarge    = describe("messages_refused_total", "Messages of web servers that were refused: too large, or nested too deeply.")
	descUnreadable  = describe("messages_unreadable_total", "Messages in the dialect of another system that could not be read, or were for another namespace.")
	descBytesIn     = describe("received_bytes_total", "Bytes of packets that clients sent.")
	descBytesOut    = describe("sent_bytes_total", "Bytes of packets that were sent to clients.")
	descUpgrades    = describe("upgrades_total", "Sessions that moved from long-polling to WebSocket.")
	descSlow        = describe("slow_clients_closed_total", "Clients closed because too much waited for them.")
	descRefused     = describe("refused_total", "What clients were refused because of a limit.", "limit")
	descQueued      = describe("queued_bytes", "Bytes that wait for clients now, each client's counted.")
	descQueueLimit  = describe("queue_limit_bytes", "Bytes that may wait for all clients together.")
	descReplaced    = describe("replaced_messages_total", "Messages of --latest channels that a newer one took the place of.")
	descPaused      = describe("accept_paused_total", "Times that new connections had to wait because descriptors were short.")
	descRefusedNode = describe("node_messages_refused_total", "Messages to the nodes that no node has signed, or that came late or twice.")
	descHistory     = describe("history_messages", "Messages that are kept for clients who come back.")
	descHistorySize = describe("history_bytes", "Bytes that these take.")
	descRecoveries  = describe("recoveries_total", "Channels that clients came back to, by how what they missed was found.", "by")
	descForwarded   = describe("forwarded_total", "Requests of clients that another node answered, whose session it is.")
	descForwarding  = describe("forwarding", "Requests of clients that are with another node now, and WebSockets.")
	descNotForward  = describe("forward_failed_total", "Requests for a session of another node that could not be passed on.", "reason")
	descHereIn      = describe("presence_channels", "Channels in which sessions of this node are shown.")
	descHereMembers = describe("presence_members", "Members who are shown in them, counted in each.")
	descHereGuests  = describe("presence_guests", "Guests who are counted in them, in each.")
	descBrokerUp    = describe("broker_up", "Whether the broker can be reached.")
	descHears       = describe("canary_up", "Whether messages of the node's own come back.")
	descCanaryTook  = describe("canary_seconds", "How long the last of them took.")
	descDeaf        = describe("canary_lost_total", "Messages of the node's own that did not come back, by where they were lost.", "part")
	descBrokerLag   = describe("broker_lag_seconds", "How long the broker took to answer last.")
)

// Describe says which metrics there are.
func (collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descBuild, descSessions, descBegun, descChannels, descLingering, descMessagesIn, descMessagesOut, descTooLarge, descUnreadable, descBytesIn, descBytesOut,
		descUpgrades, descSlow, descRefused, descQueued, descQueueLimit, descReplaced, descPaused, descRefusedNode,
		descHistory, descHistorySize, descRecoveries,
		descForwarded, descForwarding, descNotForward,
		descHereIn, descHereMembers, descHereGuests,
		descBrokerUp, descBrokerLag, descHears, descCanaryTook, descDeaf,
	} {
		ch <- d
	}
}

// Collect reads them.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge(descBuild, 1, c.s.config.Version)
	stats := c.s.io.Stats()
	for kind, n := range stats.Sessions {
		gauge(descSessions, float64(n), kind.Transport, strconv.Itoa(int(kind.Version)))
	}
	counter(descBegun, c.s.counters.begun.Load())
	heard, lingering := c.s.channels.Len()
	gauge(descChannels, float64(heard))
	gauge(descLingering, float64(lingering))
	counter(descMessagesIn, c.s.counters.messagesIn.Load())
	counter(descMessagesOut, c.s.counters.messagesOut.Load())
	refused := c.s.counters.tooDeep.Load()
	if b, ok := c.s.broker.(interface{ Refused() uint64 }); ok {
		refused += b.Refused()
	}
	counter(descTooLarge, refused)
	if b, ok := c.s.broker.(interface{ Unreadable() uint64 }); ok {
		counter(descUnreadable, b.Unreadable())
	}
	counter(descBytesIn, stats.BytesIn)
	counter(descBytesOut, stats.BytesOut)
	counter(descUpgrades, stats.Upgrades)
	counter(descSlow, stats.SlowClosed)
	counter(descReplaced, stats.Replaced)
	for limit, n := range c.s.refusals {
		counter(descRefused, n.Load(), limit)
	}
	gauge(descQueued, float64(stats.Queued))
	gauge(descQueueLimit, float64(c.s.config.TotalQueue))
	counter(descPaused, c.s.counters.acceptPaused.Load())
	counter(descRefusedNode, c.s.nodes.refused.Load())
	messages, bytes := c.s.channels.Kept()
	gauge(descHistory, float64(messages))
	gauge(descHistorySize, float64(bytes))
	for by, n := range c.s.recoveries {
		counter(descRecoveries, n.Load(), by)
	}
	counter(descForwarded, c.s.forwards.done.Load())
	gauge(descForwarding, float64(c.s.cluster.passed.len()))
	for reason, n := range c.s.forwards.failed {
		counter(descNotForward, n.Load(), reason)
	}
	in, members, guests := c.s.presence.Stats()
	gauge(descHereIn, float64(in))
	gauge(descHereMembers, float64(members))
	gauge(descHereGuests, float64(guests))
	up := 0.0
	if c.s.broker.Up() {
		up = 1
	}
	gauge(descBrokerUp, up)
	if canary := c.s.canary; canary != nil {
		hears := 1.0
		if canary.where() != "" {
			hears = 0
		}
		gauge(descHears, hears)
		gauge(descCanaryTook, time.Duration(canary.took.Load()).Seconds())
		for part, n := range canary.faults {
			counter(descDeaf, n.Load(), part)
		}
	}
	if b, ok := c.s.broker.(interface{ Lag() time.Duration }); ok {
		gauge(descBrokerLag, b.Lag().Seconds())
	}
}
