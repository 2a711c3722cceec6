package hostile

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/server"
)

// timely is how much later than at its time something may happen.
const timely = 2 * time.Second

// A slowWant is what an input that takes long comes to, and when.
type slowWant struct {
	outcome string
	after   time.Duration
}

// A slowGroup is the inputs that take long, which are played beside each other
// and beside all the rest, on servers of their own.
type slowGroup struct {
	target *target
	quick  *target // the same, with short heartbeats
	inputs []input
	wants  map[string]slowWant
}

// startSlow starts those servers. Only heartbeats have shorter times than by
// default, where an input is about them: all else is what it is.
func startSlow(t *testing.T, inputs []input) *slowGroup {
	t.Helper()
	config := server.Config{PingInterval: 5 * time.Second, PingTimeout: 4 * time.Second}
	if os.Getenv("HOSTILE_REAL") != "" {
		config = server.Config{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second}
	}
	return &slowGroup{
		target: start(t, "slow", server.Config{}),
		quick:  start(t, "quick", config),
		inputs: inputs,
		wants: map[string]slowWant{
			"slow-partial-header":     {"closed", 10 * time.Second},
			"slow-body":               {"408, closed; closed", 15 * time.Second},
			"slow-ws-partial-frame":   {"pinged, close 1005", config.PingInterval + config.PingTimeout},
			"slow-upgrade-probe-only": {"3probe, close 1005; polling open", 10 * time.Second},
			"binary-noise":            {"400, closed", 10 * time.Second}, // it has no end of a line before
		},
	}
}

func (g *slowGroup) targets() []*target { return []*target{g.target, g.quick} }

// A slowResult is how one of them is going.
type slowResult struct {
	group   *slowGroup
	want    slowWant
	done    chan struct{} // closed when the rest is there
	outcome string
	err     error
	took    time.Duration
}

// refusedIsClosed is a client whose token is refused, and who says nothing more.
func (g *slowGroup) refusedIsClosed() *slowResult {
	want := slowWant{strings.TrimSuffix(badToken, "open") + "close 1005", 10 * time.Second}
	return g.begin(want, func() (string, time.Duration, error) {
		start := time.Now()
		p, _, err := g.target.open("")
		if err != nil {
			return "", 0, err
		}
		defer p.close()
		i := slices.IndexFunc(g.inputs, func(in input) bool { return in.Name == "auth-alg-none" })
		p.send(g.inputs[i].raw(""))
		return p.finish(""), time.Since(start), nil
	})
}

// begin plays something in the background.
func (g *slowGroup) begin(want slowWant, play func() (string, time.Duration, error)) *slowResult {
	r := &slowResult{group: g, want: want, done: make(chan struct{})}
	go func() { // ends with what is played
		defer close(r.done)
		r.outcome, r.took, r.err = play()
	}()
	return r
}

// play begins to play all of them.
func (g *slowGroup) play() map[string]*slowResult {
	results := make(map[string]*slowResult)
	for _, in := range g.inputs {
		want, ok := g.wants[in.Name]
		if !ok {
			continue
		}
		n := g.target
		if in.Name == "slow-ws-partial-frame" {
			n = g.quick
		}
		results[in.Name] = g.begin(want, func() (string, time.Duration, error) { return n.playSlow(in) })
	}
	return results
}

// check waits for the end of the input.
func (r *slowResult) check(t *testing.T) {
	t.Helper()
	<-r.done
	if r.err != nil {
		t.Fatal(r.err)
	}
	if r.outcome != r.want.outcome {
		t.Errorf("it came to %s, want %s", r.outcome, r.want.outcome)
	}
	if early := r.want.after - r.took; early > 50*time.Millisecond || early < -timely {
		t.Errorf("that took %v, want %v", r.took, r.want.after)
	}
	for _, n := range r.group.targets() {
		n.canary.mark() // who waits on is no load
		n.checkCanary(t)
	}
}

// playSlow plays an input and measures how long that takes, from when the
// server could know.
func (n *target) playSlow(in input) (outcome string, took time.Duration, err error) {
	start := time.Now()
	switch in.Name {
	case "slow-partial-header":
		outcome, err = n.playTrickle(in)
	case "slow-ws-partial-frame":
		outcome, err = n.playPartialFrame(in)
	case "slow-body":
		outcome, err = n.playPolling(in)
	default:
		outcome, err = n.play(in)
	}
	return outcome, time.Since(start), err
}

// playTrickle sends an input, and then a byte now and again.
func (n *target) playTrickle(in input) (string, error) {
	p, err := n.connect()
	if err != nil {
		return "", err
	}
	defer p.close()
	p.send(in.raw(""))
	end := make(chan string, 1)
	go func() { end <- p.closed() }() // ends with the connection
	for {
		select {
		case how := <-end:
			return how, nil
		case <-time.After(200 * time.Millisecond):
			p.send([]byte("a"))
		}
	}
}

// playPartialFrame plays a frame that is never whole, so that no heartbeat can
// be answered.
func (n *target) playPartialFrame(in input) (string, error) {
	p, sid, err := n.join("")
	if err != nil {
		return "", err
	}
	defer p.close()
	p.send(in.raw(sid))
	p.mute = true
	out := p.finish("")
	if !p.pinged {
		return "", fmt.Errorf("no heartbeat came, and then %s", out)
	}
	return "pinged, " + out, nil
}
