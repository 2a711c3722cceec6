package server

import (
	"io"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/identity"
)

// Whatever a body is, it is refused or means one session or member, and for
// unsubscribe a channel.
func FuzzRevocation(f *testing.F) {
	for _, body := range []string{
		"", "null", "{}", `{"session":"a"}`, `{"member":"b"}`, `{"session":"a","member":"b"}`, `{"session":"a","channel":"c"}`,
		`{"member":"b","channel":"$c"}`, `{"session":7}`, `{"x":1}`, `{"session":"a"} 1`, `[{"session":"a"}]`, "{\"session\":\"\xff\"}",
	} {
		f.Add([]byte(body), true)
		f.Add([]byte(body), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, channel bool) {
		q, fault := parseRevocation(body, channel)
		switch {
		case fault != nil:
			if q != (revocation{}) || fault.Code != CodeBadRequest && fault.Code != CodeBadChannel {
				t.Errorf("parseRevocation(%q) = %+v and %v", body, q, fault)
			}
		case (q.Session == "") == (q.Member == ""), channel != (q.Channel != ""), channel && tags.Check(q.Channel) != nil:
			t.Errorf("parseRevocation(%q) = %+v", body, q)
		}
	})
}

// A client that an operator has disconnected leaves again when its session ends,
// also while a subscribe of it is not answered yet, and stays who it was.
func TestLeaveTwice(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	s, err := New(Config{Broker: &always{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{who: identity.Who{Member: "m"}}
	s.members.enter("m", c, 0)
	gone := c.gone()
	c.leave(s)
	c.leave(s)
	select {
	case <-gone:
	default:
		t.Error("who waits for the client was not told that it has left")
	}
	s.become(c, nil, identity.Who{Member: "other"}, reasonChanged)
	if who := c.identity().Member; who != "m" || s.members.len() != 0 {
		t.Errorf("it is %q after it has left, and %d members are there; want what it was, and nobody", who, s.members.len())
	}
	if _, err := c.hear(s, []string{"x"}, nil); err == nil {
		t.Error("it hears after it has left")
	}
}
