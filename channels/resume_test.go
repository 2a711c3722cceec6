package channels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A diary is a client that notes all it is sent, in the order of its connection.
type diary struct {
	id string

	mu  sync.Mutex
	got []entered
}

type entered struct {
	tag string
	Message
}

func (d *diary) ID() string { return d.id }

func (d *diary) Send(r *Round) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range r.Messages {
		d.got = append(d.got, entered{r.Channel, m})
	}
}

func (d *diary) read() []entered {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

func TestResume(t *testing.T) {
	for _, tt := range []struct {
		name string
		lost int // of the last messages that it was sent, how many it did not get
		do   func(cs *Channels)
		room int
		want string // "no" if it is not resumed
	}{
		{"nothing", 0, func(*Channels) {}, 100, ""},
		{"on its way", 2, func(*Channels) {}, 100, "x3 y4"},
		{"none that it ever got", 4, func(cs *Channels) { publish(cs, "y", "5") }, 100, "x1 y2 x3 y4 y5"},
		{"none that it ever got, and not all is kept", 4, func(cs *Channels) { publish(cs, "x", "5", "6", "7") }, 100, "no"},
		{"none that it ever got, and a break", 4, func(cs *Channels) { cs.Lost("broker_lost"); cs.Live("x"); cs.Live("y") }, 100, "no"},
		{"while away", 0, func(cs *Channels) { publish(cs, "y", "5"); publish(cs, "x", "6") }, 100, "y5 x6"},
		{"both", 1, func(cs *Channels) { publish(cs, "x", "5"); publish(cs, "x", "6") }, 100, "y4 x5 x6"},
		{"too large", 1, func(cs *Channels) { publish(cs, "x", "55") }, 2, "no"},
		{"not all of it is kept", 0, func(cs *Channels) { publish(cs, "x", "5", "6", "7", "8", "9") }, 100, "no"},
		{"a break", 0, func(cs *Channels) { cs.Lost("broker_lost"); cs.Live("x"); cs.Live("y") }, 100, "no"},
		{"a gap in one of them", 0, func(cs *Channels) { cs.Gap("y", "too_deep") }, 100, "no"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cs := keeping(4, 1<<20)
			defer cs.Close()
			first := &diary{id: "c"}
			var heard []Heard
			for _, tag := range []string{"x", "y"} {
				hear(cs, tag, "") // so that it goes on without the client
				heard = append(heard, Heard{tag, cs.Subscribe(tag, first, nil).From})
			}
			publish(cs, "x", "1")
			publish(cs, "y", "2")
			publish(cs, "x", "3")
			publish(cs, "y", "4")
			cs.Unsubscribe("x", "c")
			cs.Unsubscribe("y", "c")
			tt.do(cs)
			var offset Position
			if got := first.got[:4-tt.lost]; len(got) > 0 {
				offset = got[len(got)-1].Position
			}
			c := &diary{id: "c"}
			resumed := cs.Resume(c, heard, offset, tt.room)
			var list []string
			for _, m := range c.got {
				list = append(list, m.tag+string(m.Data))
			}
			if is := strings.Join(list, " "); resumed != (tt.want != "no") || resumed && is != tt.want || !resumed && is != "" {
				t.Fatalf("Resume = %v with %q, want %q", resumed, is, tt.want)
			}
			n := len(c.got)
			publish(cs, "x", "next")
			if more := len(c.got) - n; (more == 1) != resumed {
				t.Errorf("it gets %d messages after it, resumed %v", more, resumed)
			}
		})
	}
	cs := keeping(4, 1<<20)
	defer cs.Close()
	for _, offset := range []Position{"other.1.1.0", "nonsense"} {
		if cs.Resume(&diary{id: "c"}, []Heard{{Tag: "x"}}, offset, 100) {
			t.Errorf("resumed at %q", offset)
		}
	}
}

// Messages go out on all cores while clients are cut off at random: whoever is
// resumed has had each message of each channel once and in order.
func TestResumeUnderLoad(t *testing.T) {
	const publishers, people, cuts = 3, 4, 200
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing, Keep: 2000, Age: time.Minute, Bytes: 1 << 30, Linger: time.Minute})
	defer cs.Close()
	tags := []string{"small", "large", "other"}
	for _, tag := range tags {
		for i := range map[string]int{"small": 1, "large": 2 * partSize, "other": partSize}[tag] {
			cs.Subscribe(tag, &numbered{id: fmt.Sprint("stays ", i)}, nil)
		}
		cs.Live(tag)
	}
	var publishing, readers sync.WaitGroup
	stop := make(chan struct{})
	for p := range publishers {
		publishing.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				cs.Publish(tags[(i+p)%len(tags)], fmt.Appendf(nil, "%d", i))
				time.Sleep(time.Millisecond)
			}
		})
	}
	var mu sync.Mutex
	resumed, refused := 0, 0
	for p := range people {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(p), 7))
			id := fmt.Sprint("person ", p)
			var all []entered // since it heard anew
			var heard []Heard
			for range cuts {
				c := &diary{id: id}
				if len(all) == 0 || !cs.Resume(c, heard, all[len(all)-1].Position, 1<<20) {
					check(t, cs, all, heard)
					all, heard = nil, nil
					for _, tag := range tags {
						heard = append(heard, Heard{tag, cs.Subscribe(tag, c, nil).From})
					}
					mu.Lock()
					refused++
					mu.Unlock()
				} else {
					mu.Lock()
					resumed++
					mu.Unlock()
				}
				time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
				got := c.read() // a connection ends before its client leaves the channels
				for _, tag := range tags {
					cs.Unsubscribe(tag, id)
				}
				all = append(all, got[:len(got)-random.IntN(len(got)+1)]...) // the rest was on its way
			}
			check(t, cs, all, heard)
		})
	}
	readers.Wait()
	close(stop)
	publishing.Wait()
	for _, tag := range tags {
		for cs.Sending(tag) {
			time.Sleep(time.Millisecond)
		}
	}
	t.Logf("resumed %d times, anew %d times", resumed, refused)
	if resumed < people*cuts/4 {
		t.Errorf("resumed %d times of %d: the test tests too little", resumed, people*cuts)
	}
}

// check holds what a client had against what there was of each channel.
func check(t *testing.T, cs *Channels, got []entered, heard []Heard) {
	t.Helper()
	for _, h := range heard {
		last := h.From
		var numbers []uint64
		for _, m := range got {
			if m.tag == h.Tag {
				numbers = append(numbers, m.number)
			}
		}
		if len(numbers) == 0 {
			continue
		}
		list, ok := cs.after(h.Tag, h.From, false)
		if !ok {
			continue // it is long ago
		}
		for i, number := range numbers {
			if number <= last || list[i].number != number {
				t.Errorf("message %d of %s is number %d after %d, want %d", i, h.Tag, number, last, list[i].number)
				return
			}
			last = number
		}
	}
}
