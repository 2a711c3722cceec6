package hostile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// play sends an input to a server at its stage, and says what came of it in the
// words of the wants. The error is that of a connection that did not get there.
func (n *target) play(in input) (outcome string, err error) {
	switch in.Stage {
	case "tcp":
		return n.playRequest(in, "")
	case "poll-connected", "poll-open-eio3":
		return n.playPolling(in)
	case "ws-connected":
		if in.Category == "channel" {
			return n.playChannel(in)
		}
		return n.playConnected(in, "")
	case "ws-deflate":
		return n.playConnected(in, "Sec-WebSocket-Extensions: permessage-deflate\r\n")
	case "ws-open":
		return n.playOpen(in)
	case "ws-probe":
		return n.playProbe(in)
	case "redis":
		return n.playRedis(in)
	default:
		return "", fmt.Errorf("the corpus has the stage %q", in.Stage)
	}
}

// playRequest plays an input that is a request. The outcome has the answer,
// what it made, and whether the connection was closed after it.
func (n *target) playRequest(in input, sid string) (string, error) {
	p, err := n.connect()
	if err != nil {
		return "", err
	}
	defer p.close()
	data := in.raw(sid)
	p.send(data)
	method, _, _ := strings.Cut(string(data[:min(len(data), 16)]), " ")
	a, err := p.answer(method)
	switch {
	case errors.Is(err, io.EOF):
		return "closed", nil
	case err != nil:
		return "", err
	}
	if fault := in.forbidden(a); fault != "" {
		return fault, nil
	}
	return n.describe(p, a), nil
}

// forbidden is what of an answer the corpus forbids.
func (in input) forbidden(a *answer) string {
	for _, f := range in.Forbid {
		what, text, _ := strings.Cut(f, ":")
		where := a.body
		switch what {
		case "header":
			var header strings.Builder
			_ = a.header.Write(&header)
			where = header.String()
		case "second-response-200":
			continue // the outcome has whether there is more
		}
		if strings.Contains(strings.ToLower(where), text) {
			return "forbidden: " + f
		}
	}
	return ""
}

var (
	handshake = regexp.MustCompile(`^(?:\d+:)?0(\{.*\})(?:\d+:40)?$`)
	scripted  = regexp.MustCompile(`^___eio\[\d+\]\((".*")\);$`)
)

// sidOf is the session id in an answer or a packet that opens a session.
func sidOf(body string) string {
	if m := scripted.FindStringSubmatch(body); m != nil {
		_ = json.Unmarshal([]byte(m[1]), &body)
	}
	var open struct{ SID string }
	if m := handshake.FindStringSubmatch(body); m != nil {
		_ = json.Unmarshal([]byte(m[1]), &open)
	}
	return open.SID
}

// describe says what an answer is: an error of Engine.IO as "400 code 1", one
// of the API as "401 forbidden", a session by its version.
func (n *target) describe(p *peer, a *answer) string {
	out := fmt.Sprint(a.status)
	var engine struct {
		Code    *int
		Message string
	}
	var api struct {
		Error struct{ Code, Message string }
	}
	kind := a.header.Get("Content-Type")
	switch isJSON := kind == "application/json"; {
	case a.status == http.StatusSwitchingProtocols:
		return out + ", " + n.describeWebSocket(p)
	case sidOf(a.body) != "":
		version := "4"
		if !strings.HasPrefix(a.body, "0") {
			version = "3"
		}
		made := &session{target: n, sid: sidOf(a.body)}
		made.path = "/socket.io/?transport=polling&EIO=" + version + "&sid=" + made.sid
		made.leave()
		out += ", session of version " + version
	case a.status == http.StatusOK:
		out += " " + a.body
	case isJSON && json.Unmarshal([]byte(a.body), &engine) == nil && engine.Code != nil:
		out += fmt.Sprintf(" code %d %s", *engine.Code, engine.Message)
	case isJSON && json.Unmarshal([]byte(a.body), &api) == nil && api.Error.Code != "":
		out += " " + api.Error.Code
	case kind == "text/html" && a.body != "":
		out += " " + a.body
	}
	if v := a.header.Get("Sec-Websocket-Version"); v != "" {
		out += ", version " + v
	}
	if a.last {
		out += ", " + p.closed()
	}
	return out
}

// describeWebSocket is for a connection that an input has upgraded.
func (n *target) describeWebSocket(p *peer) string {
	text, end := p.frame()
	if end != "" {
		return end
	}
	if sidOf(text) == "" {
		return "the first frame is " + text
	}
	p.text("40")
	return "session, " + p.finish(`40{"sid":`)
}

// playConnected plays an input to a client that is connected by WebSocket.
func (n *target) playConnected(in input, header string) (string, error) {
	p, sid, err := n.join(header)
	if err != nil {
		return "", err
	}
	defer p.close()
	if in.Category == "hijack" { // it is a request of somebody else
		out, err := n.playRequest(in, sid)
		if err != nil {
			return "", err
		}
		p.text(probe)
		return out + "; the first " + p.finish(probeAck), nil
	}
	p.send(in.raw(sid))
	p.text(probe)
	return p.finish(probeAck), nil
}

// The probe is a request that every client may make, and its answer.
const (
	probe    = `42987["unsubscribe","nothing"]`
	probeAck = `43987[{"ok":true}]`
)

// join opens a WebSocket and connects to the default namespace.
func (n *target) join(header string) (p *peer, sid string, err error) {
	if p, sid, err = n.open(header); err != nil {
		return nil, "", err
	}
	p.text("40")
	if _, err = p.expect(`42["$session",`); err != nil {
		p.close()
		return nil, "", err
	}
	p.seen = nil
	return p, sid, nil
}

// open opens a WebSocket, and does not connect.
func (n *target) open(header string) (p *peer, sid string, err error) {
	if p, err = n.connect(); err != nil {
		return nil, "", err
	}
	if err = p.webSocket("", header); err == nil {
		var text string
		text, err = p.expect("0{")
		sid = sidOf(text)
	}
	if err != nil {
		p.close()
		return nil, "", err
	}
	return p, sid, nil
}

// playOpen plays an input to a client that has not connected. "open" says that
// it can do so still.
func (n *target) playOpen(in input) (string, error) {
	p, sid, err := n.open("")
	if err != nil {
		return "", err
	}
	defer p.close()
	p.send(in.raw(sid))
	p.text("40")
	return p.finish(`40{"sid":`), nil
}

// playProbe plays an input on the WebSocket of an upgrade.
func (n *target) playProbe(in input) (string, error) {
	s, err := n.poll(4)
	if err != nil {
		return "", err
	}
	defer s.leave()
	p, err := n.connect()
	if err != nil {
		return "", err
	}
	defer p.close()
	if err := p.webSocket(s.sid, ""); err != nil {
		return "", err
	}
	p.send(in.raw(s.sid))
	return p.finish("") + "; polling " + s.state(), nil
}
