package server

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/reactor"
)

// A reader is one client.
type reader struct {
	*wire

	node     *lateBroker // that it is connected to; nil: to none
	position map[string]channels.Position
	at       map[string]int // tag → index in its log of the last message that it had; absent: it cannot know
	most     map[string]int // tag → the highest index that it has ever got
	unread   []string       // packets that have come, and may yet be lost
	acks     int
	answered bool            // this connection's subscribe was
	early    map[string]bool // tag → a message has come before the answer: whether all is there is not known yet
}

// connect makes somebody come to a node, with what it knows.
func (h *histories) connect(p *reader) {
	b := h.nodes[h.random.IntN(len(h.nodes))]
	p.wire, p.node, p.unread, p.answered, p.early = &wire{}, b, nil, false, make(map[string]bool)
	r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=websocket", nil)
	b.node.io.Engine().Attach(r, func(handler reactor.Handler) reactor.Conn {
		p.handler = handler
		return p.wire
	})
	p.say("40{}")
	p.acks++
	list, err := json.Marshal([]any{"subscribe", historyTags, map[string]any{"since": p.position}})
	if err != nil {
		panic(err)
	}
	p.say("42" + strconv.Itoa(p.acks) + string(list))
	h.step("%p connects to %s with %v, at %v", p, b.node.node, p.position, p.at)
}

// cut ends a connection: some of what has come may be lost with it.
func (h *histories) cut(p *reader) {
	p.unread = append(p.unread, p.packets()...)
	h.read(p, h.random.IntN(len(p.unread)+1))
	h.step("%p is cut off, at %v, and loses %d packets", p, p.at, len(p.unread))
	p.Close()
	for tag := range p.early { // nobody will say, so the shim tells of a gap
		delete(p.at, tag)
	}
	p.node, p.wire, p.unread = nil, nil, nil
}

// read lets somebody look at some of what has come.
func (h *histories) read(p *reader, n int) {
	for _, packet := range p.unread[:n] {
		h.packet(p, packet)
	}
	p.unread = p.unread[n:]
}

func (h *histories) packet(p *reader, packet string) {
	if text, found := strings.CutPrefix(packet, "43"+strconv.Itoa(p.acks)+"["); found {
		h.acked(p, strings.TrimSuffix(text, "]"))
		return
	}
	text, found := strings.CutPrefix(packet, "42")
	if !found {
		return
	}
	var list []json.RawMessage
	var tag string
	if json.Unmarshal([]byte(text), &list) != nil || json.Unmarshal(list[0], &tag) != nil {
		h.fail("a client was sent %s", packet)
	}
	if tag == "$gap" {
		var gap struct{ Channel, Reason string }
		_ = json.Unmarshal(list[1], &gap)
		h.step("%p is told of a gap in %s: %s", p, gap.Channel, gap.Reason)
		h.seen["gap"]++
		delete(p.at, gap.Channel)
		return
	}
	if strings.HasPrefix(tag, "$") {
		return
	}
	var position channels.Position
	_ = json.Unmarshal(list[2], &position)
	index, ok := h.index(tag, position)
	if !ok {
		h.fail("%p got %s, which nobody has sent", p, packet)
	}
	h.step("%p gets %s %d at %s", p, tag, index, position)
	if most, came := p.most[tag]; came && index <= most {
		h.fail("%p got %d of %s after %d", p, index, tag, most)
	}
	at, sure := p.at[tag]
	hole := sure && index != at+1
	if hole && p.answered {
		h.fail("%p got %d of %s after %d, and was told of no gap", p, index, tag, at)
	}
	if !p.answered {
		p.early[tag] = p.early[tag] || hole
	}
	p.at[tag], p.most[tag], p.position[tag] = index, index, position
}

// acked is what the shim does with the answer to subscribe.
func (h *histories) acked(p *reader, text string) {
	var answer ack
	if json.Unmarshal([]byte(text), &answer) != nil || !answer.OK {
		h.fail("subscribe was answered %s", text)
	}
	h.step("%p is answered %s", p, text)
	for tag, sub := range answer.Channels {
		_, came := p.position[tag]
		hole, early := p.early[tag]
		switch {
		case came && sub.Recovered:
			h.seen["recovered"]++
			h.seen["replayed"] += sub.Replayed
			if hole {
				h.fail("%p is told that %s was recovered after a hole", p, tag)
			}
			continue
		case came:
			h.seen["not recovered"]++
		}
		if early {
			continue // what has come is where it goes on
		}
		// It reloads its state: messages from here on are what it must have.
		delete(p.at, tag)
		// A position without a fingerprint is of no message.
		if index, ok := h.index(tag, sub.Position); ok && sub.Live == nil && !strings.HasSuffix(string(sub.Position), ".0") {
			p.at[tag] = index
		}
		p.position[tag] = sub.Position
	}
	p.answered, p.early = true, nil
}

// index is the place in its channel's log of the message that a position is of,
// or comes next after.
func (h *histories) index(tag string, position channels.Position) (int, bool) {
	at, ok := position.Place()
	if !ok {
		h.fail("%q is no position", position)
	}
	if at.ID != "" {
		i := slices.IndexFunc(h.world.logs[tag], func(p uttered) bool { return p.id == at.ID })
		return i, i >= 0
	}
	if b := h.known[at.Node]; b != nil {
		return b.at(tag, at.Number)
	}
	return 0, false
}
