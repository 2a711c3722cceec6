package redis

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/channels/dialect"
)

// drive takes each byte as a step, on one Redis and on a Cluster.
func drive(t *testing.T, steps []byte) {
	driveOn(t, steps, false)
	driveOn(t, steps, true)
}

func driveOn(t *testing.T, steps []byte, classic bool) {
	m := newModel(t)
	m.subs.classic = classic
	for _, b := range steps {
		tag := string('a' + rune(b>>4%6))
		switch b & 15 {
		case 0, 1, 2:
			m.listen(tag)
		case 3, 4, 5:
			m.unlisten(tag)
		case 6, 7:
			m.send(m.most(1 + int(b>>4)%4))
		case 8, 9:
			m.redis()
		case 10, 11:
			m.read()
		case 12:
			m.announce()
		case 13:
			m.announced()
		case 14:
			if b>>4 < 4 {
				m.ping()
			} else {
				m.subs.owe(tag)
			}
		case 15:
			switch b >> 4 {
			case 0:
				m.breaks()
			case 1:
				m.forbidden["a"], m.forbidden["b"] = true, true
			case 2:
				clear(m.forbidden)
			default:
				m.subs.check()
			}
		}
		m.check()
	}
	clear(m.forbidden)
	m.settle()
	for tag := range m.wanted {
		m.unlisten(tag)
	}
	m.settle()
	if len(m.subs.tags) != 0 || m.subs.sent != nil {
		t.Fatalf("at the end %d tags and %d commands are left", len(m.subs.tags), len(m.subs.sent))
	}
}

func FuzzSubscriptions(f *testing.F) {
	f.Add([]byte{0, 6, 8, 10, 12, 3, 0, 6, 8, 10, 13})
	f.Add([]byte{0x1f, 0x00, 0x10, 0x20, 0x36, 8, 10, 6, 6, 8, 8, 10, 10, 0x2f, 0x3f})
	f.Add([]byte{0, 6, 0x0f, 8, 10, 0, 6, 14, 8, 8, 10, 10})
	f.Fuzz(drive)
}

func TestSubscriptionsAtRandom(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	for range 3000 {
		steps := make([]byte, random.IntN(300))
		for i := range steps {
			steps[i] = byte(random.UintN(256))
		}
		drive(t, steps)
	}
}

// What Redis refuses together is tried one by one, so that one forbidden
// channel does not keep the others out; what is refused alone waits.
func TestRefused(t *testing.T) {
	m := newModel(t)
	m.forbidden["a"] = true
	for _, tag := range []string{"a", "b", "c"} {
		m.listen(tag)
	}
	m.run(func() bool { return m.send(512) || m.redis() || m.read() || m.announce() || m.announced() })
	if m.told["a"] || !m.told["b"] || !m.told["c"] {
		t.Errorf("told %v, want b and c", m.told)
	}
	if c := m.subs.next(512); c != nil {
		t.Errorf("next = %v at once after a refusal, want nothing before the check", c)
	}
	delete(m.forbidden, "a")
	m.settle()
	if !m.told["a"] {
		t.Error("what was refused is not tried again at the check")
	}

	// An UNSUBSCRIBE that is refused leaves the subscription as it was.
	m.forbidden["b"] = true
	m.unlisten("b")
	m.run(func() bool { return m.send(512) || m.redis() || m.read() })
	if _, confirmed := m.subs.count(); confirmed != 3 {
		t.Errorf("%d confirmed after a refused UNSUBSCRIBE, want 3", confirmed)
	}
	m.listen("b")
	m.run(func() bool { return m.announce() || m.announced() })
	if !m.told["b"] {
		t.Error("b is subscribed to, and Live is not said")
	}
}

func TestAnswersOutOfStep(t *testing.T) {
	sent := func() *subscriptions {
		s := newSubscriptions()
		s.listen("a")
		s.next(1)
		return s
	}
	partly := func() *subscriptions {
		s := newSubscriptions()
		s.listen("a")
		s.listen("b")
		c := s.next(2)
		if err := s.confirm(subscribe, c.tags[0]); err != nil {
			t.Fatal(err)
		}
		return s
	}
	pinged := func() *subscriptions {
		s := newSubscriptions()
		s.ping(time.Unix(1, 0))
		return s
	}
	for _, tt := range []struct {
		name   string
		subs   *subscriptions
		answer func(*subscriptions) error
	}{
		{"confirm of nothing", newSubscriptions(), func(s *subscriptions) error { return s.confirm(subscribe, "a") }},
		{"other tag", sent(), func(s *subscriptions) error { return s.confirm(subscribe, "b") }},
		{"other kind", sent(), func(s *subscriptions) error { return s.confirm(unsubscribe, "a") }},
		{"confirm of a ping", pinged(), func(s *subscriptions) error { return s.confirm(subscribe, "a") }},
		{"pong to nothing", newSubscriptions(), func(s *subscriptions) error { _, err := s.pong(); return err }},
		{"pong to a subscribe", sent(), func(s *subscriptions) error { _, err := s.pong(); return err }},
		{"refusal of nothing", newSubscriptions(), func(s *subscriptions) error { _, err := s.refuse(); return err }},
		{"refusal in the middle", partly(), func(s *subscriptions) error { _, err := s.refuse(); return err }},
	} {
		if err := tt.answer(tt.subs); !errors.Is(err, errOutOfStep) {
			t.Errorf("%s: %v, want %v", tt.name, err, errOutOfStep)
		}
	}
}

// The check mends what place should never get wrong.
func TestCheckMends(t *testing.T) {
	s := newSubscriptions()
	s.listen("a")
	delete(s.toSubscribe, "a")
	if got := s.check(); got != 1 {
		t.Errorf("check() = %d, want 1 astray", got)
	}
	if c := s.next(1); c == nil || c.tags[0] != "a" {
		t.Errorf("next = %v after check, want a", c)
	}
}

// TestSharedFirst: the name that all channels share is asked for before any of
// them, so that their Live says that its messages come too; also after a break.
func TestSharedFirst(t *testing.T) {
	s := newSubscriptions()
	s.listen("a")
	s.listen(dialect.Shared)
	s.listen("b")
	for range 2 {
		if c := s.next(512); !slices.Equal(c.tags, []string{dialect.Shared}) {
			t.Errorf("the first command is for %q", c.tags)
		}
		if c := s.next(512); len(c.tags) != 2 || slices.Contains(c.tags, dialect.Shared) {
			t.Errorf("the second command is for %q", c.tags)
		}
		s.reset()
	}
}
