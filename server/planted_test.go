package server_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/channels/embedded"
	"github.com/sb-stream/stream-server/channels/redis"
	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/identity"
)

// A planting is a run of one server in which everything that may be secret is
// planted: what clients and web servers send, and what the server is given.
type planting struct {
	*node
	t      *testing.T
	log    *journal
	secret http.Header // of every request
}

const plantedJWTKey = "planted-key-of-the-tokens-of-this-server"

// token is a JWT for the planted member, or one that is no good any more.
func (p *planting) token(until time.Duration) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": "planted-member", "exp": time.Now().Add(until).Unix(),
	}).SignedString([]byte(plantedJWTKey))
	if err != nil {
		p.t.Fatal(err)
	}
	return token
}

// Whatever happens, no secret, no id and no address stands in the log, at any
// level (RELIABILITY.md P1).
func TestLogsKeepSecrets(t *testing.T) {
	const password = "planted-password"
	for _, tt := range []struct {
		name   string
		secure bool
		broker func(t *testing.T, p *planting) (b channels.Broker, addr string, trouble func())
	}{
		{"embedded", false, func(t *testing.T, p *planting) (channels.Broker, string, func()) {
			b, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Passwords: []string{password}, Prefix: "sb:", MaxPublish: 2048, Log: p.log.logger()})
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Open(); err != nil {
				t.Fatal(err)
			}
			return b, b.Addr().String(), func() {
				p.raw(b.Addr().String(), "GET /planted HTTP/1.1\r\nHost: planted\r\n\r\n")
				eventually(t, "a request of HTTP is told", func() bool {
					return p.log.count("embedded: an HTTP request came to the port for Redis clients") > 0
				})
			}
		}},
		{"Redis, TLS", true, func(t *testing.T, p *planting) (channels.Broker, string, func()) {
			r := redistest.Start(t, "--requirepass", password)
			p.log.allow(r.Addr())
			url := strings.Replace(r.URL(), "//", "//:"+password+"@", 1)
			b, err := redis.New(redis.Config{URL: url, Prefix: "sb:", MaxPublish: 2048, Log: p.log.logger(), MaxRedial: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			return b, r.Addr(), func() {
				eventually(t, "a message that is too large is told", func() bool {
					return p.log.count("redis: a message is over the limit and was not delivered") > 0
				})
				r.Restart()
				eventually(t, "the outage is told", func() bool { return p.log.count("redis: connected again") > 0 })
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &planting{t: t, log: &journal{}, secret: http.Header{
				"Cookie":          {"session=planted-cookie"},
				"Authorization":   {"Bearer planted-bearer"},
				"X-Forwarded-For": {"203.0.113.77, 2001:db8::7"},
				"X-Planted":       {"planted-header"},
				"User-Agent":      {"planted-agent"},
				"Referer":         {"https://planted.example/planted?planted"},
			}}
			broker, addr, trouble := tt.broker(t, p)
			config := server.Config{
				Broker: broker, Log: p.log.logger(), MaxPublish: 2048,
				PublishKeys: []string{"planted-publish-key"}, OperatorKeys: []string{"planted-operator-key"},
				Identity: identity.Config{
					Keys: [][]byte{[]byte(plantedJWTKey)}, GuestKeys: [][]byte{[]byte("planted-key-of-the-guests-of-this")},
					AuthURL: whoServer(t), Recheck: time.Minute,
				},
				Origins: []string{"https://planted.example"}, TrustedProxies: []string{"127.0.0.1"},
				PingInterval: 100 * time.Millisecond,
			}
			if tt.secure {
				config.TLS = withTLS(t)
			}
			p.node = start(t, config)
			p.sockets()
			p.requests()
			p.publishing(addr, password)
			p.bytes()
			trouble()
			p.stop()
			for _, event := range []string{
				"session opened", "session closed", "auth refused", "subscribe refused", "identify refused", "request refused",
				"connection refused", "the web server does not say who somebody is", "refused a page of another origin: --origins would allow it",
			} {
				if p.log.count(event) == 0 {
					t.Errorf("the log does not tell of %q: the search has not seen it", event)
				}
			}
			if tt.secure {
				eventually(t, "a handshake that failed is told", func() bool { return p.log.mentions("http: TLS handshake error") })
			}
			p.log.check(t)
		})
	}
}
