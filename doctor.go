package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sb-stream/stream-server/internal/doctor"
	"github.com/sb-stream/stream-server/internal/tags"
)

// examine is the command that looks at a running server from outside.
type examine struct {
	brokerFlags

	URL         string        `arg:"" help:"As browsers have it, such as https://push.example."`
	Path        string        `default:"/socket.io/" help:"Path of Socket.IO."`
	Origin      []string      `placeholder:"ORIGIN" help:"Pages of other hosts that are to connect, such as https://app.example."`
	Token       string        `secret:"" placeholder:"JWT" help:"Says which member hears the channel."`
	Channel     string        `placeholder:"CHANNEL" help:"That a message goes round on; one of a random name."`
	PublishKey  string        `secret:"" placeholder:"KEY" help:"Publish by POST /api/publish, unless --redis is set."`
	OperatorKey string        `secret:"" placeholder:"KEY" help:"Ask /api/info whom the server takes us for."`
	Metrics     string        `placeholder:"URL" help:"Where /metrics is, if it is not passed on."`
	CA          string        `name:"ca" placeholder:"FILE" help:"Certificates, PEM, that an https server is trusted by, in place of the system's."`
	Timeout     time.Duration `default:"10s" help:"That each check may take."`
	Hold        time.Duration `default:"5s" help:"That connections are kept idle."`
	Long        bool          `help:"Keep them idle for a whole ping interval."`
	JSON        bool          `name:"json" help:"Print one JSON document, at the end."`
}

// Run prints a line for each check as it is done. Something that failed is an
// error; warnings are not.
func (e *examine) Run(ctx context.Context) error {
	if e.Channel != "" {
		if err := tags.Check(e.Channel); err != nil {
			return usageError{fmt.Errorf("--channel: %w", err)}
		}
	}
	if e.Timeout <= 0 || e.Hold <= 0 {
		return usageError{errors.New("--timeout and --hold: want more than 0")}
	}
	config := doctor.Config{
		URL: e.URL, Path: e.Path, Origins: e.Origin, Token: e.Token, Channel: e.Channel,
		PublishKey: e.PublishKey, OperatorKey: e.OperatorKey, Metrics: e.Metrics,
		Timeout: e.Timeout, Hold: e.Hold, Long: e.Long,
	}
	if e.CA != "" {
		pem, err := os.ReadFile(e.CA)
		if err != nil {
			return usageError{fmt.Errorf("--ca: %w", err)}
		}
		if config.Roots = x509.NewCertPool(); !config.Roots.AppendCertsFromPEM(pem) {
			return usageError{fmt.Errorf("--ca: %s holds no certificate", e.CA)}
		}
	}
	if e.Redis != "" {
		broker, err := e.redisPublisher()
		if err != nil {
			return err
		}
		config.Redis = broker
	}
	report, err := doctor.Run(ctx, config, func(f doctor.Finding) {
		if !e.JSON {
			fmt.Println(f)
		}
	})
	if err != nil {
		return usageError{err}
	}
	if e.JSON {
		if err := report.WriteJSON(os.Stdout); err != nil {
			return err
		}
	} else {
		fmt.Println(report.Summary())
	}
	switch failed := report.Count[doctor.Fail]; {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case failed > 0:
		return fmt.Errorf("what failed: %d of %d checks", failed, len(report.Findings))
	}
	return nil
}
