package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// sink notes what it is given; every channel but "nobody" has three sessions.
type sink struct {
	mu   sync.Mutex
	got  []string
	live chan string
}

func (s *sink) Message(tag string, data []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, tag+" "+string(data))
	return s.Clients(tag)
}

func (*sink) Missed(string, ...string) {}

func (s *sink) Durable(tag string, data []byte, id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, tag+" "+string(data)+" "+id)
	return s.Clients(tag)
}

func (*sink) Clients(tag string) int {
	if tag == "nobody" {
		return 0
	}
	return 3
}

func (s *sink) Live(tag string)      { s.live <- tag }
func (*sink) Lost(string, ...string) {}

func (s *sink) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

func start(t *testing.T, config Config) (*Broker, *sink) {
	t.Helper()
	config.Listen, config.Prefix = "127.0.0.1:0", "sb:"
	log := logrus.New()
	log.SetOutput(io.Discard)
	config.Log = log
	b, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	b.Listen("before Run")
	if err := b.Open(); err != nil {
		t.Fatal(err)
	}
	s := &sink{live: make(chan string, 16)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, s) }() // ends with ctx
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
		if b.Up() {
			t.Error("Up after Run has ended")
		}
	})
	if got := <-s.live; got != "before Run" {
		t.Errorf("Live(%q), want what was listened to before", got)
	}
	return b, s
}

func dial(t *testing.T, b *Broker, options ...redis.DialOption) redis.Conn {
	t.Helper()
	conn, err := redis.Dial("tcp", b.Addr().String(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestCommands(t *testing.T) {
	b, s := start(t, Config{})
	conn := dial(t, b)
	for _, tt := range []struct {
		command string
		want    string // of the answer; "-" and the beginning of an error
	}{
		{"PING", "PONG"},
		{"ping hi", "hi"},
		{"ECHO x", "x"},
		{"PUBLISH sb:score 1", "3"},
		{"PUBLISH sb:nobody 1", "0"},
		{"PUBLISH score 1", "0"},
		{"SPUBLISH sb:score 2", "3"},
		{"PUBSUB NUMSUB sb:score sb:nobody other", "[sb:score 3 sb:nobody 0 other 0]"},
		{"PUBSUB CHANNELS", "-ERR this broker has PUBSUB NUMSUB only"},
		{"SELECT 0", "OK"},
		{"SELECT 1", "-ERR DB index"},
		{"CLIENT SETNAME me", "OK"},
		{"CLIENT GETNAME", "me"},
		{"CLIENT SETINFO LIB-NAME x", "OK"},
		{"CLIENT LIST", "-ERR unknown CLIENT"},
		{"COMMAND DOCS", "[]"},
		{"SUBSCRIBE sb:score", "-ERR the embedded broker takes messages only"},
		{"GET x", "-ERR unknown command 'GET'"},
		{"MULTI", "-ERR unknown command"},
		{"PUBLISH x", "-ERR wrong number of arguments"},
		{"AUTH x", "-ERR AUTH <password> called without any password"},
		{"HELLO 4", "-NOPROTO"},
		{"HELLO 2 WHAT", "-ERR syntax error in HELLO"},
		{"RESET", "RESET"},
		{"CLIENT GETNAME", ""},
	} {
		words := strings.Fields(tt.command)
		args := make([]any, len(words)-1)
		for i, word := range words[1:] {
			args[i] = word
		}
		answer, err := conn.Do(words[0], args...)
		got := show(answer)
		if err != nil {
			got = "-" + err.Error()
		}
		if got != tt.want && !(strings.HasPrefix(tt.want, "-") && strings.HasPrefix(got, tt.want)) {
			t.Errorf("%s = %q, want %q", tt.command, got, tt.want)
		}
	}
	if want := []string{"score 1", "nobody 1", "score 2"}; !slices.Equal(s.seen(), want) {
		t.Errorf("the sink got %q, want %q", s.seen(), want)
	}
	answer, err := redis.Values(conn.Do("HELLO", 2, "SETNAME", "x"))
	if err != nil || len(answer) != 14 {
		t.Errorf("HELLO 2 = %v, %v, want 7 keys and values", answer, err)
	}
	if text, err := redis.String(conn.Do("INFO", "server")); err != nil || !strings.Contains(text, "redis_version:") {
		t.Errorf("INFO = %q, %v", text, err)
	}
	if _, err := conn.Do("QUIT"); err != nil {
		t.Errorf("QUIT = %v", err)
	}
	if _, err := conn.Do("PING"); err == nil {
		t.Error("the connection lives on after QUIT")
	}
}

// show is an answer of redigo as text.
func show(v any) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i] = show(v[i])
		}
		return "[" + strings.Join(list, " ") + "]"
	default:
		return fmt.Sprint(v)
	}
}

