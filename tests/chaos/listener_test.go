package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// The delays of the shim (client-js/src/socket.js): exponential, with full
// jitter, anew after a connection that was stable.
const (
	reconnectDelay    = 500 * time.Millisecond
	reconnectDelayMax = 30 * time.Second
	stableTime        = 5 * time.Second
	openTimeout       = 20 * time.Second
)

// A listener is a client that behaves as the shim does: it comes back by
// itself, subscribes to all its channels with the positions that it saw last,
// and notes all that it is given and told.
type listener struct {
	// Constant.
	url     string
	polling bool   // by long-polling, and not WebSocket
	patient bool   // it does not give up when no ping comes
	shim    string // what it is in browsers.mjs, if it is there
	heard   map[string]*hearing
	tags    []string

	connects    atomic.Int64 // answers to subscribe after a connect
	disconnects atomic.Int64
	refusals    atomic.Int64 // subscribes that were refused

	mu       sync.Mutex
	answered []time.Time // guarded by mu; when subscribe was answered
	dropped  []time.Time // guarded by mu; when a connection ended
	failures []string    // guarded by mu; the first of those to connect
}

// A hearing is what a listener keeps of a channel.
type hearing struct {
	history
	position string // of the last message, or of the answer to subscribe
	joined   bool
}

func newListener(url string, channels ...*channel) *listener {
	l := &listener{url: url, heard: make(map[string]*hearing)}
	for _, c := range channels {
		l.heard[c.tag] = &hearing{history: history{channel: c}}
		l.tags = append(l.tags, c.tag)
	}
	return l
}

// run connects, and comes back, until ctx ends.
func (l *listener) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		began := time.Now()
		connected, err := l.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		l.note(connected, err)
		if connected && time.Since(began) > stableTime {
			failures = 0
		}
		failures++
		delay := min(reconnectDelay<<min(failures, 10), reconnectDelayMax)
		select {
		case <-ctx.Done():
		case <-time.After(rand.N(delay)):
		}
	}
}

// note keeps how a connection, or an attempt, ended.
func (l *listener) note(connected bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if connected {
		l.disconnects.Add(1)
		l.dropped = append(l.dropped, time.Now())
	} else if len(l.failures) < maxFaults {
		l.failures = append(l.failures, err.Error())
	}
}

// connect is one connection, from the dial to its end. connected reports
// whether the server accepted it.
func (l *listener) connect(ctx context.Context) (connected bool, err error) {
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	conn, err := dial(opening, l.url, l.polling)
	if err != nil {
		return false, err
	}
	if l.patient {
		conn.patience = time.Hour
	}
	stop := context.AfterFunc(ctx, conn.close)
	defer stop()
	defer conn.close()
	const connect = `40{}`
	if err := conn.send(connect); err != nil {
		return false, err
	}
	for {
		data, err := conn.receive()
		if err != nil {
			return connected, err
		}
		p, err := packet.Decode(data)
		if err != nil {
			return connected, fmt.Errorf("%w: %.100s", err, data)
		}
		switch p.Type {
		case packet.Connect:
			connected = true
			err = l.subscribe(conn)
		case packet.Event:
			err = l.event(p)
		case packet.Ack:
			err = l.answer(p)
		case packet.ConnectError, packet.Disconnect:
			err = fmt.Errorf("the server said %s", data)
		}
		if err != nil {
			return connected, err
		}
	}
}

// subscribe asks for all channels at once.
func (l *listener) subscribe(conn *connection) error {
	since := make(map[string]string)
	for tag, h := range l.heard {
		if h.position != "" {
			since[tag] = h.position
		}
		h.add(entry{what: asked})
	}
	args, err := json.Marshal([]any{"subscribe", l.tags, map[string]any{"since": since}})
	if err != nil {
		return err
	}
	return conn.send("420" + string(args))
}

// answer takes the ack of subscribe.
func (l *listener) answer(p packet.Packet) error {
	var args [1]struct {
		OK       bool
		Channels map[string]struct {
			Position  string
			Recovered bool
			Replayed  int
		}
		Error json.RawMessage
	}
	if err := json.Unmarshal(p.Data, &args); err != nil {
		return err
	}
	if !args[0].OK {
		l.refusals.Add(1)
		return fmt.Errorf("subscribe was refused: %s", args[0].Error)
	}
	for tag, h := range l.heard {
		a := args[0].Channels[tag]
		h.add(entry{
			what: answered, n: h.channel.begun(),
			again: h.joined, recovered: a.Recovered, replayed: a.Replayed,
		})
		if h.messagesSinceAsked() == 0 {
			h.position = a.Position
		}
		h.joined = true
	}
	l.arrived()
	return nil
}

// arrived notes an answer to subscribe.
func (l *listener) arrived() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.connects.Add(1)
	l.answered = append(l.answered, time.Now())
}

// messagesSinceAsked is how many came between subscribe and its answer, the
// last entry. If there is one, its position is newer than that of the answer.
func (h *hearing) messagesSinceAsked() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := len(h.entries) - 1; i >= 0 && h.entries[i].what != asked; i-- {
		if h.entries[i].what == message {
			n++
		}
	}
	return n
}

// event takes a message, or what the server tells.
func (l *listener) event(p packet.Packet) error {
	name, args, err := p.Event()
	if err != nil {
		return err
	}
	switch {
	case name == "$gap":
		var told struct{ Channel string }
		if err := json.Unmarshal(args[0], &told); err != nil {
			return err
		}
		if h := l.heard[told.Channel]; h != nil {
			h.add(entry{what: gap})
		}
	case l.heard[name] != nil && len(args) == 2:
		var data struct{ N int }
		h := l.heard[name]
		if err := json.Unmarshal(args[0], &data); err != nil {
			return err
		}
		if err := json.Unmarshal(args[1], &h.position); err != nil {
			return err
		}
		h.joined = true
		h.add(entry{what: message, n: data.N})
	}
	return nil
}

// back is when the listener first heard the answer to a subscribe after a
// time, or zero.
func (l *listener) back(after time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.answered {
		if at.After(after) {
			return at
		}
	}
	return time.Time{}
}

// times are when the listener was answered, and when its connections ended.
func (l *listener) times() (answered, dropped []time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]time.Time(nil), l.answered...), append([]time.Time(nil), l.dropped...)
}

// String is who it is, and what happened to it last, for a test that fails.
func (l *listener) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "a client of %s, polling %v, in Node %q", l.tags[2], l.polling, l.shim)
	for tag, h := range l.heard {
		fmt.Fprintf(&b, "\n%s:", tag)
		all := h.all()
		for _, e := range all[max(0, len(all)-12):] {
			fmt.Fprintf(&b, " %s %s", e.at.Format("05.000"), [...]string{"asked", "answered", "message", "gap"}[e.what])
			if e.what == message {
				fmt.Fprintf(&b, " %d", e.n)
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&b, "\nconnections ended at")
	for _, at := range l.dropped {
		fmt.Fprintf(&b, " %s", at.Format("05.000"))
	}
	fmt.Fprintf(&b, "\nfailures: %q", l.failures)
	return b.String()
}
