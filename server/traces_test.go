package server_test

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/tracing"
	"github.com/sb-stream/stream-server/server"
)

// A sink is a collector of OTLP over HTTP.
type sink struct {
	url string

	mu    sync.Mutex
	spans []*trace.Span // guarded by mu
}

func newSink(t *testing.T) *sink {
	t.Helper()
	c := &sink{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			body, _ = gzip.NewReader(r.Body)
		}
		data, err := io.ReadAll(body)
		var request collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(data, &request) != nil {
			t.Errorf("the collector got %s, %s, %v", r.URL, r.Header, err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// of are the spans of a trace, by name.
func (c *sink) of(id string) map[string][]*trace.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	named := make(map[string][]*trace.Span)
	for _, s := range c.spans {
		if hex.EncodeToString(s.TraceId) == id {
			named[s.Name] = append(named[s.Name], s)
		}
	}
	return named
}

func attributeOf(s *trace.Span, key string) any {
	for _, a := range s.Attributes {
		if a.Key == key {
			if a.Value.GetStringValue() != "" {
				return a.Value.GetStringValue()
			}
			return a.Value.GetIntValue()
		}
	}
	return nil
}

// What /api/publish takes is one trace, below the span of the web server that
// asked: the request, the broker, and the way to the clients.
func TestTraces(t *testing.T) {
	c := newSink(t)
	tracer, err := tracing.New(t.Context(), c.url, "test", func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, server.Config{Tracer: tracer, PublishKeys: []string{"key"}})
	for range 3 {
		n.open(t, client.Options{}).hear("heard")
	}
	const id, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	publish := func(trace, body string) {
		t.Helper()
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, n.url+"/api/publish", strings.NewReader(body))
		request.Header.Set("Authorization", "Bearer key")
		if trace != "" {
			request.Header.Set("Traceparent", trace)
		}
		response, err := n.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("publish: %s", response.Status)
		}
	}
	publish("00-"+id+"-"+parent+"-01", `{"channels":["heard","unheard"],"data":{"goal":1}}`)
	const unsampled = "5bf92f3577b34da6a3ce929d0e0e4736"
	publish("00-"+unsampled+"-"+parent+"-00", `{"channel":"heard","data":{"goal":2}}`)
	publish("", `{"channel":"heard","data":"of a trace of its own"}`)
	publish("this is no trace", `{"channel":"heard","data":"of another"}`)
	n.Message("heard", []byte(`{"goal":1}`)) // the same again, which nobody has published here
	if err := tracer.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}

	spans := c.of(id)
	if len(spans["publish"]) != 1 || len(spans["broker"]) != 2 || len(spans["fan-out"]) != 2 {
		t.Fatalf("the trace has %v, want publish, and broker and fan-out for two channels", spans)
	}
	root := spans["publish"][0]
	if hex.EncodeToString(root.ParentSpanId) != parent {
		t.Errorf("publish is below %x, want %s", root.ParentSpanId, parent)
	}
	brokers := make(map[string]string) // channel → span
	for _, s := range spans["broker"] {
		if string(s.ParentSpanId) != string(root.SpanId) {
			t.Errorf("broker is below %x, want publish, %x", s.ParentSpanId, root.SpanId)
		}
		brokers[attributeOf(s, "messaging.destination.name").(string)] = string(s.SpanId)
	}
	for _, s := range spans["fan-out"] {
		channel := attributeOf(s, "messaging.destination.name").(string)
		if string(s.ParentSpanId) != brokers[channel] {
			t.Errorf("fan-out of %s is below %x, want the broker's span of it, %x", channel, s.ParentSpanId, brokers[channel])
		}
		want := map[string]int64{"heard": 3, "unheard": 0}[channel]
		if got := attributeOf(s, "stream.clients"); got != want {
			t.Errorf("fan-out of %s is to %v clients, want %d", channel, got, want)
		}
		if s.EndTimeUnixNano < s.StartTimeUnixNano || s.StartTimeUnixNano < root.StartTimeUnixNano {
			t.Errorf("the times are %v and %v, want one after the other", root, s)
		}
	}
	if spans := c.of(unsampled); len(spans) > 0 {
		t.Errorf("the trace that is not sampled has %v, want nothing", spans)
	}
	if len(c.spans) != 11 {
		t.Errorf("%d spans, want 5 of the trace and 3 of each that began here", len(c.spans))
	}
}

// Publishing does not wait for a collector that is away.
func TestTracesToNobody(t *testing.T) {
	tracer, err := tracing.New(t.Context(), "http://127.0.0.1:1", "test", func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	n := start(t, server.Config{Tracer: tracer, PublishKeys: []string{"key"}})
	for range 3000 { // more than the queue of spans has room for
		if status, body := n.post(t, "key", `{"channel":"x","data":1}`); status != http.StatusOK {
			t.Fatalf("publish: %d, %s", status, body)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if tracer.Close(ctx) == nil {
		t.Error("Close says that all was sent")
	}
}
