package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/server/presence"
	"github.com/sb-stream/stream-server/server/socketio"
)

// hereTag and a channel's tag is where nodes tell each other who is in it.
const hereTag = "$here:"

// kindHere is that of what they say there.
const kindHere = "here"

// presenceWait is how much longer than for its messages the ack of a subscribe
// waits for what other nodes know of who is in a channel.
const presenceWait = time.Second

// newPresence is who is in channels. Nodes know of each other's by their key.
func (s *Server) newPresence() *presence.Rosters {
	c := presence.Config{Node: s.node, Log: s.log, Encode: s.encodePresence}
	leases, shared := s.broker.(channels.Leases)
	switch {
	case s.nodes.seal != nil && shared:
		c.Nodes = fellows{s.nodes, leases}
	default:
		c.Alone = !s.config.Redis.Embedded
	}
	return presence.New(c)
}

// fellows are the nodes as [presence.Nodes]: what they say is signed, on
// hereTag, and that they live is a lease, nodeTag, the id and leaseHere.
type fellows struct {
	*nodes

	leases channels.Leases
}

const (
	leaseHere  = ":here"
	valueAlive = "alive" // in the place of an address
)

func (f fellows) Listen(tag string)   { f.broker.Listen(hereTag + tag) }
func (f fellows) Unlisten(tag string) { f.broker.Unlisten(hereTag + tag) }
func (f fellows) Room() int           { return f.room() }

func (f fellows) Say(ctx context.Context, tag string, body []byte) (nodes int, err error) {
	return f.send(ctx, hereTag+tag, nodeMessage{Node: f.id, ID: rand.Text(), Kind: kindHere, Body: body})
}

func (f fellows) Open(tag string, data []byte) (node string, body []byte, err error) {
	m, err := f.seal.open(hereTag+tag, data)
	if err != nil {
		f.refuse(err)
	}
	return m.Node, m.Body, err
}

func (f fellows) Hold(ctx context.Context, ttl time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	return f.leases.Hold(ctx, nodeTag+f.id+leaseHere, f.seal.lease(f.id+leaseHere, valueAlive), ttl)
}

func (f fellows) Alive(ctx context.Context, node string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	text, err := f.leases.Lookup(ctx, nodeTag+node+leaseHere)
	return f.seal.openLease(node+leaseHere, text) == valueAlive, err
}

// present reads what the second argument of subscribe says of presence: true is
// all of the channels, a list those of them, false none any more. Channels of
// which nothing is said are not in the answer.
func present(e *socketio.Event, tags []string) map[string]bool {
	if len(e.Args) < 2 || !bytes.Contains(e.Args[1], []byte(`"presence"`)) {
		return nil
	}
	var options struct {
		Presence json.RawMessage `json:"presence"`
	}
	if json.Unmarshal(e.Args[1], &options) != nil {
		return nil
	}
	var each bool
	var some []string
	list := tags
	if json.Unmarshal(options.Presence, &each) != nil {
		if json.Unmarshal(options.Presence, &some) != nil {
			return nil
		}
		each, list = true, some
	}
	found := make(map[string]bool)
	for _, tag := range list {
		if slices.Contains(tags, tag) {
			found[tag] = each
		}
	}
	return found
}

// A notice is what there is to tell of who is in a channel, as each [form] has it.
type notice struct {
	message *socketio.Message
	echo    *socketio.Message // nil: Laravel Echo has no word for it
}

func (s *Server) encodePresence(n presence.News) any {
	told := &notice{message: socketio.NewMessage("/", n.Event, n.Body)}
	if s.config.Echo {
		told.echo = echoPresence(n)
	}
	return told
}

// Tell is [presence.Session].
func (c *client) Tell(event any) {
	told := event.(*notice)
	switch {
	case c.ear.wants() != asEcho:
		told.message.SendTo(c.session)
	case told.echo != nil:
		told.echo.SendTo(c.session)
	}
}

// asPresent is who somebody is in a channel.
func asPresent(who identity.Who, tag string) presence.Who {
	name, guest := who.In(tag)
	return presence.Who{ID: name.ID, Guest: guest, Said: name.Said}
}

// attend is that of the client, with the wishes of its event. Of those, the ones
// are returned that the ack is to answer: in silence, and to Laravel Echo, who is
// there is told by an event.
func (s *Server) attend(c *client, e *socketio.Event, wishes map[string]bool) (asked map[string]bool, ready []<-chan struct{}) {
	if said := s.echo(e); said != nil {
		c.attend(s.presence, said.presence(c.identity()), true)
		return nil, nil
	}
	if !e.WantsAck() {
		c.attend(s.presence, wishes, true)
		return nil, nil
	}
	return wishes, c.attend(s.presence, wishes, false)
}

// attend makes the client be in those of the channels that it hears, or leave
// them. What it returns is closed once it is shown there, and it is to be
// welcome then; in silence, it is told by an event.
func (c *client) attend(all *presence.Rosters, wishes map[string]bool, silence bool) (ready []<-chan struct{}) {
	if len(wishes) == 0 {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for tag, wish := range wishes {
		i := c.heard.index(tag)
		switch {
		case c.left || i < 0: // it has been taken away since
		case !wish:
			c.absentLocked(all, tag, true)
		default:
			if c.present == nil {
				c.present = make(map[string]struct{}, 1)
			}
			c.present[c.heard[i].Tag] = struct{}{}
			if who := asPresent(c.who, tag); silence {
				all.Return(c.heard[i].Tag, who, c)
			} else {
				ready = append(ready, all.Enter(c.heard[i].Tag, who, c))
			}
		}
	}
	return ready
}

// absentLocked ends attend, if it was there.
func (c *client) absentLocked(all *presence.Rosters, tag string, atOnce bool) {
	if _, here := c.present[tag]; !here {
		return
	}
	all.Exit(tag, c, atOnce)
	if delete(c.present, tag); len(c.present) == 0 {
		c.present = nil
	}
}

// withdraw makes the client leave at once wherever it is.
func (c *client) withdraw(all *presence.Rosters) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tag := range c.present {
		c.absentLocked(all, tag, true)
	}
}

// attending reports whether the client is in a channel.
func (c *client) attending(tag string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, here := c.present[tag]
	return here
}

// welcome gives answer who is in the channels that the client has entered, and
// has it told of what changes from there on.
func (s *Server) welcome(c *client, wishes map[string]bool, answer func(lists map[string]json.RawMessage)) {
	var tags []string
	for tag, wish := range wishes {
		if wish {
			tags = append(tags, tag)
		}
	}
	if len(tags) == 0 {
		answer(nil)
		return
	}
	s.presence.Welcome(c, tags, answer)
}

// here is the channel of a tag on which nodes say who is there; false if it is
// another tag.
func here(tag string) (channel string, ok bool) { return strings.CutPrefix(tag, hereTag) }
