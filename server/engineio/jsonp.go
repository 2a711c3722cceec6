package engineio

import (
	"net/url"
	"strings"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// JSONP is polling for browsers without XMLHttpRequest across origins
// (PROTOCOL.md 3.5): a poll is a script tag, and a POST is a form. A session
// has it from its handshake on, for as long as it polls.

// A callback is the function of the client that the scripts call. It is nil in
// sessions without JSONP.
type callback struct {
	list string // of functions: "___eio", or that of 0.9 clients
	j    string // the query's, whose digits are the number of the function
}

func callbackOf(q url.Values) *callback {
	if !q.Has("j") {
		return nil
	}
	return &callback{"___eio", q.Get("j")}
}

// script is a payload as a script. The reference sends it as text/plain, which
// a browser refuses to run where X-Content-Type-Options is nosniff, as it is
// here and as many proxies set it. As a script it runs everywhere.
func (c *callback) script(payload []byte) (body []byte, contentType string) {
	return packet.AppendJSONP(nil, c.list, c.j, payload), "text/javascript; charset=UTF-8"
}

// formPayload is the payload in the form of a JSONP client. It is empty, which
// is no payload, if there is none.
func (s *Session) formPayload(form []byte) []byte {
	for field := range strings.SplitSeq(string(form), "&") {
		if name, value, _ := strings.Cut(field, "="); name == "d" {
			d, err := url.QueryUnescape(value)
			if err != nil {
				return nil
			}
			if s.version == packet.V1 {
				return legacyForm(d)
			}
			return packet.DecodeJSONP(d)
		}
	}
	return nil
}
