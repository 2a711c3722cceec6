package identity

import (
	"bytes"
	"context"
	"encoding/json"
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

// PresencePrefix begins the channels in which a Laravel application names
// everybody.
const PresencePrefix = "presence-"

// maxInfo is how many bytes of user_info are passed on: everybody in a channel is
// told it of everybody.
const maxInfo = 2 << 10

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
// known by. 200 grants the channel, and for one of presence says who they are
// there. Who somebody is otherwise it does not say, so they stay guests.
func (w *web) requestLaravel(c Credentials, channels []string) (answer webAnswer, err error) {
	var mu sync.Mutex
	var asking errgroup.Group // ends by webTimeout, for each webAtOnce
	asking.SetLimit(webAtOnce)
	for _, tag := range channels {
		if strings.HasSuffix(tag, "*") {
			continue // as a pattern it would be a grant of others
		}
		asking.Go(func() error {
			granted, said, err := w.postLaravel(c, tag)
			if !granted {
				return err
			}
			name, named := w.nameOf(tag, said)
			mu.Lock()
			defer mu.Unlock()
			answer.Channels = append(answer.Channels, tag)
			if named {
				if answer.Names == nil {
					answer.Names = make(Names)
				}
				answer.Names[tag] = name
			}
			return nil
		})
	}
	if err := asking.Wait(); err != nil {
		return webAnswer{}, err
	}
	slices.Sort(answer.Channels)
	return answer, nil
}

// nameOf reads who somebody is in a channel of presence: {"channel_data":
// {"user_id": …, "user_info": …}}, or that object as text. Without it they may
// hear the channel, and are not in it.
func (w *web) nameOf(tag string, said []byte) (Name, bool) {
	if !strings.HasPrefix(tag, PresencePrefix) {
		return Name{}, false
	}
	var answer struct {
		Data json.RawMessage `json:"channel_data"`
	}
	var who struct {
		ID   any             `json:"user_id"`
		Info json.RawMessage `json:"user_info"`
	}
	if json.Unmarshal(said, &answer) != nil {
		return Name{}, false
	}
	var text string
	if json.Unmarshal(answer.Data, &text) == nil {
		answer.Data = []byte(text)
	}
	decoder := json.NewDecoder(bytes.NewReader(answer.Data))
	decoder.UseNumber()
	if decoder.Decode(&who) != nil {
		return Name{}, false
	}
	name := Name{ID: memberOf(who.ID)}
	if name.ID == "" {
		return Name{}, false
	}
	if len(who.Info) > maxInfo {
		w.fault("the web server says too much of somebody", fmt.Errorf("identity: user_info of %d bytes, over the limit of %d", len(who.Info), maxInfo))
		who.Info = nil
	}
	name.Said, _ = json.Marshal(who) // which has been read from JSON
	return name, true
}

// postLaravel asks for one channel. said is the beginning of the answer, if that
// was granted.
func (w *web) postLaravel(c Credentials, tag string) (granted bool, said []byte, err error) {
	form := url.Values{"channel_name": {tag}}.Encode()
	// The question belongs to all who wait for it: none of them ends it.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.url.String(), strings.NewReader(form))
	if err != nil {
		return false, nil, fmt.Errorf("identity: the question cannot be asked: %w", err)
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
		return false, nil, err
	}
	defer resp.Body.Close()
	said, _ = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // all, so that the connection is used again
	const pageExpired = 419                                    // Laravel's own: the token against forgery is old
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
		return true, said, nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound,
		status == pageExpired, status/100 == 3:
		return false, nil, nil
	default:
		return false, nil, fmt.Errorf("identity: it answered with status %d", status)
	}
}
