package server

import (
	"cmp"
	"math"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/pages"
)

// Limits of the console.
const (
	consoleTop   = 10              // channels of a list
	consoleEach  = 40              // that each node names for it
	consoleEnds  = 8               // reasons
	consoleSpan  = time.Minute     // in which sessions ended
	consoleEvery = time.Second / 2 // what is walked over is as old as that, at least
	consoleShare = 100             // and takes no more than this part of a core's time
)

// contentTypes are those of the files of the console.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// consoleRoutes are the console at "/", its files under "/console/", and its call.
func (s *Server) consoleRoutes() []route {
	list := []route{{"GET /api/console", s.operators(s.serveConsole)}}
	files, err := pages.Files.ReadDir(".")
	if err != nil {
		panic("server: " + err.Error()) // they are in the binary
	}
	for _, f := range files {
		body, err := pages.Files.ReadFile(f.Name())
		if err != nil {
			panic("server: " + err.Error())
		}
		where := "GET /console/" + f.Name()
		if f.Name() == pages.Index {
			where = "GET /{$}"
		}
		list = append(list, route{where, page(contentTypes[path.Ext(f.Name())], body)})
	}
	return list
}

// figures are what the console shows of a node. Counts are since it began.
type figures struct {
	Node        string      `json:"node"`
	At          int64       `json:"at"` // by the clock of the node, in milliseconds
	Kinds       []kindCount `json:"kinds"`
	Members     int         `json:"members"`
	Channels    int         `json:"channels"`
	MessagesIn  uint64      `json:"messages_in"`
	MessagesOut uint64      `json:"messages_out"`
	BytesIn     uint64      `json:"bytes_in"`
	BytesOut    uint64      `json:"bytes_out"`
	Queued      int64       `json:"queued"` // bytes
	Slow        uint64      `json:"slow"`   // clients closed
	Refused     uint64      `json:"refused"`
	Kept        int         `json:"kept"`              // messages, in histories
	KeptBytes   int         `json:"kept_bytes"`        // that these take
	Broker      bool        `json:"broker"`            // it can be reached
	Lag         float64     `json:"lag_ms,omitempty"`  // it took to answer
	Deaf        string      `json:"deaf,omitempty"`    // where the canary's messages are lost
	Took        float64     `json:"took_ms,omitempty"` // a message of the canary, from publish to socket
	Delivered   []bucket    `json:"delivered"`
	Draining    bool        `json:"draining,omitempty"`
	Ended       []endCount  `json:"ended"` // of the last minute

	// The lists of all nodes are merged, and not shown by node.
	Heard []heardChannel `json:"heard,omitempty"`
	Busy  []busyChannel  `json:"busy,omitempty"`
}

// A bucket is how many rounds of messages took so many milliseconds at most, from
// their arrival until they were sent to the last client; -1 is any time.
type bucket [2]float64

// A kindCount is how many sessions there are of a kind.
type kindCount struct {
	Protocol  int    `json:"protocol"`
	Transport string `json:"transport"`
	Sessions  int    `json:"sessions"`
}

// A busyChannel is a channel and what is published on it.
type busyChannel struct {
	Channel  string  `json:"channel"`
	Sessions int     `json:"sessions"`
	Rate     float64 `json:"rate"`  // messages a second
	Bytes    float64 `json:"bytes"` // a second
}

// An endCount is how many sessions ended for a reason.
type endCount struct {
	Reason   string `json:"reason"`
	Sessions int    `json:"sessions"`
}

// A glance is what the console shows that has to be walked for, kept for a
// while: however many look, and however much there is, it takes little of the
// node's time.
type glance struct {
	heard stale[[]heardChannel]
	busy  stale[[]busyChannel]
	ended stale[[]endCount]
}

// A stale value is made anew once that is due.
type stale[T any] struct {
	mu    sync.Mutex
	value T         // guarded by mu
	due   time.Time // guarded by mu
}

func (v *stale[T]) get(anew func() T) T {
	v.mu.Lock()
	defer v.mu.Unlock()
	if began := time.Now(); !began.Before(v.due) {
		v.value = anew()
		v.due = time.Now().Add(max(consoleEvery, consoleShare*time.Since(began)))
	}
	return v.value
}

// A consoleQuestion has nothing to ask.
type consoleQuestion struct{}

// figures are this node's.
func (s *Server) figures(consoleQuestion) figures {
	stats := s.io.Stats()
	heard, _ := s.channels.Len()
	f := figures{
		Node: s.nodes.id, At: time.Now().UnixMilli(), Members: s.members.len(), Channels: heard,
		MessagesIn: s.counters.messagesIn.Load(), MessagesOut: s.counters.messagesOut.Load(),
		BytesIn: stats.BytesIn, BytesOut: stats.BytesOut, Queued: stats.Queued, Slow: stats.SlowClosed,
		Broker: s.broker.Up(), Draining: s.draining.Load(), Deaf: s.canary.where(), Kinds: []kindCount{},
		Delivered: delays(s.histograms.delivery),
		Heard:     s.glance.heard.get(s.mostHeard), Busy: s.glance.busy.get(s.busiest), Ended: s.glance.ended.get(s.lastEnded),
	}
	for kind, n := range stats.Sessions {
		if n > 0 {
			f.Kinds = append(f.Kinds, kindCount{int(kind.Version), kind.Transport, n})
		}
	}
	slices.SortFunc(f.Kinds, func(a, b kindCount) int {
		return cmp.Or(cmp.Compare(b.Protocol, a.Protocol), cmp.Compare(b.Transport, a.Transport))
	})
	for _, n := range s.refusals {
		f.Refused += n.Load()
	}
	f.Kept, f.KeptBytes = s.channels.Kept()
	if b, ok := s.broker.(interface{ Lag() time.Duration }); ok {
		f.Lag = milliseconds(b.Lag())
	}
	if s.canary != nil {
		f.Took = milliseconds(time.Duration(s.canary.took.Load()))
	}
	for room := s.nodes.room(); sizeOf(f) > room && len(f.Heard)+len(f.Busy) > 0; {
		f.Heard, f.Busy = f.Heard[:len(f.Heard)/2], f.Busy[:len(f.Busy)/2]
	}
	return f
}