func TestPassword(t *testing.T) {
	b, s := start(t, Config{Passwords: []string{"secret", "next"}})
	conn := dial(t, b)
	for _, command := range []string{"PING", "PUBLISH", "INFO", "NOTHING", "HELLO"} {
		if _, err := conn.Do(command, "3"); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
			t.Errorf("%s without AUTH = %v, want NOAUTH", command, err)
		}
	}
	for _, args := range [][]any{{"secrets"}, {"secre"}, {""}, {"secret,next"}, {"somebody", "secret"}} {
		if _, err := conn.Do("AUTH", args...); err == nil || !strings.HasPrefix(err.Error(), "WRONGPASS") {
			t.Errorf("AUTH %v = %v, want WRONGPASS", args, err)
		}
	}
	for _, options := range [][]redis.DialOption{
		{redis.DialPassword("secret")},
		{redis.DialUsername("default"), redis.DialPassword("secret")},
		{redis.DialPassword("next")},
	} {
		if n, err := redis.Int(dial(t, b, options...).Do("PUBLISH", "sb:x", "1")); n != 3 || err != nil {
			t.Errorf("PUBLISH after AUTH = %d, %v, want 3", n, err)
		}
	}
	if _, err := conn.Do("HELLO", 2, "AUTH", "default", "secret"); err != nil {
		t.Errorf("HELLO with AUTH = %v", err)
	}
	if len(s.seen()) != 3 {
		t.Errorf("the sink got %q, want three messages", s.seen())
	}
}

// Many answers to many commands in one go, in order.
func TestPipeline(t *testing.T) {
	const n = 5000
	b, s := start(t, Config{})
	conn := dial(t, b)
	go func() { // ends when all is sent
		for i := range n {
			_ = conn.Send("PUBLISH", "sb:x", i)
		}
		_ = conn.Flush()
	}()
	for i := range n {
		if got, err := redis.Int(conn.Receive()); got != 3 || err != nil {
			t.Fatalf("answer %d = %d, %v, want 3", i, got, err)
		}
	}
	for i, got := range s.seen() {
		if want := fmt.Sprint("x ", i); got != want {
			t.Fatalf("message %d = %q, want %q", i, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	log := logrus.New()
	for _, tt := range []struct {
		config Config
		faults []string
	}{
		{Config{Log: log}, nil},
		{Config{Log: log, Listen: "[::1]:0"}, nil},
		{Config{Log: log, Listen: "0.0.0.0:6380", Passwords: []string{"x"}}, nil},
		{Config{Log: log, Listen: "0.0.0.0:6380"}, []string{"takes a password"}},
		{Config{Log: log, Listen: ":6380"}, []string{"takes a password"}},
		{Config{Listen: "nonsense", MaxClients: -1, Passwords: []string{"x", ""}}, []string{"no address", "negative", "no log", "empty"}},
	} {
		err := tt.config.Validate()
		if (err == nil) != (tt.faults == nil) {
			t.Errorf("Validate(%+v) = %v, want %q", tt.config, err, tt.faults)
		}
		for _, fault := range tt.faults {
			if err != nil && !strings.Contains(err.Error(), fault) {
				t.Errorf("Validate(%+v) = %v, want it to say %q", tt.config, err, fault)
			}
		}
	}
	b, _ := start(t, Config{})
	other, err := New(Config{Listen: b.Addr().String(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Open(); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("Open on a taken port = %v, want it to say so", err)
	}
	if _, err := other.Publish(t.Context(), "x", nil); err == nil {
		t.Error("Publish before Run = nil, want an error")
	}
	if _, err := b.Publish(t.Context(), "x", make([]byte, 2<<20)); err == nil {
		t.Error("Publish of 2 MiB = nil, want an error")
	}
}

// The real redis-cli, which speaks RESP 3 when asked to.
func TestRedisCLI(t *testing.T) {
	b, s := start(t, Config{})
	host, port, err := net.SplitHostPort(b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{{}, {"-3"}} {
		args := append([]string{"-h", host, "-p", port}, flags...)
		out, err := exec.CommandContext(t.Context(), "redis-cli", append(args, "PUBLISH", "sb:x", `{"goal":1}`)...).CombinedOutput()
		if errors.Is(err, exec.ErrNotFound) {
			t.Fatal("redis-cli is missing: apt-get install redis-server")
		}
		if got := strings.TrimSpace(string(out)); err != nil || got != "3" && got != "(integer) 3" {
			t.Errorf("redis-cli %v PUBLISH = %q, %v, want 3", flags, got, err)
		}
	}
	if want := []string{`x {"goal":1}`, `x {"goal":1}`}; !slices.Equal(s.seen(), want) {
		t.Errorf("the sink got %q, want %q", s.seen(), want)
	}
}
