package redis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long anything may take that is not measured.
const patience = 15 * time.Second

// A sink notes what a Broker brings, and can be waited for.
type sink struct {
	mu       sync.Mutex
	changed  chan struct{} // guarded by mu; closed and replaced with every event
	messages map[string][]string
	durable  map[string][]string
	ids      map[string][]string // of durable
	live     map[string]int      // how often Live was said
	up       map[string]bool
	lost     []string // reasons, with the tags after them
}

func newSink() *sink {
	return &sink{
		changed: make(chan struct{}), messages: map[string][]string{},
		durable: map[string][]string{}, ids: map[string][]string{},
		live: map[string]int{}, up: map[string]bool{},
	}
}

func (s *sink) note(event func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	event()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *sink) Message(tag string, data []byte) int {
	s.note(func() { s.messages[tag] = append(s.messages[tag], string(data)) })
	return 1
}

func (s *sink) Durable(tag string, data []byte, id string) int {
	s.note(func() {
		s.durable[tag] = append(s.durable[tag], string(data))
		s.ids[tag] = append(s.ids[tag], id)
	})
	return 1
}

func (s *sink) Missed(reason string, tags ...string) {
	s.note(func() { s.lost = append(s.lost, fmt.Sprint(append([]string{reason}, tags...))) })
}

func (s *sink) Live(tag string) {
	s.note(func() { s.live[tag]++; s.up[tag] = true })
}

func (s *sink) Lost(reason string, tags ...string) {
	s.note(func() {
		s.lost = append(s.lost, fmt.Sprint(append([]string{reason}, tags...)))
		if len(tags) == 0 {
			clear(s.up)
		}
		for _, tag := range tags {
			delete(s.up, tag)
		}
	})
}

// wait waits until ok, which is asked under the lock after each event.
func (s *sink) wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

func (s *sink) waitLive(t *testing.T, tags ...string) {
	t.Helper()
	s.wait(t, fmt.Sprintf("%d channels live", len(tags)), func() bool {
		return !slices.ContainsFunc(tags, func(tag string) bool { return !s.up[tag] })
	})
}

func (s *sink) waitMessage(t *testing.T, tag, data string) {
	t.Helper()
	s.wait(t, fmt.Sprintf("message %s on %s", data, tag), func() bool {
		return slices.Contains(s.messages[tag], data)
	})
}

func (s *sink) losses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lost)
}

// newBroker makes a Broker that does not run.
func newBroker(t *testing.T, config Config) *Broker {
	t.Helper()
	config.Log, _ = logtest.NewNullLogger()
	b, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// A running is a Broker whose Run is under way until the test ends.
type running struct {
	*Broker
	*sink
	log  *logtest.Hook
	stop func() // ends Run and waits for it
}

// run starts a Broker with quick timers.
func run(t *testing.T, config Config) *running {
	t.Helper()
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	config.Log = log
	if config.Prefix == "" {
		config.Prefix = "sb:"
	}
	b, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Broker: b, sink: newSink(), log: hook}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx, r.sink) }() // ends with the test
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		case <-time.After(patience):
			t.Errorf("Run has not ended %v after its context", patience)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// logged are the lines of the log with this message.
func (r *running) logged(message string) []string {
	var list []string
	for _, e := range r.log.AllEntries() {
		if line, err := e.String(); err == nil && e.Message == message {
			list = append(list, line)
		}
	}
	return list
}

// eventually waits for what no event tells.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
