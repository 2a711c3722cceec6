// Package tracing makes OpenTelemetry traces of what is published by HTTP, and
// sends them to a collector over OTLP.
//
// A trace has three spans: [Tracer.Publish], the request, below the one that the
// W3C header traceparent names; [Tracer.Broker], until the broker has taken a
// message; and [Tracer.FanOut], from the message's arrival on this node until its
// last client has been sent it. A broker carries no context, so that the third
// is found by channel and data, on the node that published and on no other.
//
// A nil Tracer makes nothing: its methods cost a comparison. Deliveries have no
// spans, so that a message costs the same for a hundred thousand clients.
package tracing

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Limits of what waits for its message to arrive.
const (
	maxAwaited = 1024
	maxWait    = 10 * time.Second
)

// A Tracer makes spans. Its methods may be called from any goroutine.
type Tracer struct {
	// Constant.
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	seed     maphash.Seed

	waiting atomic.Int64 // entries of awaited: what is published otherwise looks no further
	sending atomic.Int64 // entries of fanOuts

	mu      sync.Mutex
	awaited map[message]awaited  // guarded by mu; published, and not here yet
	fanOuts map[*byte]trace.Span // guarded by mu; by where the data begins, which is shared and never copied
}

// A message is what a broker brings back, by its hash.
type message struct {
	tag  string
	data uint64
}

type awaited struct {
	from trace.SpanContext
	at   time.Time
}

// New makes a Tracer that sends to an endpoint of OTLP over HTTP, such as
// "http://127.0.0.1:4318"; what it knows else is in the variables of the
// environment that OpenTelemetry defines: OTEL_TRACES_SAMPLER,
// OTEL_EXPORTER_OTLP_HEADERS and others. fault is told of what cannot be sent;
// that holds nothing up.
func New(ctx context.Context, endpoint, version string, fault func(error)) (*Tracer, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("tracing: %q is no endpoint such as http://127.0.0.1:4318", endpoint)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(fault)) // else it writes to stderr itself
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.String()))
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.Merge(
		resource.NewSchemaless(attribute.String("service.name", "stream-server"), attribute.String("service.version", version)),
		resource.Environment(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say it better
	)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &Tracer{
		provider: provider, tracer: provider.Tracer("github.com/sb-stream/stream-server"),
		seed:    maphash.MakeSeed(),
		awaited: make(map[message]awaited), fanOuts: make(map[*byte]trace.Span),
	}, nil
}

// Close sends what is left, for as long as ctx lasts.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// A Span is a part of a trace. Its zero value is none.
type Span struct{ span trace.Span }

// End ends the span, which has failed if there is an error.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}

// Publish begins the span of a request. Its trace is the one that the request
// names, and else a new one.
func (t *Tracer) Publish(r *http.Request) (context.Context, Span) {
	if t == nil {
		return r.Context(), Span{}
	}
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, "publish", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method), attribute.String("url.path", r.URL.Path)))
	return ctx, Span{span}
}

// Broker begins the span of one message that goes to the broker.
func (t *Tracer) Broker(ctx context.Context, tag string, data []byte) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, "broker", trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.destination.name", tag), attribute.Int("messaging.message.body.size", len(data))))
	if span.SpanContext().IsSampled() {
		t.await(message{tag, maphash.Bytes(t.seed, data)}, span.SpanContext())
	}
	return ctx, Span{span}
}

// await notes whose message is to arrive. One that does not, because nobody here
// hears its channel, makes room for others in time.
func (t *Tracer) await(m message, from trace.SpanContext) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.awaited) >= maxAwaited {
		for old, a := range t.awaited {
			if now.Sub(a.at) > maxWait {
				delete(t.awaited, old)
			}
		}
	}
	if len(t.awaited) < maxAwaited {
		t.awaited[m] = awaited{from, now}
	}
	t.waiting.Store(int64(len(t.awaited)))
}

// Awaits reports whether a message of a trace may arrive.
func (t *Tracer) Awaits() bool { return t != nil && t.waiting.Load() > 0 }

// FanOut begins the span of a message that has arrived, if it is one of a trace.
// data is what the broker brought, and sent what so many clients are sent.
func (t *Tracer) FanOut(tag string, data, sent []byte, clients int) {
	if len(sent) == 0 {
		return
	}
	m := message{tag, maphash.Bytes(t.seed, data)}
	t.mu.Lock()
	defer t.mu.Unlock()
	a, found := t.awaited[m]
	if !found {
		return
	}
	delete(t.awaited, m)
	t.waiting.Store(int64(len(t.awaited)))
	if time.Since(a.at) > maxWait {
		return // that one never came: it has the same data by chance
	}
	ctx := trace.ContextWithSpanContext(context.Background(), a.from)
	_, span := t.tracer.Start(ctx, "fan-out", trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("messaging.destination.name", tag), attribute.Int("stream.clients", clients)))
	t.fanOuts[&sent[0]] = span
	t.sending.Store(int64(len(t.fanOuts)))
}

// Sent ends the span of a message that its clients have been sent, or that has
// none.
func (t *Tracer) Sent(sent []byte) {
	if t == nil || t.sending.Load() == 0 || len(sent) == 0 {
		return
	}
	t.mu.Lock()
	span, found := t.fanOuts[&sent[0]]
	delete(t.fanOuts, &sent[0])
	t.sending.Store(int64(len(t.fanOuts)))
	t.mu.Unlock()
	if found {
		span.End()
	}
}
