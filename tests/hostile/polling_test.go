package hostile

import (
	"fmt"
	"slices"
	"strings"
)

// A session is a client by long-polling, a connection for each request.
type session struct {
	target *target
	sid    string
	path   string
	parts  []string // packets that came and nobody has looked at
	bodies string   // of all polls
}

// poll opens a session and connects to the default namespace.
func (n *target) poll(eio int, query ...string) (*session, error) {
	path := fmt.Sprintf("/socket.io/?EIO=%d&transport=polling%s", eio, strings.Join(query, ""))
	s := &session{target: n, path: path}
	a, err := s.get()
	if err != nil {
		return nil, err
	}
	if s.sid = sidOf(a.body); s.sid == "" {
		return nil, fmt.Errorf("the handshake was answered %d %s", a.status, a.body)
	}
	s.path += "&sid=" + s.sid
	if eio == 4 {
		if a, err := s.post("40"); err != nil || a.status != 200 {
			return nil, fmt.Errorf("CONNECT was answered %+v, %w", a, err)
		}
	}
	if _, err := s.expect(`42["$session",`); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *session) get() (*answer, error) {
	p, err := s.target.connect()
	if err != nil {
		return nil, err
	}
	defer p.close()
	return p.request(s.getText())
}

func (s *session) getText() string {
	return "GET " + s.path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
}

// post sends a payload as it is, in the form that the session has.
func (s *session) post(body string) (*answer, error) {
	p, err := s.target.connect()
	if err != nil {
		return nil, err
	}
	defer p.close()
	return p.request(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"+
		"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", s.path, len(body), body))
}

// expect polls until a packet comes that begins so.
func (s *session) expect(prefix string) (string, error) {
	for {
		for len(s.parts) > 0 {
			one := s.parts[0]
			s.parts = s.parts[1:]
			if strings.HasPrefix(one, prefix) {
				return one, nil
			}
			if one == "1" {
				return "", fmt.Errorf("the session was closed, want %s", prefix)
			}
		}
		a, err := s.get()
		if err != nil {
			return "", err
		}
		if a.status != 200 {
			return "", fmt.Errorf("a poll was answered %d %s, want %s", a.status, a.body, prefix)
		}
		s.bodies += a.body
		s.parts = split(a.body)
	}
}

// split is the packets of the answer to a poll: of version 4, of version 3 in
// text, or in a script.
func split(body string) []string {
	body = unscript(body)
	if !isLength(body) {
		return strings.Split(body, "\x1e")
	}
	var list []string
	for len(body) > 0 {
		length, rest, _ := strings.Cut(body, ":")
		size := 0
		if _, err := fmt.Sscan(length, &size); err != nil || size > len(rest) {
			return append(list, "no payload: "+body)
		}
		list, body = append(list, rest[:size]), rest[size:] // all of it is ASCII
	}
	return list
}

func isLength(body string) bool {
	digits, _, ok := strings.Cut(body, ":")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// state says whether the session lives: it answers then.
func (s *session) state() string {
	text := probe
	if strings.Contains(s.path, "EIO=3") {
		text = fmt.Sprintf("%d:%s", len(probe), probe)
	}
	if a, err := s.post(text); err != nil || a.status != 200 {
		a, err := s.get()
		switch {
		case err != nil:
			return err.Error()
		case a.status == 400 && a.body == `{"code":1,"message":"Session ID unknown"}`:
			return "closed"
		case a.status == 200 && strings.HasSuffix(a.body, "1"):
			return "closed"
		}
		return fmt.Sprintf("answers a poll with %d %s", a.status, a.body)
	}
	if _, err := s.expect(probeAck); err != nil {
		if strings.HasPrefix(err.Error(), "the session was closed") {
			return "closed"
		}
		return err.Error()
	}
	return "open"
}

// leave ends the session.
func (s *session) leave() {
	if strings.Contains(s.path, "EIO=3") {
		_, _ = s.post("1:1")
	} else {
		_, _ = s.post("1")
	}
}

// playPolling plays an input to a session, and says what became of it.
func (n *target) playPolling(in input) (string, error) {
	s, err := n.poll(in.EIO)
	if err != nil {
		return "", err
	}
	defer s.leave()
	if in.After != "" {
		return s.overlap(in)
	}
	out, err := n.playRequest(in, s.sid)
	if err != nil {
		return "", err
	}
	return out + "; " + s.state(), nil
}

// overlap sends the same request twice at once. Which of the two comes first is
// the network's to say: one is told that there is another, and both end.
func (s *session) overlap(in input) (string, error) {
	outcomes := make(chan string, 2)
	for range 2 {
		go func() { // ends with its request
			out, err := s.target.playRequest(in, s.sid)
			if err != nil {
				out = err.Error()
			}
			outcomes <- out
		}()
	}
	both := []string{<-outcomes, <-outcomes}
	slices.Sort(both)
	return strings.Join(both, " and ") + "; " + s.state(), nil
}
