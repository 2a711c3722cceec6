package server

import (
	"bytes"
	"encoding/json"

	"github.com/sb-stream/stream-server/channels"
)

// Message is the second hop of a message: what a broker brings becomes JSON
// and goes to the clients of the channel. It returns how many there are. What
// comes on a reserved tag is for the node itself.
//
// What is nested too deeply is refused, and the clients are told that they have
// missed something: the parsers of browsers are not all as good as ours.
func (s *Server) Message(tag string, data []byte) int {
	if reserved(tag) {
		if s.canary.own(tag) {
			s.canary.message(tag, data)
		} else if channel, ok := here(tag); ok {
			s.presence.Message(channel, data)
		} else {
			s.nodes.message(tag, data)
		}
		return 0
	}
	if s.nodes.marker(tag, data, s.channels.Last()) {
		return 0
	}
	s.counters.messagesIn.Add(1)
	if tooDeep(data) {
		s.counters.tooDeep.Add(1)
		s.noteGap(tag, "too_deep")
		s.channels.Gap(tag, "too_deep")
		return 0
	}
	sent := s.arrived(tag, data)
	n := s.channels.Publish(tag, sent)
	s.delivered(sent, n)
	return n
}

// Durable is Message for one that the broker keeps under an id of its stream.
func (s *Server) Durable(tag string, data []byte, id string) int {
	s.counters.messagesIn.Add(1)
	if tooDeep(data) {
		s.counters.tooDeep.Add(1)
		s.noteGap(tag, "too_deep")
		s.channels.Gap(tag, "too_deep")
		return 0
	}
	sent := s.arrived(tag, data)
	n := s.channels.PublishKept(tag, sent, id)
	s.delivered(sent, n)
	return n
}

// arrived is data as it is sent.
func (s *Server) arrived(tag string, data []byte) []byte {
	sent := asJSON(data)
	if s.config.Tracer.Awaits() {
		s.config.Tracer.FanOut(tag, data, sent, s.channels.Clients(tag))
	}
	return sent
}

// delivered counts a message that went to so many clients.
func (s *Server) delivered(sent []byte, n int) {
	if n == 0 {
		s.config.Tracer.Sent(sent)
	}
	s.counters.messagesOut.Add(uint64(n))
	s.histograms.fanout.Observe(float64(n))
}

// Missed says that messages which the broker keeps have been missed.
func (s *Server) Missed(reason string, tags ...string) {
	s.noteGaps(reason, tags)
	s.channels.Missed(reason, tags...)
}

// Live and Lost are the rest of [channels.Sink].
func (s *Server) Live(tag string) {
	if s.canary.own(tag) {
		s.canary.live(tag)
		return
	}
	if channel, ok := here(tag); ok {
		s.presence.Live(channel)
		return
	}
	s.channels.Live(tag)
}

// Lost says that the clients of the channels may miss messages from now on.
func (s *Server) Lost(reason string, tags ...string) {
	s.noteGaps(reason, tags)
	if s.canary != nil {
		s.canary.lost(reason, tags)
	}
	s.channels.Lost(reason, tags...)
}

// Clients is how many sessions hear the channel, for PUBSUB NUMSUB.
func (s *Server) Clients(tag string) int { return s.channels.Clients(tag) }

// asJSON is data itself if it is JSON, and else a JSON string of it. It is
// checked because a stray 0x1e would let a publisher put packets of its own
// into a polling payload, and bad UTF-8 would end every WebSocket it reaches.
func asJSON(data []byte) []byte {
	if validJSON(data) {
		return data
	}
	text, err := json.Marshal(string(data))
	if err != nil {
		panic("server: a string that is no JSON: " + err.Error()) // cannot be: bad UTF-8 is replaced
	}
	return text
}

// maxPublishNesting is of the arrays and objects in a message. It is far more
// than clients may send, because web servers are trusted and have trees.
const maxPublishNesting = 512

// tooDeep reports whether data begins as JSON does and is nested deeper than it
// may be. Counting the brackets first makes it cost next to nothing.
func tooDeep(data []byte) bool {
	first := bytes.TrimLeft(data, " \t\r\n")
	if len(first) == 0 || first[0] != '[' && first[0] != '{' ||
		bytes.Count(first, []byte("["))+bytes.Count(first, []byte("{")) <= maxPublishNesting {
		return false
	}
	depth := 0
	for i := 0; i < len(first); i++ {
		switch first[i] {
		case '"':
			for i++; i < len(first) && first[i] != '"'; i++ {
				if first[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth++; depth > maxPublishNesting {
				return true
			}
		case ']', '}':
			depth--
		}
	}
	return false
}

// encode is [channels.Encode]: what client.Send sends, which is encoded when
// the first client of a dialect is reached.
func (s *Server) encode(r *channels.Round) any {
	if s.config.Named {
		if n := newNamed(r); n != nil {
			return n
		}
	}
	return encode(r)
}

// quoted is a position as JSON.
func quoted(p channels.Position) []byte {
	return append(append(append(make([]byte, 0, 128), '"'), p...), '"')
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("server: " + err.Error()) // strings and maps of strings always encode
	}
	return data
}
