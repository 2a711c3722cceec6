package server

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/socketio"
)

// Message is the second hop of a message: what a broker brings becomes JSON
// and goes to the clients of the channel. It returns how many there are.
func (s *Server) Message(tag string, data []byte) int {
	s.counters.messagesIn.Add(1)
	n := s.channels.Publish(tag, asJSON(data))
	s.counters.messagesOut.Add(uint64(n))
	return n
}

// Live and Lost are the rest of [channels.Sink].
func (s *Server) Live(tag string) { s.channels.Live(tag) }

// Lost says that the clients of the channels may miss messages from now on.
func (s *Server) Lost(reason string, tags ...string) { s.channels.Lost(reason, tags...) }

// Clients is how many sessions hear the channel, for PUBSUB NUMSUB.
func (s *Server) Clients(tag string) int { return s.channels.Clients(tag) }

// asJSON is data itself if it is JSON, and else a JSON string of it. It is
// checked because a stray 0x1e would let a publisher put packets of its own
// into a polling payload, and bad UTF-8 would end every WebSocket it reaches.
func asJSON(data []byte) []byte {
	if json.Valid(data) && utf8.Valid(data) {
		return data
	}
	text, err := json.Marshal(string(data))
	if err != nil {
		panic("server: a string that is no JSON: " + err.Error()) // cannot be: bad UTF-8 is replaced
	}
	return text
}

// encode is [channels.Encode]: the events of DESIGN.md section 2. What it
// returns is encoded when the first client of a dialect is reached.
func encode(r *channels.Round) any {
	if len(r.Messages) == 1 && !r.Latest {
		return event(r.Channel, &r.Messages[0])
	}
	latest := ""
	if r.Latest {
		latest = r.Channel
	}
	list := make([]*socketio.Message, len(r.Messages))
	for i := range r.Messages {
		list[i] = event(r.Channel, &r.Messages[i])
		if r.Messages[i].Gap != "" {
			latest = "" // nothing takes the place of this
		}
	}
	return socketio.Batch(latest, list...)
}

func event(channel string, m *channels.Message) *socketio.Message {
	if m.Gap != "" {
		return socketio.NewMessage("/", "$gap", mustJSON(map[string]string{"channel": channel, "reason": m.Gap}))
	}
	position := append(append(append(make([]byte, 0, 32), '"'), m.Position...), '"') // letters, digits and a point
	return socketio.NewMessage("/", channel, m.Data, position)
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("server: " + err.Error()) // strings and maps of strings always encode
	}
	return data
}
