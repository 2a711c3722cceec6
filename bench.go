package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"github.com/sb-stream/stream-server/internal/load"
)

// bench is the command that puts a running server under load.
type bench struct {
	brokerFlags

	URL        string        `arg:"" help:"Of the stream server, such as http://127.0.0.1:8080."`
	Path       string        `default:"/socket.io/" help:"Path of Socket.IO."`
	Token      string        `secret:"" placeholder:"JWT" help:"Says which member the clients are."`
	Clients    int           `default:"100" help:"WebSocket clients."`
	Channels   int           `default:"1" help:"Channels bench:0, bench:1 and so on that the clients are spread over."`
	Rate       float64       `help:"Messages delivered a second, at planned times; 0 means as many as go through."`
	Under      int           `default:"1" help:"Messages under way at once, when there is no rate."`
	Duration   time.Duration `default:"10s" help:"How long to publish."`
	Patience   time.Duration `default:"10s" help:"How long to wait for a message, until it is lost."`
	Protocol   int           `default:"4" enum:"3,4" help:"Version of Engine.IO: 4, or 3 for clients of Socket.IO 1 and 2."`
	PublishKey string        `secret:"" placeholder:"KEY" help:"Publish by POST /api/publish, unless --redis is set."`
}

// errLost is for the exit code: what was lost has been printed.
var errLost = errors.New("messages were lost, or clients")

// Run connects, publishes and prints what was measured. Interrupted, it prints
// what it has.
func (b *bench) Run(ctx context.Context) error {
	switch {
	case b.Rate < 0:
		return usageError{fmt.Errorf("--rate is %v: want 0 or more", b.Rate)}
	case b.Under < 1:
		return usageError{fmt.Errorf("--under is %d: want 1 or more", b.Under)}
	case b.Duration <= 0 || b.Patience <= 0:
		return usageError{errors.New("--duration and --patience: want more than 0")}
	}
	query := ""
	if b.Token != "" {
		query = "&token=" + url.QueryEscape(b.Token)
	}
	protocol, err := load.EngineIO(b.Protocol, b.Path, query)
	if err != nil {
		return usageError{err}
	}
	config := load.Config{
		URL: b.URL, Protocol: protocol, Clients: b.Clients, Channels: b.Channels, Patience: b.Patience,
	}
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	to, err := b.publisher()
	if err != nil {
		return err
	}
	closed := false
	defer func() {
		if !closed {
			_ = to.Close()
		}
	}()
	swarm, connected, err := load.Connect(ctx, config)
	if err != nil {
		return err
	}
	defer swarm.Close()
	fmt.Printf("%d clients on %d channels connected in %v: %.0f a second\n",
		connected.Clients, b.Channels, connected.Took.Round(time.Millisecond), connected.PerSecond())
	result, err := b.measure(ctx, swarm, to)
	if err != nil && ctx.Err() == nil {
		return err
	}
	interrupted := ctx.Err() != nil
	printResult(os.Stdout, result, interrupted)
	closed = true
	if err := to.Close(); err != nil {
		return err
	}
	if result.Faults.Any() && !interrupted {
		return errLost
	}
	return nil
}

// publisher is Redis, HTTP or the embedded broker, in this order.
func (b *bench) publisher() (load.Publisher, error) {
	if b.Redis == "" && b.PublishKey != "" {
		return load.HTTPPublisher(b.URL, b.PublishKey), nil
	}
	address, config, err := b.publishURL()
	if err != nil {
		return nil, err
	}
	return load.RedisPublisher(address, b.RedisPrefix, config)
}

func (b *bench) measure(ctx context.Context, swarm *load.Swarm, to load.Publisher) (load.Result, error) {
	limit := load.Limit{Duration: b.Duration}
	if b.Rate > 0 {
		return swarm.Pace(ctx, to, b.Rate, limit)
	}
	return swarm.Saturate(ctx, to, b.Under, limit)
}

// printResult says what was measured. Interrupted, what is missing may have
// been on its way.
func printResult(w io.Writer, r load.Result, interrupted bool) {
	fmt.Fprintf(w, "%d published, %d delivered in %v: %.0f a second\n",
		r.Published, r.Delivered, r.Took.Round(time.Millisecond), r.PerSecond())
	if r.Delivered > 0 {
		fmt.Fprintf(w, "latency: p50 %s, p90 %s, p99 %s, p99.9 %s, max %s\n", milliseconds(r.Latency(50)),
			milliseconds(r.Latency(90)), milliseconds(r.Latency(99)), milliseconds(r.Latency(99.9)), milliseconds(r.Latency(100)))
	}
	f := r.Faults
	missing := "lost"
	if interrupted {
		missing = "on their way"
	}
	fmt.Fprintf(w, "%d %s, %d doubled, %d out of order, %d of other channels, %d clients closed\n",
		f.Lost, missing, f.Doubled, f.Swapped, f.Foreign, f.Closed)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}
