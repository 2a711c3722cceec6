package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
)

// webAtOnce is how many channels of one question a Laravel application is asked
// for at once: it takes one in a request.
const webAtOnce = 8

// Headers are the names of those that a page may send with a subscription, for
// the web server to know it by.
var Headers = []string{"Authorization", "X-CSRF-TOKEN", "X-XSRF-TOKEN"}

func headerKey(h http.Header) string {
	var key strings.Builder
	for _, name := range Headers {
		key.WriteString(h.Get(name) + "\x00")
	}
	return key.String()
}

// requestLaravel asks a Laravel application, as its own server for sockets
// would: POST with channel_name, the browser's cookies and what else the page is
// known by. 200 grants the channel; that is all it says. Who somebody is it does
// not, so they stay guests.
func (w *web) requestLaravel(c Credentials, channels []string) (answer webAnswer, err error) {
	var mu sync.Mutex
	var asking errgroup.Group // ends by webTimeout, for each webAtOnce
	asking.SetLimit(webAtOnce)
	for _, tag := range channels {
		if strings.HasSuffix(tag, "*") {
			continue // as a pattern it would be a grant of others
		}
		asking.Go(func() error {
			granted, err := w.postLaravel(c, tag)
			mu.Lock()
			defer mu.Unlock()
			if granted {
				answer.Channels = append(answer.Channels, tag)
			}
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return webAnswer{}, err
	}
	slices.Sort(answer.Channels)
	return answer, nil
}

func (w *web) postLaravel(c Credentials, tag string) (granted bool, err error) {
	form := url.Values{"channel_name": {tag}}.Encode()
	// The question belongs to all who wait for it: none of them ends it.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.url.String(), strings.NewReader(form))
	if err != nil {
		return false, fmt.Errorf("identity: the question cannot be asked: %w", err)
	}
	for _, name := range Headers {
		if value := c.Header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	if c.Token != "" && req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if c.Cookie != "" {
		req.Header.Set("Cookie", c.Cookie)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("X-Requested-With", "XMLHttpRequest")
	req.Header.Set("User-Agent", "stream-server")
	resp, err := w.client.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return false, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that the connection is used again
	const pageExpired = 419                                          // Laravel's own: the token against forgery is old
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
		return true, nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound,
		status == pageExpired, status/100 == 3:
		return false, nil
	default:
		return false, fmt.Errorf("identity: it answered with status %d", status)
	}
}
