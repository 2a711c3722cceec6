package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// An event is one of Server-Sent Events, as an EventSource makes it.
type event struct{ name, data, id string }

// A stream is a client of /events.
type stream struct {
	t      *testing.T
	lines  *bufio.Reader
	id     string // Last-Event-ID
	closed func() error
	member string // of $session
	public string // id of $session
	live   answer // $subscribed
	gaps   []event
}

// A reply is an http.Response whose body is closed with the test.
type reply struct {
	StatusCode int
	Header     http.Header
	Body       io.ReadCloser
	Close      bool
}

// request makes a request for a path, with headers in pairs.
func (n *node) request(t *testing.T, method, path string, headers ...string) *reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience) // streams too: nothing here waits for longer
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, n.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := n.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return &reply{resp.StatusCode, resp.Header, resp.Body, resp.Close}
}

// listen opens a stream and waits until its channels are heard.
func (n *node) listen(t *testing.T, channels string, headers ...string) *stream {
	t.Helper()
	resp := n.request(t, http.MethodGet, "/events/"+channels, headers...)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		text, _ := io.ReadAll(resp.Body)
		t.Fatalf("GET /events/%s = %d %v %s, want a stream", channels, resp.StatusCode, resp.Header, text)
	}
	s := &stream{t: t, lines: bufio.NewReader(resp.Body), closed: resp.Body.Close}
	e := s.next()
	var about struct{ ID, Member string }
	if e.name != "$session" || json.Unmarshal([]byte(e.data), &about) != nil {
		t.Fatalf("the first event is %+v, want $session", e)
	}
	s.public, s.member = about.ID, about.Member
	return s
}

// hears waits for $subscribed, and keeps each $gap before it. Messages before it
// fail the test.
func (s *stream) hears() *stream {
	s.t.Helper()
	for {
		switch e := s.next(); {
		case e.name == "$gap":
			s.gaps = append(s.gaps, e)
		case e.name == "$subscribed" && json.Unmarshal([]byte(e.data), &s.live) == nil:
			return s
		default:
			s.t.Fatalf("got %+v, want $subscribed", e)
		}
	}
}

// next is the next event. The end of the stream fails the test.
func (s *stream) next() event {
	s.t.Helper()
	e, err := s.read()
	if err != nil {
		s.t.Fatalf("waiting for an event: %v", err)
	}
	return e
}

// read is next, or the error with which the stream ends.
func (s *stream) read() (e event, err error) {
	data := []string{}
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return event{}, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && len(data) > 0:
			e.data, e.id = strings.Join(data, "\n"), s.id
			return e, nil
		case line == "":
			e = event{}
		case name == "event":
			e.name = value
		case name == "data":
			data = append(data, value)
		case name == "id":
			s.id = value
		}
	}
}

// want fails the test unless these are the next events, each with its name, if it
// has one, a space, and its data.
func (s *stream) want(list ...string) {
	s.t.Helper()
	for _, want := range list {
		if e := s.next(); strings.TrimPrefix(e.name+" "+e.data, " ") != want {
			s.t.Fatalf("got %+v, want %s", e, want)
		}
	}
}

// wantEnd fails the test unless the stream ends as it should.
func (s *stream) wantEnd() {
	s.t.Helper()
	if e, err := s.read(); !errors.Is(err, io.EOF) {
		s.t.Fatalf("got %+v, %v, want the end", e, err)
	}
}
