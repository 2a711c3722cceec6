package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/tags"
)

// subscribe is the command that prints what arrives, as a browser would see it.
type subscribe struct {
	Channels []string `arg:"" help:"Such as feed:football:fantasy."`
	URL      string   `default:"http://127.0.0.1:8080" help:"Of the stream server."`
	Path     string   `default:"/socket.io/" help:"Path of Socket.IO."`
	Token    string   `secret:"" placeholder:"JWT" help:"Says which member this is."`
	CA       string   `name:"ca" placeholder:"FILE" help:"Certificates, PEM, that an https server is trusted by, in place of the system's."`
}

// retryDelay is between the end of a connection and the next.
const retryDelay = time.Second

// Run prints a line for each message until it is interrupted: the data, with
// the channel before it if there are several. It connects again when the
// connection ends, but not when it never was.
func (s *subscribe) Run(ctx context.Context) error {
	for _, tag := range s.Channels {
		if err := tags.Check(tag); err != nil {
			return usageError{fmt.Errorf("%q: %w", tag, err)}
		}
	}
	opts, err := s.options()
	if err != nil {
		return usageError{err}
	}
	for first := true; ; first = false {
		err := s.listen(ctx, os.Stdout, opts)
		if ctx.Err() != nil {
			return nil
		}
		var refused *refusedError
		if first && !errors.Is(err, client.ErrClosed) || errors.As(err, &refused) {
			return err
		}
		fmt.Fprintln(os.Stderr, "stream-server:", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryDelay):
		}
	}
}

// A refusedError is an answer that will be the same next time.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

func (s *subscribe) options() (client.Options, error) {
	opts := client.Options{Path: s.Path}
	if s.Token != "" {
		opts.Auth = map[string]any{"token": s.Token}
	}
	if s.CA != "" {
		var err error
		if opts.TLS, err = trusting(s.CA); err != nil {
			return opts, err
		}
	}
	return opts, nil
}

// trusting is the TLS of a client that trusts the certificates of a file.
func trusting(file string) (*tls.Config, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca: %s holds no certificate", file)
	}
	return config, nil
}

// listen is one connection.
func (s *subscribe) listen(ctx context.Context, out io.Writer, opts client.Options) error {
	conn, err := client.Dial(ctx, s.URL, opts)
	if err != nil {
		var no *client.ConnectError
		if errors.As(err, &no) {
			return &refusedError{"the server refused: " + no.Message}
		}
		return err
	}
	defer conn.Close()
	answer, err := conn.Call(ctx, "subscribe", s.Channels)
	if err != nil {
		return err
	}
	var ack struct {
		OK    bool
		Error struct{ Message string }
	}
	if len(answer) == 0 || json.Unmarshal(answer[0], &ack) != nil || !ack.OK {
		return &refusedError{"the server refused: " + ack.Error.Message}
	}
	for {
		e, err := conn.Next(ctx)
		if err != nil {
			return err
		}
		s.print(out, e)
	}
}

func (s *subscribe) print(out io.Writer, e client.Event) {
	switch {
	case e.Name == "$gap" && len(e.Args) > 0:
		fmt.Fprintf(os.Stderr, "stream-server: messages may be missing: %s\n", e.Args[0])
	case len(e.Name) > 0 && e.Name[0] == '$' || len(e.Args) == 0:
	case len(s.Channels) > 1:
		fmt.Fprintf(out, "%s %s\n", e.Name, e.Args[0])
	default:
		fmt.Fprintf(out, "%s\n", e.Args[0])
	}
}
