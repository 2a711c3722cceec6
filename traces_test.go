package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// With --otlp-endpoint what was published is at the collector when the server has
// ended; an endpoint that is none is wrong usage.
func TestOTLPEndpoint(t *testing.T) {
	var got atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, _ := io.Copy(io.Discard, r.Body); r.URL.Path == "/v1/traces" {
			got.Add(n)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	defer collector.Close()
	c := prepare(t, append([]string{"serve", "--drain", "0s", "--otlp-endpoint", collector.URL}, keysOfTest...)...)
	address := nodeBy(t, c)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/api/publish", strings.NewReader(`{"channel":"x","data":1}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer planted publish")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("publish: %s", response.Status)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	if got.Load() == 0 {
		t.Error("the collector got nothing")
	}
	for _, endpoint := range []string{"127.0.0.1:4318", "ftp://x", "http://"} {
		if code, _, stderr := command(t, "serve", "--otlp-endpoint", endpoint); code != exitUsage || !strings.Contains(stderr, "no endpoint such as") {
			t.Errorf("--otlp-endpoint %s ended with %d, %q, want %d and what it should be", endpoint, code, stderr, exitUsage)
		}
	}
}
