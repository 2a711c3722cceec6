package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

const mendIdle = "nginx: proxy_read_timeout 90s; HAProxy: timeout server, client and tunnel 90s; or a shorter --ping-interval"

// usual is the idle time after which many proxies and cloud balancers end a
// connection, if nobody told them otherwise.
const usual = 60 * time.Second

// hold is how long connections are kept idle.
func (v *visit) hold() time.Duration {
	if v.Long {
		return v.handshake.interval() + 3*time.Second // in which the ping comes
	}
	return v.Hold
}

// lookAtIdle keeps a poll and a WebSocket on which nothing happens, and sees
// whether somebody on the way ends them.
func lookAtIdle(ctx context.Context, v *visit) Finding {
	hold, interval := v.hold(), v.handshake.interval()
	held := []func(context.Context, time.Duration) error{}
	if v.well("sessions") {
		held = append(held, v.holdPoll)
	}
	if v.well("websocket") {
		held = append(held, v.holdWebSocket)
	}
	if len(held) == 0 {
		return skip("neither sessions nor websocket is well")
	}
	results := make(chan error, len(held))
	for _, f := range held {
		go func() { results <- f(ctx, hold) }() // ends with ctx at the latest
	}
	var bad []string
	for range held {
		if err := <-results; err != nil {
			bad = append(bad, err.Error())
		}
	}
	switch {
	case len(bad) > 0:
		return fault(Fail, strings.Join(bad, "; "), fmt.Sprintf("the server pings every %v, so that clients are cut off between two pings", interval), mendIdle)
	case hold >= interval:
		return ok("connections last longer than the ping interval, %v", interval)
	case interval >= usual:
		return fault(Warn, fmt.Sprintf("nothing was cut off within %v, and pings come every %v", hold, interval), fmt.Sprintf("many proxies wait %v", usual), mendIdle+"; --long here proves it")
	}
	return ok("nothing was cut off within %v; pings come every %v, and many proxies wait %v; --long waits for one", hold, interval, usual)
}

// holdPoll keeps a poll waiting.
func (v *visit) holdPoll(ctx context.Context, hold time.Duration) error {
	p, _, err := v.open(ctx, v.keep, nil)
	if err == nil {
		err = p.connect(ctx)
	}
	if err != nil {
		return err
	}
	defer p.end(ctx)
	ctx, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	for begun := time.Now(); ; begun = time.Now() {
		_, err := p.receive(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a poll that waited ended after %v with %w", time.Since(begun).Round(time.Millisecond), err)
		}
	}
}

// holdWebSocket keeps a connection on which only pings are sent.
func (v *visit) holdWebSocket(ctx context.Context, hold time.Duration) error {
	conn, err := v.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, hold)
	defer cancel()
	for begun := time.Now(); ; {
		_, err := conn.Next(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a WebSocket without messages ended after %v with %w", time.Since(begun).Round(time.Millisecond), err)
		}
	}
}
