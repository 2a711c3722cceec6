package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// slowRound is when a message that arrives is late.
const slowRound = time.Second

// publish sends data to the channel in the way that there is.
func (v *visit) publish(ctx context.Context, data []byte) error {
	if v.Redis != nil {
		_, err := v.Redis.Publish(ctx, v.Channel, data)
		return err
	}
	body, err := json.Marshal(map[string]any{"channel": v.Channel, "data": json.RawMessage(data)})
	if err != nil {
		return err
	}
	header := bearer(v.PublishKey)
	header.Set("Content-Type", "application/json")
	a, err := v.ask(ctx, v.keep, http.MethodPost, v.base.String()+"/api/publish", header, bytes.NewReader(body))
	if err == nil && a.status != http.StatusOK {
		err = statusError{a}
	}
	return err
}

// canPublish is empty, or why not.
func (v *visit) canPublish() string {
	switch {
	case v.Redis != nil:
		return ""
	case v.PublishKey == "":
		return "takes --publish-key or --redis"
	case !v.known:
		return "the publish key goes to nobody who has not shown who it is: tls has to be well first"
	}
	return ""
}

// A listener hears the channel by one transport, and hear waits for the data.
type listener struct {
	name string
	hear func(ctx context.Context, data []byte) error
}

// lookAtMessage publishes one message and waits for it on all transports that
// are well.
func lookAtMessage(ctx context.Context, v *visit) Finding {
	if text := v.canPublish(); text != "" {
		return skip("%s", text)
	}
	var listeners []listener
	const mendListen = "--channel for one that this client may hear, with --token for a member"
	if v.well("sessions") {
		p, _, err := v.open(ctx, v.keep, nil)
		if err == nil {
			err = p.subscribe(ctx)
		}
		if err != nil {
			return fault(Fail, v.Channel+" by long-polling: "+err.Error(), "clients do not hear this channel", mendListen)
		}
		defer p.end(ctx)
		listeners = append(listeners, listener{"long-polling", p.hear})
	}
	if v.well("websocket") {
		conn, err := v.subscribe(ctx)
		if err != nil {
			return fault(Fail, v.Channel+" by WebSocket: "+err.Error(), "clients do not hear this channel", mendListen)
		}
		defer conn.Close()
		listeners = append(listeners, listener{"WebSocket", conn.hear})
	}
	if len(listeners) == 0 {
		return skip("neither sessions nor websocket is well")
	}
	data := fmt.Appendf(nil, `{"doctor":%q}`, rand.Text())
	begun := time.Now()
	type result struct {
		name string
		took time.Duration
		err  error
	}
	results := make(chan result, len(listeners))
	for _, l := range listeners {
		go func() { // ends with ctx at the latest
			err := l.hear(ctx, data)
			results <- result{l.name, time.Since(begun), err}
		}()
	}
	if err := v.publish(ctx, data); err != nil {
		return fault(Fail, "publishing: "+quote([]byte(err.Error())), "web servers do not get their messages out", "the key is one of --publish-key, or the Redis is the right one")
	}
	var seen []string
	late := false
	for range listeners {
		r := <-results
		if r.err != nil {
			return fault(Fail, fmt.Sprintf("a message that was published did not come by %s: %v", r.name, r.err), "clients hear nothing",
				"the Redis and --redis-prefix are those of the server; the log of the server")
		}
		seen = append(seen, fmt.Sprintf("%v by %s", r.took.Round(10*time.Microsecond), r.name))
		late = late || r.took > slowRound
	}
	if late {
		return fault(Warn, strings.Join(seen, ", "), "messages come late", "buffering above; stream_broker_lag_seconds")
	}
	return ok("published, and here after %s", strings.Join(seen, ", "))
}
