package hostile

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"
)

// A listener is a client that hears the channel of an input that is published.
type listener struct {
	name string
	next func(prefix string) (string, error) // packet that begins so
	raw  func() string                       // all that has come so far
	end  func()
}

// playRedis publishes an input as a web server does, with clients of all kinds
// that listen. The outcome is what they heard, which is the same for all.
func (n *target) playRedis(in input) (string, error) {
	listeners, err := n.listeners("hostile")
	if err != nil {
		return "", err
	}
	defer func() {
		for _, l := range listeners {
			l.end()
		}
	}()
	refused, err := n.refusals()
	if err != nil {
		return "", err
	}
	out := "published"
	if err := n.publish("hostile", in.raw("")); err != nil {
		out = "refused"
	}
	if err := n.publish("hostile", []byte(`"end"`)); err != nil {
		return "", err
	}
	for i, l := range listeners {
		heard, err := l.heard()
		switch {
		case err != nil:
			return "", fmt.Errorf("%s: %w", l.name, err)
		case i == 0:
			out += heard
		case !strings.HasSuffix(out, heard) || heard == "" && out != "refused":
			out += "; but " + l.name + heard
		}
		if strings.ContainsAny(l.raw(), "\u2028\u2029") && strings.Contains(l.name, "JSONP") {
			out += "; " + l.name + " got a raw line separator"
		}
	}
	now, err := n.refusals()
	if now > refused {
		out += fmt.Sprintf(", %d counted", now-refused)
	}
	return out, err
}

// publish publishes to a channel on a connection of its own.
func (n *target) publish(tag string, data []byte) error {
	return n.publishTo(prefix+tag, data)
}

// publishTo is publish under a name of Redis.
func (n *target) publishTo(name string, data []byte) error {
	web, err := redis.Dial("tcp", n.broker)
	if err != nil {
		return err
	}
	defer web.Close()
	_, err = web.Do("PUBLISH", name, data)
	return err
}

// refusals is how many messages the server has counted as refused.
func (n *target) refusals() (int, error) {
	p, err := n.connect()
	if err != nil {
		return 0, err
	}
	defer p.close()
	a, err := p.request("GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if err != nil {
		return 0, err
	}
	_, value, ok := strings.Cut(a.body, "\nstream_messages_refused_total ")
	if !ok {
		return 0, fmt.Errorf("/metrics has no stream_messages_refused_total")
	}
	value, _, _ = strings.Cut(value, "\n")
	return strconv.Atoi(value)
}

// listeners are a client of each kind that hears the channel.
func (n *target) listeners(tag string) ([]*listener, error) {
	ws, _, err := n.join("")
	if err != nil {
		return nil, err
	}
	list := []*listener{{name: "WebSocket", next: ws.expect, raw: func() string { return "" }, end: ws.close}}
	subscribe := `420["subscribe","` + tag + `"]`
	ws.text(subscribe)
	if _, err := ws.expect(`430[{"ok":true`); err != nil {
		return list, err
	}
	for _, kind := range []struct {
		name  string
		eio   int
		query string
	}{{"polling", 4, ""}, {"polling of version 3", 3, "&b64=1"}, {"JSONP", 4, "&j=0"}} {
		s, err := n.poll(kind.eio, kind.query)
		if err != nil {
			return list, err
		}
		list = append(list, &listener{name: kind.name, next: s.expect, raw: func() string { return s.bodies }, end: s.leave})
		body := subscribe
		if kind.eio == 3 {
			body = fmt.Sprintf("%d:%s", len(subscribe), subscribe)
		}
		if _, err := s.post(body); err != nil {
			return list, err
		}
		if _, err := s.expect(`430[{"ok":true`); err != nil {
			return list, err
		}
	}
	return list, nil
}

// heard is the events up to the one that ends the play.
func (l *listener) heard() (string, error) {
	out := ""
	for {
		packet, err := l.next("42")
		if err != nil {
			return "", err
		}
		var list []any
		if err := json.Unmarshal([]byte(packet[2:]), &list); err != nil {
			return "", fmt.Errorf("%.100q is no event: %w", packet, err)
		}
		if list[1] == "end" {
			return out, nil
		}
		text, err := json.Marshal(list[1])
		if err != nil {
			return "", err
		}
		out += fmt.Sprintf(", %s %.200s", list[0], text)
	}
}

// unscript is the payload in a script of JSONP, or what is none.
func unscript(body string) string {
	if m := scripted.FindStringSubmatch(body); m != nil {
		_ = json.Unmarshal([]byte(m[1]), &body)
	}
	return body
}