func (s *Server) mostHeard() []heardChannel {
	list := s.channels.MostHeard(consoleEach)
	items := make([]heardChannel, len(list))
	for i, l := range list {
		items[i] = heardChannel{l.Tag, l.Clients}
	}
	return items
}

func (s *Server) busiest() []busyChannel {
	list := s.channels.Busiest(consoleEach)
	items := make([]busyChannel, len(list))
	for i, l := range list {
		items[i] = newBusyChannel(l)
	}
	return items
}

func newBusyChannel(l channels.Load) busyChannel {
	return busyChannel{l.Tag, l.Clients, round(l.Rate), math.Round(l.Bytes)}
}

// lastEnded is why sessions ended of late, the most frequent reason first.
func (s *Server) lastEnded() []endCount {
	since := time.Now().Add(-consoleSpan).UnixMilli()
	var counts [maxReasons]int
	s.blackBox.read(func(e *record) bool {
		if e.deed == deedClosed && e.at >= since {
			counts[e.reason]++
		}
		return false
	})
	list := []endCount{}
	for i, n := range counts {
		if n > 0 {
			list = append(list, endCount{s.blackBox.reason(record{reason: uint16(i)}), n})
		}
	}
	slices.SortStableFunc(list, func(a, b endCount) int { return cmp.Compare(b.Sessions, a.Sessions) })
	return list[:min(len(list), consoleEnds)]
}

// delays reads a histogram of seconds.
func delays(h prometheus.Histogram) []bucket {
	var m dto.Metric
	if h.Write(&m) != nil {
		return []bucket{} // it always can
	}
	list := make([]bucket, 0, 1+len(m.Histogram.Bucket))
	for _, b := range m.Histogram.Bucket {
		list = append(list, bucket{round(1000 * b.GetUpperBound()), float64(b.GetCumulativeCount())})
	}
	return append(list, bucket{-1, float64(m.Histogram.GetSampleCount())})
}

func milliseconds(d time.Duration) float64 { return round(float64(d) / float64(time.Millisecond)) }

// round leaves two places, so that answers stay short.
func round(x float64) float64 { return math.Round(x*100) / 100 }

// serveConsole is GET /api/console?of=: the figures of every node, or with of=node
// of this one, and the channels at the top of all of them.
func (s *Server) serveConsole(w http.ResponseWriter, r *http.Request) {
	on, about := []figures{}, reach{Nodes: 1, Answered: 1}
	if r.URL.Query().Get("of") == "node" {
		on = append(on, s.figures(consoleQuestion{}))
	} else {
		on, about = askNodes[figures](s, r, "console", consoleQuestion{})
	}
	heard, busy := mergeTops(on)
	slices.SortFunc(on, func(a, b figures) int { return cmp.Compare(a.Node, b.Node) })
	writeJSON(w, http.StatusOK, struct {
		Self  string         `json:"self"` // the node that was asked
		On    []figures      `json:"on"`
		Heard []heardChannel `json:"heard"`
		Busy  []busyChannel  `json:"busy"`
		reach
	}{s.nodes.id, on, heard, busy, about})
}

// mergeTops takes the lists out of the figures of the nodes, and makes one of
// each. A channel that is not among the first of a node is not counted there.
func mergeTops(on []figures) (heard []heardChannel, busy []busyChannel) {
	hears := make(map[string]heardChannel)
	loads := make(map[string]busyChannel)
	for i := range on {
		for _, c := range on[i].Heard {
			hears[c.Channel] = heardChannel{c.Channel, hears[c.Channel].Sessions + c.Sessions}
		}
		for _, c := range on[i].Busy { // every node gets all messages of the channels that are heard there
			one := loads[c.Channel]
			loads[c.Channel] = busyChannel{c.Channel, one.Sessions + c.Sessions, max(one.Rate, c.Rate), max(one.Bytes, c.Bytes)}
		}
		on[i].Heard, on[i].Busy = nil, nil
	}
	heard, busy = []heardChannel{}, []busyChannel{}
	for _, c := range hears {
		heard = append(heard, c)
	}
	for _, c := range loads {
		busy = append(busy, c)
	}
	slices.SortFunc(heard, func(a, b heardChannel) int {
		return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), cmp.Compare(a.Channel, b.Channel))
	})
	slices.SortFunc(busy, func(a, b busyChannel) int {
		return cmp.Or(cmp.Compare(b.Rate, a.Rate), cmp.Compare(a.Channel, b.Channel))
	})
	return heard[:min(len(heard), consoleTop)], busy[:min(len(busy), consoleTop)]
}
