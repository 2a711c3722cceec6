package server

import (
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"github.com/sb-stream/stream-server/channels"
)

// event notes what a client was sent: an end, or a message, by its number.
func (m *model) event(p *person, packet string, messages *[]int) {
	text, found := strings.CutPrefix(packet, "42")
	if !found {
		return
	}
	var list []json.RawMessage
	var name string
	if json.Unmarshal([]byte(text), &list) != nil || json.Unmarshal(list[0], &name) != nil {
		m.fail("a client was sent %s", packet)
	}
	switch {
	case name == "$expired":
		var e expired
		_ = json.Unmarshal(list[1], &e)
		m.ended[e.Reason]++
		if public(e.Channel) {
			m.fail("a public channel was taken away: %s", packet)
		}
		delete(p.hears, e.Channel)
		m.step("%p loses %s: %s", p, e.Channel, e.Reason)
	case strings.HasPrefix(name, "$"):
	case messages == nil:
		m.fail("a message came late: %s", packet)
	default:
		n, _ := strconv.Atoi(string(list[1]))
		*messages = append(*messages, n)
		var position channels.Position
		_ = json.Unmarshal(list[2], &position)
		if p.position == nil {
			p.position = make(map[string]channels.Position)
		}
		p.position[name] = position
	}
}

func (m *model) subscribe(p *person) {
	var list []string
	for range 1 + m.random.IntN(3) {
		list = append(list, pick(m, modelTags))
	}
	granted, private := true, false
	for _, tag := range list {
		granted = granted && p.who.grants(tag)
		private = private || !public(tag)
	}
	over := time.Since(p.who.exp.Add(leeway))
	ended := private && p.who.member != "" && over > 0
	var args []any
	if m.random.IntN(2) == 0 {
		args = append(args, map[string]any{"since": p.position}) // as somebody who comes back
	}
	ok, code := m.call(p, "subscribe", append([]any{list}, args...)...)
	m.step("%p subscribes %v: %v %s", p, list, ok, code)
	graceOver := p.ended()
	certain := !private || p.who.member == "" || (over > tickTime || over < 0) && (graceOver > tickTime || graceOver < 0)
	if certain && ok != (granted && !ended && (!private || p.who.member == "" || graceOver < 0)) {
		m.fail("subscribe %v by %+v is %v %s", list, p.who, ok, code)
	}
	if ok && !granted {
		m.fail("subscribe %v by %+v is ok", list, p.who)
	}
	for _, tag := range list {
		if ok {
			p.hears[tag] = true
		}
	}
}

func (m *model) identify(p *person) {
	who := m.bearer()
	if who.member == "" {
		if ok, code := m.call(p, "identify", "nonsense"); ok || code != string(CodeBadToken) {
			m.fail("identify with nonsense is %v %s", ok, code)
		}
		return
	}
	if ok, code := m.call(p, "identify", who.token()); !ok {
		m.fail("identify is %s", code)
	}
	m.step("%p identifies as %+v", p, who)
	p.who, p.since = who, time.Now()
	maps.DeleteFunc(p.hears, func(tag string, _ bool) bool {
		if !who.grants(tag) {
			m.fail("%s was not taken from %+v", tag, who)
		}
		return false
	})
}

// publish publishes to one channel, and looks at who has got it.
func (m *model) publish() {
	m.message++
	tag := pick(m, modelTags)
	m.tagOf[m.message] = tag
	m.step("message %d to %s", m.message, tag)
	if _, err := m.bus.Publish(m.t.Context(), tag, []byte(strconv.Itoa(m.message))); err != nil {
		m.fail("Publish: %v", err)
	}
	synctest.Wait()
	for _, p := range m.people {
		if p.wire == nil {
			continue
		}
		var got []int
		for _, packet := range p.packets() {
			m.event(p, packet, &got)
		}
		over := p.ended()
		held := public(tag) || p.who.member == "" || over < tickTime
		switch {
		case len(got) > 0 && !p.hears[tag]:
			m.fail("%+v got a message of %s, which it does not hear", p.who, tag)
		case len(got) > 0 && (!p.who.grants(tag) || !held):
			m.fail("%+v got a message of %s, which it may not have", p.who, tag)
		case len(got) == 0 && p.hears[tag]:
			m.fail("%+v got no message of %s, which it hears", p.who, tag)
		case len(got) > 1 || len(got) == 1 && got[0] != m.message:
			m.fail("%+v got %v, want %d", p.who, got, m.message)
		}
	}
}
