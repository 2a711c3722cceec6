package engineio

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A joiner is a client that begins by polling, upgrades, and reads all the time.
type joiner struct {
	t       *testing.T
	app     *app
	session *Session
	url     string
	got     []string      // messages, in order
	ahead   chan struct{} // one element for each message that is on its way
}

// take notes a message.
func (j *joiner) take(message string) {
	j.got = append(j.got, message)
	if j.ahead != nil {
		<-j.ahead
	}
}

// poll takes one answer.
func (j *joiner) poll() error {
	got := httpGet(j.url)
	if got.status != 200 {
		return fmt.Errorf("poll = %d %q, %w", got.status, got.body, got.err)
	}
	packets, err := j.session.Version().DecodePayload([]byte(got.body), false, 1<<20)
	for _, p := range packets {
		switch p.Type {
		case packet.Message:
			j.take(string(p.Data))
		case packet.Noop:
		default:
			return fmt.Errorf("poll has packet %v", p.Type)
		}
	}
	return err
}

// run polls a while, upgrades as clients do, and reads until the last message.
// It sends too, by whichever transport it has.
func (j *joiner) run(last string) error {
	for range 3 {
		if err := j.poll(); err != nil {
			return err
		}
		j.post("before")
	}
	c := dial(j.t, strings.Replace(j.url, polling, webSocket, 1))
	polled := make(chan error, 1)
	go func() { // ends when the poll is answered
		polled <- j.poll()
	}()
	c.text("2probe")
	if got := c.next(); got != "text 3probe" {
		return fmt.Errorf("answer to the probe = %q", got)
	}
	if err := <-polled; err != nil {
		return err
	}
	j.post("during")
	c.text("5")
	c.text("4after")
	for len(j.got) == 0 || j.got[len(j.got)-1] != last {
		frame := c.next()
		message, ok := strings.CutPrefix(frame, "text 4")
		if !ok {
			return fmt.Errorf("websocket has frame %.100q", frame)
		}
		j.take(message)
	}
	c.conn.Close()
	return nil
}

func (j *joiner) post(text string) {
	v := j.session.Version()
	body := "4" + text
	if v == packet.V3 {
		body = strconv.Itoa(len(body)) + ":" + body
	}
	if got := httpPost(j.url, body); got.body != "ok" {
		j.t.Errorf("POST = %d %q, want ok", got.status, got.body)
	}
}

// TestUpgradeUnderLoad has clients of both versions upgrade while messages are
// sent to them without a pause: none is lost, doubled or out of order, either
// way.
func TestUpgradeUnderLoad(t *testing.T) {
	const clients, atOnce = 200, 20
	a := newApp(t, &Options{QueueMessages: 1 << 20, QueueBytes: 1 << 30})
	var mu sync.Mutex
	heard := make(map[*Session][]string)
	a.hook = func(s *Session, data []byte, _ bool) bool {
		mu.Lock()
		defer mu.Unlock()
		heard[s] = append(heard[s], string(data))
		return true
	}
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range clients {
		v := []packet.Version{packet.V3, packet.V4}[i%2]
		url, s := a.open(t, v)
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			j := &joiner{t: t, app: a, session: s, url: url, ahead: make(chan struct{}, 30)}
			stop, stopped := make(chan struct{}), make(chan struct{})
			n := 0
			go func() { // ends some time after the upgrade, or with the client
				defer close(stopped)
				send := func(text string) bool {
					select {
					case j.ahead <- struct{}{}:
						s.Send(TextFrame(v, []byte(text)))
						return true
					case <-stop:
						return false
					}
				}
				for rest := 50; rest > 0 && send(strconv.Itoa(n)); n++ {
					if s.Transport() == webSocket {
						rest--
					}
				}
				send("last")
			}()
			err := j.run("last")
			close(stop)
			<-stopped
			if err != nil {
				t.Errorf("client %d: %v", i, err)
				return
			}
			if len(j.got) != n+1 {
				t.Errorf("client %d got %d messages, want %d", i, len(j.got), n+1)
			}
			for k, got := range j.got[:len(j.got)-1] {
				if got != strconv.Itoa(k) {
					t.Errorf("client %d: message %d = %q", i, k, got)
					return
				}
			}
			a.reason(t, s)
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(heard[s], " "); got != "before before before during after" {
				t.Errorf("server heard %q from client %d", got, i)
			}
		})
	}
	all.Wait()
	if got := a.Stats().Upgrades; got != clients {
		t.Errorf("Stats() count %d upgrades, want %d", got, clients)
	}
}

// TestUnitsStayWhole sends units from many goroutines to a client that
// upgrades: nothing comes between the parts of one.
func TestUnitsStayWhole(t *testing.T) {
	const senders, units = 4, 200
	a := newApp(t, &Options{QueueMessages: 1 << 20, QueueBytes: 1 << 30})
	url, s := a.open(t, packet.V4)
	j := &joiner{t: t, app: a, session: s, url: url}
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for n := range units {
				head := TextFrame(packet.V4, fmt.Appendf(nil, "%d.%d head", i, n))
				tail := TextFrame(packet.V4, fmt.Appendf(nil, "%d.%d tail", i, n))
				s.SendAll(NewBundle("", head, tail))
			}
		})
	}
	go func() { // ends with the senders
		all.Wait()
		s.Send(TextFrame(packet.V4, []byte("last")))
	}()
	a.mu.Lock()
	a.hook = func(*Session, []byte, bool) bool { return true }
	a.mu.Unlock()
	for len(j.got) < 100 {
		if err := j.poll(); err != nil {
			t.Fatal(err)
		}
	}
	for len(j.got) > 0 && j.got[len(j.got)-1] != "last" {
		if err := j.poll(); err != nil {
			t.Fatal(err)
		}
	}
	if len(j.got) != 2*senders*units+1 {
		t.Fatalf("client got %d messages, want %d", len(j.got), 2*senders*units+1)
	}
	for i := 0; i < len(j.got)-1; i += 2 {
		unit, _, _ := strings.Cut(j.got[i], " ")
		if j.got[i] != unit+" head" || j.got[i+1] != unit+" tail" {
			t.Fatalf("messages %d are %q, want a unit", i, j.got[i:i+2])
		}
	}
}

// TestUpgradeBehindStuckPoll upgrades while the answer to a poll is not read
// and another poll waits behind it: that one is answered, and the messages of
// the first are the only ones that do not go by the WebSocket.
func TestUpgradeBehindStuckPoll(t *testing.T) {
	a := newApp(t, &Options{QueueBytes: 1 << 30, QueueMessages: 1 << 30})
	url, s := a.open(t, packet.V4)
	large := TextFrame(packet.V4, []byte(strings.Repeat("x", 100_000)))
	for range 80 {
		s.Send(large)
	}
	a.rawClient(t, pollRequest("GET", s, ""))
	eventually(t, "the answer is written", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.answering != nil
	})
	second := make(chan answer, 1)
	go func() { second <- httpGet(url) }() // ends with the answer
	eventually(t, "the poll waits", s.pollWaits)
	s.Send(TextFrame(packet.V4, []byte("later")))
	c := dial(t, strings.Replace(url, polling, webSocket, 1))
	c.text("2probe")
	c.want("text 3probe")
	c.text("5")
	c.want("text 4later")
	if got := <-second; got.status != 200 || got.body != "6" {
		t.Errorf("second poll = %d %q, want 6", got.status, got.body)
	}
	s.Close("bye")
	c.want("close 1005", "end")
}
