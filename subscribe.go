package main

import (
	"context"
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
	Token    string   `placeholder:"JWT" help:"Says which member this is."`
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
	for first := true; ; first = false {
		err := s.listen(ctx, os.Stdout)
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

// listen is one connection.
func (s *subscribe) listen(ctx context.Context, out io.Writer) error {
	opts := client.Options{Path: s.Path}
	if s.Token != "" {
		opts.Auth = map[string]any{"token": s.Token}
	}
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
