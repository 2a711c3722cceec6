package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// health is the command that asks a server how it is, where there is no curl.
type health struct {
	URL     string        `default:"http://127.0.0.1:8080" placeholder:"URL" help:"Of the stream server."`
	Ready   bool          `help:"Whether new clients may come, and not only whether it lives."`
	CA      string        `name:"ca" placeholder:"FILE" help:"Certificates, PEM, that an https server is trusted by, in place of the system's."`
	Timeout time.Duration `default:"3s" help:"That the answer may take."`
}

// Run prints the answer; it is an error if that is no good one.
func (h *health) Run(ctx context.Context) error {
	client := &http.Client{Timeout: h.Timeout}
	if h.CA != "" {
		config, err := trusting(h.CA)
		if err != nil {
			return usageError{err}
		}
		client.Transport = &http.Transport{TLSClientConfig: config}
	}
	path := "/healthz"
	if h.Ready {
		path = "/readyz"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(h.URL, "/")+path, http.NoBody)
	if err != nil {
		return usageError{err}
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return err
	}
	answer := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers with %s: %s", path, resp.Status, answer)
	}
	_, err = fmt.Println(answer)
	return err
}
