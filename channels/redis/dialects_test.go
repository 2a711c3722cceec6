package redis

import (
	"io"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/dialect"
)

// TestDialectsOnCluster: what is published by PUBLISH does not come where a
// channel's slot is, so that would be a silent one.
func TestDialectsOnCluster(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	for _, tt := range []struct {
		url, dialect string
		ok           bool
	}{
		{"redis-cluster://127.0.0.1:1", dialect.SocketIO, false},
		{"redis-cluster://127.0.0.1:1", dialect.Laravel, false},
		{"redis://127.0.0.1:1", dialect.Laravel, true},
	} {
		set, err := dialect.New(dialect.Config{Prefix: "sb:", Dialects: []string{tt.dialect}, LaravelPrefix: "app_", Log: log})
		if err != nil {
			t.Fatal(err)
		}
		b, err := New(Config{URL: tt.url, Prefix: "sb:", Dialects: set, Log: log})
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "Cluster") {
			t.Errorf("New with %s and %s = %v", tt.url, tt.dialect, err)
		}
		if b != nil {
			b.Close()
		}
	}
}
