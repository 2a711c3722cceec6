package doctor

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const mendEvents = "nginx: proxy_buffering off; and no proxy_ignore_headers X-Accel-Buffering; no compression of text/event-stream"

// lookAtEvents opens a stream of Server-Sent Events. What is published comes
// event by event, or it is kept back on the way.
func lookAtEvents(ctx context.Context, v *visit) Finding {
	if v.status["message"] == Fail {
		return skip("message has to be well first")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := time.Now()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.base.String()+"/events/"+url.PathEscape(v.Channel), http.NoBody)
	if err != nil {
		return fault(Fail, err.Error(), "", "")
	}
	request.Header.Set("Accept", "text/event-stream")
	late := time.AfterFunc(v.Timeout/2, cancel) // for what comes before the first event
	response, err := v.once.Do(request)         //nolint:bodyclose // it is, below: the goroutine that reads it confuses the linter
	if err != nil {
		if !late.Stop() {
			return fault(Fail, fmt.Sprintf("no answer within %v", v.Timeout/2), "a proxy holds the stream back until it ends, which it does not", mendEvents)
		}
		return fault(Fail, plain(ctx, err).Error(), "EventSource does not connect", "the log of the server")
	}
	defer response.Body.Close()
	late.Stop()
	kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	switch {
	case response.StatusCode == http.StatusNotFound:
		return skip("there is no /events here")
	case response.StatusCode == http.StatusForbidden, response.StatusCode == http.StatusUnauthorized:
		return skip("%s may not be heard here: --channel names another", v.Channel)
	case response.StatusCode != http.StatusOK || kind != "text/event-stream":
		body, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer)) // a part of it says as much
		a := &answer{status: response.StatusCode, body: body}
		return fault(Fail, a.says()+", "+quote([]byte(kind)), "EventSource does not connect", "pass /events on to the server")
	}
	if text := v.canPublish(); text != "" {
		return ok("opened in %v; whether events come at once %s", time.Since(begun).Round(10*time.Microsecond), text)
	}
	lines := make(chan string)
	go func() { // ends with ctx, which ends the body
		defer close(lines)
		for s := bufio.NewScanner(io.LimitReader(response.Body, maxAnswer)); s.Scan(); {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return v.eventByEvent(ctx, lines)
}

// await waits for a line with text in it, at most so long. What it returns says
// why there is none.
func (*visit) await(lines <-chan string, text []byte, most time.Duration) *Finding {
	late := time.NewTimer(most)
	defer late.Stop()
	for {
		select {
		case line, open := <-lines:
			if !open {
				f := fault(Fail, "the stream ended", "EventSource connects again and again", mendEvents)
				return &f
			}
			if bytes.Contains([]byte(line), text) {
				return nil
			}
		case <-late.C:
			f := fault(Fail, fmt.Sprintf("an event did not come within %v", most), "a proxy holds the stream back", mendEvents)
			return &f
		}
	}
}

// eventByEvent publishes twice, the second after the first has come.
func (v *visit) eventByEvent(ctx context.Context, lines <-chan string) Finding {
	_ = v.await(lines, []byte("$subscribed"), v.Timeout/8) // what is published before may be missed; a proxy may keep this too
	var worst time.Duration
	for range 2 {
		data := fmt.Appendf(nil, `{"doctor":%q}`, rand.Text())
		begun := time.Now()
		if err := v.publish(ctx, data); err != nil {
			return fault(Fail, "publishing: "+quote([]byte(err.Error())), "web servers do not get their messages out", "the key is one of --publish-key, or the Redis is the right one")
		}
		if f := v.await(lines, data, v.Timeout/4); f != nil {
			return *f
		}
		worst = max(worst, time.Since(begun))
	}
	return ok("two events, each here %v after it was published", worst.Round(10*time.Microsecond))
}
