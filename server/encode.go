package server

import (
	"slices"
	"sync"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio"
)

// encode makes the events of DESIGN.md section 2. What it returns
// is encoded when the first client of a dialect is reached; beside the dialects of
// Socket.IO stand the events of plain HTTP.
func encode(r *channels.Round) any {
	if len(r.Messages) == 1 && !r.Latest {
		return event(r.Channel, &r.Messages[0])
	}
	list := make([]*socketio.Message, len(r.Messages))
	for i := range r.Messages {
		list[i] = event(r.Channel, &r.Messages[i])
	}
	return socketio.Batch(latestOf(r), list...)
}

func event(channel string, m *channels.Message) *socketio.Message {
	if m.Gap != "" {
		return socketio.NewMessage("/", "$gap", mustJSON(gap{channel, m.Gap}))
	}
	var room [128]byte
	position := append(append(append(room[:0], '"'), m.Position...), '"') // letters, digits and points
	return socketio.NewMessage("/", channel, m.Data, position)
}

// gap is the argument of $gap.
type gap struct {
	Channel string `json:"channel"`
	Reason  string `json:"reason"`
}

// eventsOf are the round as those of plain HTTP get it: what has a name of its own
// comes as data.
func eventsOf(r *channels.Round) *events {
	m, ok := r.Encoding.(*socketio.Message)
	if !ok {
		m = r.Encoding.(*named).whole(asData)
	}
	return m.Aside(func() any { return new(events) }).(*events)
}

// events are a round as Server-Sent Events. It may be used from any goroutine.
type events struct {
	alone, among sync.Once
	bundle       *engineio.Bundle // set by alone
	heads        []engineio.Frame // set by among
}

// bundleOf is the round for clients who hear this channel alone: events without a
// name, and with the position of their message for an id.
func (e *events) bundleOf(r *channels.Round) *engineio.Bundle {
	e.alone.Do(func() {
		list := make([]engineio.Frame, len(r.Messages))
		for i := range r.Messages {
			m := &r.Messages[i]
			list[i] = engineio.PlainFrame(appendEnd(appendEvent(nil, "", r.Channel, m), string(m.Position)))
		}
		e.bundle = engineio.NewBundle(latestOf(r), list...)
	})
	return e.bundle
}

// headsOf is the round for clients who hear others too: events with the name of
// the channel, each without its end, in which their id stands.
func (e *events) headsOf(r *channels.Round) []engineio.Frame {
	e.among.Do(func() {
		e.heads = make([]engineio.Frame, len(r.Messages))
		for i := range r.Messages {
			e.heads[i] = engineio.PlainFrame(appendEvent(nil, r.Channel, r.Channel, &r.Messages[i])).Joined()
		}
	})
	return e.heads
}

// latestOf is the channel if a newer message may take the place of this round.
func latestOf(r *channels.Round) string {
	if !r.Latest {
		return ""
	}
	for i := range r.Messages {
		if r.Messages[i].Gap != "" {
			return "" // nothing takes the place of this
		}
	}
	return r.Channel
}

// appendEvent appends a message of a channel as an event, without its end. No
// name is that of EventSource.onmessage.
func appendEvent(b []byte, name, channel string, m *channels.Message) []byte {
	if m.Gap != "" {
		return appendField(appendField(b, "event", "$gap"), "data", string(mustJSON(gap{channel, m.Gap})))
	}
	b = slices.Grow(b, len(m.Data)+len(name)+len(m.Position)+32)
	if name != "" {
		b = appendField(b, "event", name)
	}
	start := len(b) + len("data: ")
	b = appendField(b, "data", m.Data)
	unbreak(b[start : len(b)-1])
	return b
}

// unbreak makes spaces of the ends of lines, which JSON has between its values
// only: an event has them between its fields.
func unbreak(data []byte) {
	for i := range data {
		if data[i] == '\n' || data[i] == '\r' {
			data[i] = ' '
		}
	}
}

func appendField[T string | []byte](b []byte, name string, value T) []byte {
	return append(append(append(append(b, name...), ": "...), value...), '\n')
}

// appendEnd ends an event. The client keeps the id until another comes.
func appendEnd(b []byte, id string) []byte {
	if id != "" {
		b = appendField(b, "id", id)
	}
	return append(b, '\n')
}
