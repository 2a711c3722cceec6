package main

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/internal/tracing"
)

// tracesTimeout is for the traces that are left at the end.
const tracesTimeout = 2 * time.Second

// tracer is what --otlp-endpoint asks for; nil makes no traces.
func (s *serve) tracer(ctx context.Context, log logrus.FieldLogger) (*tracing.Tracer, error) {
	if s.OTLPEndpoint == "" {
		return nil, nil
	}
	return tracing.New(ctx, s.OTLPEndpoint, buildVersion(), func(err error) { log.WithError(err).Warn("traces were not sent") })
}

// endTraces sends what is left.
func (s *serve) endTraces(tracer *tracing.Tracer, log logrus.FieldLogger) {
	ctx, cancel := context.WithTimeout(context.Background(), tracesTimeout)
	defer cancel()
	if err := tracer.Close(ctx); err != nil {
		log.WithError(err).Warn("the last traces were not sent")
	}
}
