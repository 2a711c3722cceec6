package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/server"
)

// A pollAnswer is what a poll gets.
type pollAnswer struct {
	Position string
	Channels map[string]struct{ Recovered bool }
	Messages []struct {
		Channel string
		Data    json.RawMessage
	}
	Gaps []struct{ Channel, Reason string }
}

// texts are the messages, each as its channel, a space and its data.
func (a *pollAnswer) texts() string {
	var list []string
	for _, m := range a.Messages {
		list = append(list, m.Channel+" "+string(m.Data))
	}
	return strings.Join(list, ", ")
}

func (n *node) poll(t *testing.T, tags, since string) (a pollAnswer) {
	t.Helper()
	path := "/poll/" + tags
	if since != "" {
		path += "?since=" + url.QueryEscape(since)
	}
	resp := n.request(t, http.MethodGet, path)
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || resp.StatusCode != http.StatusOK || a.Position == "" {
		t.Fatalf("GET %s = %d %+v %v", path, resp.StatusCode, a, err)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the answer may be stored: %q", got)
	}
	return a
}

// A poll gets what came since, waits for the first message, and for no longer
// than a ping interval.
func TestPoll(t *testing.T) {
	n := start(t, server.Config{Linger: time.Minute, PingInterval: time.Second, ClientQueue: 64 << 10})
	publish := func(tag, data string) { redisPublish(t, n.broker, "sb:"+tag, data) }
	for _, tags := range []string{"a", "a,b"} {
		publish("a", "0") // before anybody hears it, or for nobody
		at := n.poll(t, tags, "")
		if len(at.Messages) != 0 || at.Channels["a"].Recovered {
			t.Fatalf("the first poll got %+v, want a position", at)
		}
		publish("a", "1")
		publish("b", "2")
		publish("a", "3")
		a := n.poll(t, tags, at.Position)
		if want := map[string]string{"a": "a 1, a 3", "a,b": "a 1, a 3, b 2"}[tags]; a.texts() != want || !a.Channels["a"].Recovered {
			t.Errorf("the poll of %s got %s, want %s", tags, a.texts(), want)
		}
		done := make(chan pollAnswer, 1)
		go func() { done <- n.poll(t, tags, a.Position) }() // ends with the poll
		eventually(t, "the poll waits", func() bool { return n.Channels().Clients("a") == 1 })
		publish("a", "4")
		if a = <-done; a.texts() != "a 4" {
			t.Errorf("the poll that waited got %s, want a 4", a.texts())
		}
		start := time.Now()
		last := n.poll(t, tags, a.Position)
		if took := time.Since(start); took < time.Second || len(last.Messages) > 0 || !last.Channels["a"].Recovered {
			t.Errorf("with nothing to say it got %+v after %v, want nothing after 1 s", last, took)
		}
		for _, lost := range []string{"nonsense", "node2345.1.lx.0"} {
			if a := n.poll(t, tags, lost); a.Channels["a"].Recovered || len(a.Messages) > 0 {
				t.Errorf("since %s it got %+v, want not to be recovered", lost, a)
			}
		}
	}
	if got := n.Sessions().Len(); got != 0 {
		t.Errorf("%d sessions are left, want none", got)
	}

	// More than may wait for one client is not one answer: it is told.
	at := n.poll(t, "big", "").Position
	for i := range 8 {
		publish("big", fmt.Sprintf(`"%d%s"`, i, strings.Repeat("x", 16<<10)))
	}
	if a := n.poll(t, "big", at); a.Channels["big"].Recovered || len(a.Messages) > 0 {
		t.Errorf("of too much it got %d messages, want not to be recovered", len(a.Messages))
	}
}

// Polls one after the other get each message once while they come.
func TestPollsInARow(t *testing.T) {
	const messages = 300
	n := start(t, server.Config{Linger: time.Minute, SubscribeRate: -1, History: 1000})
	at := n.poll(t, "a,b", "").Position
	go func() { // ends with its messages
		for i := range messages {
			redisPublish(t, n.broker, "sb:"+string("ab"[i%2]), fmt.Sprint(i))
		}
	}()
	next := map[string]int{"a": 0, "b": 1}
	for got := 0; got < messages; {
		a := n.poll(t, "a,b", at)
		for _, m := range a.Messages {
			if string(m.Data) != fmt.Sprint(next[m.Channel]) {
				t.Fatalf("got %s of %s, want %d", m.Data, m.Channel, next[m.Channel])
			}
			next[m.Channel] += 2
			got++
		}
		if at = a.Position; !a.Channels["a"].Recovered || !a.Channels["b"].Recovered {
			t.Fatalf("a poll was not recovered: %+v", a)
		}
	}
}
