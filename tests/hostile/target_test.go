package hostile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/dialect"
	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/identity"
)

// What the servers are set up with: everything is switched on.
const (
	publishKey = "the publish key"
	jwtKey     = "a key of thirty-two bytes, or so"
	origin     = "https://app.example"
	prefix     = "sb:"
)

// dialects are those of the servers that have some.
var dialects = map[string][]string{"dialects": {dialect.SocketIO, dialect.Laravel}}

// A target is a server that is attacked.
type target struct {
	name    string
	address string // of HTTP, host:port
	broker  string // of the broker, for Redis clients
	stop    func()
	log     *logBuffer
	canary  *canary
}

// start runs a server until stop is called, or the test ends.
func start(t *testing.T, name string, config server.Config) *target {
	t.Helper()
	return startWith(t, name, config, &logrus.JSONFormatter{})
}

// startWith is start with another form of the log.
func startWith(t *testing.T, name string, config server.Config, form logrus.Formatter) *target {
	t.Helper()
	n := &target{name: name, log: &logBuffer{}}
	log := logrus.New()
	log.SetOutput(n.log)
	log.SetLevel(logrus.TraceLevel)
	log.SetFormatter(form)
	config.Log = log
	config.PublishKeys, config.Origins = []string{publishKey}, []string{origin}
	config.Identity = identity.Config{Keys: [][]byte{[]byte(jwtKey)}}
	if name == "redis" {
		db := redistest.Start(t)
		b, err := redis.New(redis.Config{URL: db.URL(), Prefix: prefix, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		config.Broker, n.broker = b, db.Addr()
	} else {
		set, err := dialect.New(dialect.Config{
			Prefix: prefix, Dialects: dialects[name], LaravelPrefix: "laravel:", MaxPublish: 1 << 20, Log: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		b, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Prefix: prefix, Dialects: set, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Open(); err != nil {
			t.Fatal(err)
		}
		config.Broker, n.broker = b, b.Addr().String()
	}
	srv, err := server.New(config)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, listener) }() // ends with ctx
	n.stop = sync.OnceFunc(func() {
		n.canary.close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: Serve = %v, want nil", name, err)
		}
	})
	t.Cleanup(n.stop)
	eventually(t, "the server is ready", func() bool { return n.get(t, "/readyz").status == http.StatusOK })
	n.canary = newCanary(t, n)
	return n
}

// get asks for a path on a connection of its own.
func (n *target) get(t *testing.T, path string) *answer {
	t.Helper()
	p, err := n.connect()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	a, err := p.request("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return a
}

// metric is the sum of the values of one name, whatever their labels.
func (n *target) metric(t *testing.T, name string) int {
	t.Helper()
	sum, found := 0.0, false
	for lines := bufio.NewScanner(strings.NewReader(n.get(t, "/metrics").body)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), " ")
		if key, _, _ = strings.Cut(key, "{"); key == name {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			sum, found = sum+v, true
		}
	}
	if !found {
		t.Fatalf("/metrics has no %s", name)
	}
	return int(sum)
}

// A logBuffer keeps what is logged.
type logBuffer struct {
	mu  sync.Mutex
	all bytes.Buffer // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// check holds the log to what cannot be forged (RELIABILITY.md P2): each line
// is one JSON object, of the keys that the server writes, in printable bytes.
func (l *logBuffer) check(t *testing.T, name string) {
	t.Helper()
	text := l.text()
	if strings.Contains(text, "panic") || strings.Contains(text, "goroutine ") {
		t.Errorf("%s: something panicked:\n%s", name, text)
	}
	for line := range strings.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("%s: %.200q is no JSON object: %v", name, line, err)
			continue
		}
		for _, key := range []string{"level", "msg", "time"} {
			if s, ok := fields[key].(string); !ok || s == "" {
				t.Errorf("%s: %.200q has no %s", name, line, key)
			}
		}
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), isControl) {
			t.Errorf("%s: %.200q has a control character", name, line)
		}
	}
}

// eventually waits until ok, and fails the test when it never is.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come true that %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}
