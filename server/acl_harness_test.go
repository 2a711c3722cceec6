package server_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/identity"
	"github.com/sb-stream/stream-server/web"
)

// The document that names the users of Redis.
const aclDocument = "../docs/security-redis.md"

// An aclRedis is a Redis with the users of the document, and one who may
// change them.
type aclRedis struct {
	*redistest.Server
	t     *testing.T
	rules map[string][]string // of each user, as the document has them
	admin redigo.Conn
}

func startACL(t *testing.T) *aclRedis {
	t.Helper()
	text, err := os.ReadFile(aclDocument)
	if err != nil {
		t.Fatal(err)
	}
	users := regexp.MustCompile(`(?m)^user .*$`).FindAllString(string(text), -1)
	r := &aclRedis{t: t, rules: map[string][]string{}}
	for _, user := range users {
		words := strings.Fields(user)
		r.rules[words[1]] = words[2:]
	}
	for _, name := range []string{"default", "stream-server", "web", "sessions"} {
		if r.rules[name] == nil {
			t.Fatalf("%s has no user %s", aclDocument, name)
		}
	}
	file := filepath.Join(t.TempDir(), "users.acl")
	lines := strings.Join(append(users, "user admin on >admin ~* &* +@all"), "\n") + "\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Server = redistest.Start(t, "--aclfile", file)
	r.admin = r.dial("admin", "admin")
	return r
}

func (r *aclRedis) dial(user, password string) redigo.Conn {
	r.t.Helper()
	conn, err := redigo.Dial("tcp", r.Addr(), redigo.DialUsername(user), redigo.DialPassword(password))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// url is redis:// as a user, with the password that the document gives it.
func (r *aclRedis) url(user string) string {
	for _, rule := range r.rules[user] {
		if password, ok := strings.CutPrefix(rule, ">"); ok {
			return strings.Replace(r.URL(), "//", "//"+user+":"+password+"@", 1)
		}
	}
	r.t.Fatalf("user %s has no password", user)
	return ""
}

func (r *aclRedis) set(user string, rules ...string) {
	r.t.Helper()
	if _, err := r.admin.Do("ACL", redigo.Args{"SETUSER", user}.AddFlat(rules)...); err != nil {
		r.t.Fatal(err)
	}
}

// restore gives a user what the document gives it.
func (r *aclRedis) restore(user string) { r.set(user, append([]string{"reset"}, r.rules[user]...)...) }

// refused is how many commands the ACL has refused.
func (r *aclRedis) refused() []any {
	r.t.Helper()
	list, err := redigo.Values(r.admin.Do("ACL", "LOG"))
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func (r *aclRedis) store() *redis.Store {
	r.t.Helper()
	s, err := redis.NewStore(redis.Config{URL: r.url("sessions")})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(s.Close)
	return s
}

func (r *aclRedis) publisher() *web.Publisher {
	r.t.Helper()
	p, err := web.New(web.Config{URL: r.url("web")})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { p.Close() })
	return p
}

// start runs a server as its user, who looks often at what it may; its canary
// subscribes to one channel.
func (r *aclRedis) start(canary time.Duration) (*node, *redis.Broker, *logtest.Hook) {
	r.t.Helper()
	log, hook := logtest.NewNullLogger()
	b, err := redis.New(redis.Config{
		URL: r.url("stream-server"), Prefix: "sb:", Log: log,
		PingInterval: 50 * time.Millisecond, CheckInterval: 50 * time.Millisecond, StreamPartitions: 1,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return start(r.t, server.Config{
		Broker: b, Log: log, PublishKeys: []string{"key"}, Canary: canary,
		Identity: identity.Config{SessionCookie: "sid", SessionKey: "sess:{}", Store: r.store()},
	}), b, hook
}

// logged reports whether a line of the log has this message, and NOPERM.
func logged(hook *logtest.Hook, message string) bool {
	for _, e := range hook.AllEntries() {
		line, err := e.String()
		if err == nil && e.Message == message && strings.Contains(line, "NOPERM") {
			return true
		}
	}
	return false
}

// publishHTTP publishes 2, and holds the answer to its status.
func publishHTTP(t *testing.T, n *node, channel string, want int) {
	t.Helper()
	if status, answer := n.post(t, "key", `{"channel":"`+channel+`","data":2}`); status != want {
		t.Errorf("POST = %d %s, want %d", status, answer, want)
	}
}
