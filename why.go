package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server"
)

// why is the command that tells what became of the newest messages of a
// channel, and why somebody did or did not get them.
type why struct {
	Channel     string `arg:"" help:"Such as feed:football:fantasy."`
	Who         string `arg:"" optional:"" help:"A member, a guest, or the id of a session, as $session says it."`
	URL         string `default:"http://127.0.0.1:8080" help:"Of the stream server; it asks all nodes."`
	OperatorKey string `secret:"" placeholder:"KEY" help:"One of --operator-key of the server; not needed on its own machine while it has none."`
	Limit       int    `default:"10" help:"Messages, the newest; at most 100."`
	JSON        bool   `name:"json" help:"Print the answer of /api/why as it is."`
}

// whyTimeout is for all of it.
const whyTimeout = 15 * time.Second

// Run prints the answer. The exit code is 1 if nobody knows anything.
func (w *why) Run(ctx context.Context) error {
	if err := tags.Check(w.Channel); err != nil {
		return usageError{fmt.Errorf("%q: %w", w.Channel, err)}
	}
	ctx, cancel := context.WithTimeout(ctx, whyTimeout)
	defer cancel()
	query := url.Values{"limit": {strconv.Itoa(w.Limit)}}
	if w.Who != "" {
		query.Set("who", w.Who)
	}
	address := strings.TrimSuffix(w.URL, "/") + "/api/why/" + url.PathEscape(w.Channel) + "?" + query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return usageError{err}
	}
	if w.OperatorKey != "" {
		r.Header.Set("Authorization", "Bearer "+w.OperatorKey)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var result server.WhyResult
	if err := json.Unmarshal(body, &result); err != nil {
		return fmt.Errorf("%s answered %s, and not as a stream server does", w.URL, resp.Status)
	}
	if resp.StatusCode != http.StatusOK && result.Error == nil {
		return fmt.Errorf("%s answered %s", w.URL, resp.Status)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", result.Error.Message)
	}
	if w.JSON {
		_, err = os.Stdout.Write(append(body, '\n'))
		return err
	}
	result.Print(os.Stdout)
	return nil
}
