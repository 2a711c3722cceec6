package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/internal/brokertest"
	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/reactor"
)

// What the model of model_test.go is made of.

// A bus is a broker of several nodes.
type bus struct {
	brokertest.Near

	nodes []*Server
}

func (*bus) Run(ctx context.Context, _ channels.Sink) error {
	<-ctx.Done()
	return nil
}

func (b *bus) Listen(tag string) {
	for _, n := range b.nodes {
		go n.Live(tag)
	}
}

func (b *bus) Publish(_ context.Context, tag string, data []byte) (int, error) {
	for _, n := range b.nodes {
		n.Message(tag, bytes.Clone(data))
	}
	return len(b.nodes), nil
}

// A wire is a socket that keeps what the client was sent.
type wire struct {
	memory

	mu  sync.Mutex
	got []byte // guarded by mu; frames
}

func (w *wire) Write(b []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got = append(w.got, b...)
	return true
}

func (w *wire) WriteAll(list ...[]byte) bool {
	for _, b := range list {
		w.Write(b)
	}
	return true
}

// packets takes what has come, as text.
func (w *wire) packets() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for r := bytes.NewReader(w.got); r.Len() > 0; {
		h, err := ws.ReadHeader(r)
		payload := make([]byte, h.Length)
		if _, readErr := io.ReadFull(r, payload); err != nil || readErr != nil {
			panic("server: half a frame was sent")
		}
		if h.OpCode == ws.OpText {
			list = append(list, string(payload))
		}
	}
	w.got = nil
	return list
}

// A bearer is what a client is to be known by.
type bearer struct {
	member   string // empty: a guest
	channels tags.Patterns
	exp      time.Time
}

func (b bearer) token() string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": b.member, "exp": b.exp.Unix(), "channels": b.channels,
	}).SignedString([]byte(modelKey))
	if err != nil {
		panic(err)
	}
	return token
}

// grants reports whether a channel is one for this bearer, while the token holds.
func (b bearer) grants(tag string) bool {
	if owner, personal := strings.CutPrefix(tag, "member:"); personal {
		return owner == b.member
	}
	return !strings.HasPrefix(tag, "private:") || b.channels.Match(tag)
}

func public(tag string) bool { return strings.HasPrefix(tag, "feed:") }

// A person is one client of the model.
type person struct {
	*wire

	node  int
	id    string // of the session
	who   bearer
	since time.Time // that they are who they are
	hears map[string]bool
	acks  int

	position map[string]channels.Position // of the last message of a channel that they had
}

// ended is for how long what was granted has ended; negative before.
func (p *person) ended() time.Duration {
	end := p.who.exp.Add(modelGrace)
	if end.Before(p.since) { // it came within the leeway, and ends at once
		end = p.since
	}
	return time.Since(end)
}

// connect makes somebody come to a node, and back to what they heard before.
func (m *model) connect(p *person, who bearer) {
	p.wire, p.node, p.hears = &wire{}, m.random.IntN(len(m.bus.nodes)), make(map[string]bool)
	p.who, p.since = who, time.Now()
	r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=websocket", nil)
	m.bus.nodes[p.node].io.Engine().Attach(r, func(h reactor.Handler) reactor.Conn {
		p.handler = h
		return p.wire
	})
	auth := "{}"
	if who.member != "" {
		auth = `{"token":"` + who.token() + `"}`
	}
	p.say("40" + auth)
	synctest.Wait()
	got := strings.Join(p.packets(), " ")
	_, told, found := strings.Cut(got, `42["$session",{"id":"`)
	if !found {
		m.fail("a client was not let in: %s", got)
	}
	p.id, _, _ = strings.Cut(told, `"`)
	m.step("%p connects to node %d as %+v", p, p.node, who)
}

// call emits an event, and reports whether it was answered with ok.
func (m *model) call(p *person, event string, args ...any) (ok bool, code string) {
	p.acks++
	list, err := json.Marshal(append([]any{event}, args...))
	if err != nil {
		panic(err)
	}
	p.say("42" + strconv.Itoa(p.acks) + string(list))
	synctest.Wait()
	prefix := "43" + strconv.Itoa(p.acks)
	var replayed []int
	for _, packet := range p.packets() {
		m.event(p, packet, &replayed)
		if text, found := strings.CutPrefix(packet, prefix+"["); found {
			var answer ack
			if json.Unmarshal([]byte(strings.TrimSuffix(text, "]")), &answer) != nil {
				m.fail("%s was answered %s", event, packet)
			}
			if answer.Error != nil {
				code = string(answer.Error.Code)
			}
			m.recovered(p, answer, replayed)
			return answer.OK, code
		}
	}
	m.fail("%s was not answered", event)
	return false, ""
}

// recovered looks at what somebody was sent before a subscribe was answered.
func (m *model) recovered(p *person, answer ack, replayed []int) {
	want := 0
	for _, sub := range answer.Channels {
		want += sub.Replayed
	}
	if len(replayed) != want {
		m.fail("%d messages came before an answer that says %d were replayed", len(replayed), want)
	}
	for _, number := range replayed {
		if tag := m.tagOf[number]; !p.who.grants(tag) || answer.Channels[tag].Replayed == 0 {
			m.fail("%+v was replayed message %d of %s", p.who, number, tag)
		}
		m.ended["replayed"]++
	}
}

// operate is an operator's call, on either node.
func (m *model) operate(path string, what revocation) {
	r := httptest.NewRequest("POST", path, bytes.NewReader(mustJSON(what)))
	r.RemoteAddr, r.Host = "127.0.0.1:1", "localhost"
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	pick(m, m.bus.nodes).Handler().ServeHTTP(w, r)
	synctest.Wait()
	m.step("%s %+v: %d %s", path, what, w.Code, w.Body)
	if w.Code != 200 {
		m.fail("%s %+v was answered %d %s", path, what, w.Code, w.Body)
	}
}

// revoke takes a channel from somebody, or somebody from all.
func (m *model) revoke(p *person) {
	if m.random.IntN(3) == 0 {
		m.operate("/api/disconnect", revocation{Session: p.id})
		if got := strings.Join(p.packets(), " "); !strings.Contains(got, "41") {
			m.fail("somebody who was disconnected was told %s", got)
		}
		p.Close()
		p.wire = nil
		return
	}
	tag := pick(m, modelTags)
	m.operate("/api/unsubscribe", revocation{Session: p.id, Channel: tag})
	told := false
	for _, packet := range p.packets() {
		told = told || strings.HasPrefix(packet, `42["$expired"`) && strings.Contains(packet, reasonOperator)
		if !strings.Contains(packet, reasonOperator) {
			m.event(p, packet, nil)
		}
	}
	if told != p.hears[tag] {
		m.fail("somebody who hears %v was told %v of the end of %s", p.hears, told, tag)
	}
	if told {
		m.ended[reasonOperator]++
	}
	delete(p.hears, tag)
}
