package server

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"weak"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/channels/dialect"
	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio"
	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// A form is what a client gets of a message that has an event's name of its
// own (package dialect). Other messages are the same in each.
type form uint8

const (
	asData   form = iota // the event of the channel, with {event, data}: what SB.comet hears
	asEvents             // the event of that name, with its arguments, as stock clients heard it in a room
	asEcho               // the event of that name, with the channel and the data: what Laravel Echo hears

	forms
)

// An ear is how one client hears such messages. Its lock is below those of
// channels, under which messages are sent.
type ear struct {
	mu    sync.Mutex
	form  form                  // guarded by mu
	tags  []string              // guarded by mu; what the client hears
	heard [8]weak.Pointer[byte] // guarded by mu; the last messages for several rooms, by the first byte of their data
	next  int                   // guarded by mu; the oldest of them
}

// listen notes what the client hears from now on.
func (e *ear) listen(to heardList) {
	if e == nil {
		return
	}
	tags := to.tags()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tags = tags
}

// want notes in which form the client wants messages, on all its channels.
func (e *ear) want(f form) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.form = f
}

func (e *ear) wants() form {
	if e == nil {
		return asData
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.form
}

// choose reads the wish for a form in the second argument of subscribe:
// {events: true}.
func (c *client) choose(e *socketio.Event) error {
	var options struct {
		Events *bool `json:"events"`
	}
	if len(e.Args) < 2 || json.Unmarshal(e.Args[1], &options) != nil || options.Events == nil {
		return nil
	}
	switch {
	case !*options.Events:
		c.ear.want(asData)
	case c.ear == nil:
		return &wireError{Code: CodeBadRequest, Message: "this server has messages with names of their own only with --dialects"}
	default:
		c.ear.want(asEvents)
	}
	return nil
}

// takes reports whether the client is to get the message. A web server knows it
// by what its socket.io-client says that its id is: before 3.0, that of the
// session. One for
// several rooms comes once as an event, as it does in Socket.IO, though it may
// come again if eight others came in between.
func (c *client) takes(m *dialect.Message, data []byte) bool {
	e := c.ear
	if m == nil || !m.Choosy() {
		return true
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if m.Excepts(c.ID()) || m.Excepts(c.session.ID()) || slices.ContainsFunc(e.tags, m.Excepts) {
		return false
	}
	if len(m.Rooms) < 2 || e.form != asEvents {
		return true
	}
	it := weak.Make(&data[0])
	if slices.Contains(e.heard[:], it) {
		return false
	}
	e.heard[e.next] = it
	e.next = (e.next + 1) % len(e.heard)
	return true
}

// named is a round in which messages have names of their own.
type named struct {
	// Constant.
	round  *channels.Round
	parsed []*dialect.Message // nil for those that have none
	choosy bool               // some are not for everybody

	encoded [forms]struct {
		once    sync.Once
		message *socketio.Message
	}
}

// newNamed is nil if no message of the round has a name of its own.
func newNamed(r *channels.Round) *named {
	var n *named
	for i := range r.Messages {
		m := dialect.Parse(r.Messages[i].Data)
		if m == nil || !whole(m) {
			continue
		}
		if n == nil {
			n = &named{round: r, parsed: make([]*dialect.Message, len(r.Messages))}
		}
		n.parsed[i] = m
		n.choosy = n.choosy || m.Choosy()
	}
	return n
}

// whole reports whether the placeholders of a message are those of its
// attachments: clients close the connection otherwise.
func whole(m *dialect.Message) bool {
	return len(m.Attachments) == 0 || len(m.Attachments) <= packet.MaxAttachments &&
		packet.Placeholders(packet.AppendList(nil, m.Args()...), len(m.Attachments)) == nil
}

// whole is all of the round in a form.
func (n *named) whole(f form) *socketio.Message {
	e := &n.encoded[f]
	e.once.Do(func() { e.message = n.encode(f, nil) })
	return e.message
}

// sendTo sends the round to one client in the form that it wants.
func (n *named) sendTo(c *client) engineio.Outcome {
	form := c.ear.wants()
	var not []int // which the client is not to get
	if n.choosy {
		for i, m := range n.parsed {
			if !c.takes(m, n.round.Messages[i].Data) {
				not = append(not, i)
			}
		}
	}
	switch len(not) {
	case 0:
		return n.whole(form).SendTo(c.session)
	case len(n.parsed):
		return engineio.Sent // nothing is for it
	default:
		return n.encode(form, not).SendTo(c.session)
	}
}

// encode makes the events of the round, but for those messages.
func (n *named) encode(f form, not []int) *socketio.Message {
	latest := ""
	if n.round.Latest {
		latest = n.round.Channel
	}
	var list []*socketio.Message
	for i := range n.round.Messages {
		if slices.Contains(not, i) {
			continue
		}
		list = append(list, n.event(f, i))
		if n.round.Messages[i].Gap != "" {
			latest = "" // nothing takes the place of this
		}
	}
	return socketio.Batch(latest, list...)
}

// event makes the event of one message. Names that Socket.IO or this server
// keeps are not an event's.
func (n *named) event(f form, i int) *socketio.Message {
	m, message := n.parsed[i], &n.round.Messages[i]
	if m == nil {
		return event(n.round.Channel, message)
	}
	if packet.Reserved(m.Event) || strings.HasPrefix(m.Event, "$") {
		f = asData
	}
	position := quoted(message.Position)
	switch f {
	case asEvents:
		return socketio.NewBinaryMessage("/", m.Event, m.Attachments, append(m.Args(), position)...)
	case asEcho:
		data := m.Data
		if data == nil {
			data = []byte("null")
		}
		return socketio.NewBinaryMessage("/", m.Event, m.Attachments, mustJSON(n.round.Channel), data, position)
	default:
		return socketio.NewMessage("/", n.round.Channel, m.Plain(), position)
	}
}
