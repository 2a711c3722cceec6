package identity

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/sb-stream/stream-server/internal/tags"
)

// Limits of asking the web server.
const (
	webTimeout  = 3 * time.Second
	webConns    = 64       // connections to it, at most
	maxAnswer   = 64 << 10 // bytes
	maxQuestion = 8 << 10  // bytes, of the channels asked for
	maxGrants   = 1000     // patterns of channels in an answer, or a token

	cacheTime = 5 * time.Second // that an answer is given again: many tabs come back at once
	cacheSize = 10_000          // answers
)

// web asks the web server, as the browser would: GET, with its cookies and
// ?channel= for each private channel that it wants.
//
// The answer is 200 and {"member": "42", "channels": ["private:team:7"]}, where
// both may be missing; 401, 403, 204 or a redirect say that it is nobody.
// Anything else, and none in time, is a fault: then nobody is let in.
type web struct {
	// Constant.
	url     *url.URL
	laravel bool // it is asked as a Laravel application is (laravel.go)
	client  *http.Client
	fault   func(string, error)
	hold    time.Duration      // for which an answer is given again
	flight  singleflight.Group // one question of a kind at a time

	mu    sync.Mutex
	cache map[[sha256.Size]byte]cached // guarded by mu
}

// A webAnswer is what the web server says of somebody.
type webAnswer struct {
	Member   string
	Channels tags.Patterns
	Names    Names
}

type cached struct {
	answer webAnswer
	until  time.Time
}

func newWeb(c Config) (*web, error) {
	if c.AuthURL == "" && c.Laravel == "" {
		return nil, nil //nolint:nilnil // there is none, and nothing wrong with that
	}
	if c.AuthURL != "" && c.Laravel != "" {
		return nil, errors.New("identity: one web server is asked, in one way")
	}
	u, err := url.Parse(cmp.Or(c.AuthURL, c.Laravel))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("identity: the URL of the web server is not of the form https://app.example/who")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil // it is a server of ours
	transport.MaxConnsPerHost, transport.MaxIdleConnsPerHost = webConns, webConns
	return &web{
		url:     u,
		laravel: c.Laravel != "",
		fault:   c.fault,
		hold:    min(cacheTime, c.Recheck/2),
		client: &http.Client{
			Transport: transport,
			Timeout:   webTimeout,
			// A redirect is the way to the login page.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		cache: make(map[[sha256.Size]byte]cached),
	}, nil
}

// ask asks once for callers that ask the same at the same time, and gives an
// answer again that is fresh. Faults are not kept.
func (w *web) ask(ctx context.Context, c Credentials) (webAnswer, error) {
	if c.Cookie == "" && c.Token == "" && len(c.Header) == 0 {
		return webAnswer{}, nil // there is nothing to be known by
	}
	channels := slices.Sorted(slices.Values(c.Channels))
	key := sha256.Sum256([]byte(c.Cookie + "\x00" + c.Token + "\x00" + strings.Join(channels, ",") + "\x00" + headerKey(c.Header)))
	if answer, ok := w.cached(key); ok {
		return answer, nil
	}
	result := w.flight.DoChan(string(key[:]), func() (any, error) { // ends by webTimeout
		answer, err := w.request(c, channels)
		if err != nil {
			w.fault("the web server does not say who somebody is", err)
			return answer, ErrUnavailable
		}
		w.keep(key, answer)
		return answer, nil
	})
	select {
	case r := <-result:
		return r.Val.(webAnswer), r.Err
	case <-ctx.Done():
		return webAnswer{}, ErrUnavailable
	}
}

func (w *web) cached(key [sha256.Size]byte) (webAnswer, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found, ok := w.cache[key]
	return found.answer, ok && time.Now().Before(found.until)
}

func (w *web) keep(key [sha256.Size]byte, answer webAnswer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.cache) >= cacheSize {
		clear(w.cache)
	}
	w.cache[key] = cached{answer, time.Now().Add(w.hold)}
}

func (w *web) request(c Credentials, channels []string) (webAnswer, error) {
	if w.laravel {
		return w.requestLaravel(c, channels)
	}
	u := *w.url
	query := u.Query()
	for _, tag := range channels {
		query.Add("channel", tag)
	}
	u.RawQuery = query.Encode()
	if len(u.RawQuery) > maxQuestion {
		return webAnswer{}, errors.New("identity: it would be asked for too many channels at once")
	}
	// The question belongs to all who wait for it: none of them ends it.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return webAnswer{}, fmt.Errorf("identity: the question cannot be asked: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "stream-server")
	if c.Cookie != "" {
		req.Header.Set("Cookie", c.Cookie)
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err // without the query, which names channels
		}
		return webAnswer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch status := resp.StatusCode; {
	case err != nil:
		return webAnswer{}, err
	case len(body) > maxAnswer:
		return webAnswer{}, errors.New("identity: its answer is too long")
	case status == http.StatusOK:
		return parseAnswer(body)
	case status == http.StatusNoContent, status == http.StatusUnauthorized, status == http.StatusForbidden, status/100 == 3:
		return webAnswer{}, nil
	default:
		return webAnswer{}, fmt.Errorf("identity: it answered with status %d", status)
	}
}

// parseAnswer reads an answer. One that makes no sense is a fault: it may have
// meant less than could be made of it.
func parseAnswer(body []byte) (webAnswer, error) {
	var fields struct {
		Member   any      `json:"member"`
		Channels []string `json:"channels"`
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	if decoder.Decode(&fields) != nil || checkGrants(fields.Channels) != nil {
		return webAnswer{}, errAnswer
	}
	answer := webAnswer{Member: memberOf(fields.Member), Channels: fields.Channels}
	if fields.Member != nil && fields.Member != "" && answer.Member == "" {
		return webAnswer{}, errAnswer
	}
	return answer, nil
}

var errAnswer = errors.New(`identity: its answer is not of the form {"member": …, "channels": […]}`)

// checkGrants reports what keeps a list from being patterns of channels.
func checkGrants(list []string) error {
	if len(list) > maxGrants {
		return errors.New("identity: too many channels")
	}
	for _, pattern := range list {
		if err := tags.CheckPattern(pattern); err != nil {
			return err
		}
	}
	return nil
}
