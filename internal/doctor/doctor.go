package doctor

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Config is what to visit, and with which keys.
type Config struct {
	URL  string // such as "https://push.example"; a path is put before every other
	Path string // of Socket.IO; "/socket.io/"

	Origins     []string       // of pages on other hosts that are to connect
	Token       string         // of a member; empty: a guest
	Channel     string         // that a message goes round on; one of a random name
	PublishKey  string         // of /api/publish; empty: none
	OperatorKey string         // of /api/info; empty: none
	Redis       Redis          // that web servers publish to; nil: none
	Metrics     string         // URL of /metrics, if it is not below URL
	Roots       *x509.CertPool // that the certificate is trusted by; nil: the system's

	Timeout time.Duration // of each check; 10 s
	Hold    time.Duration // that connections are kept idle; 5 s
	Long    bool          // they are kept idle for a ping interval
}

// Redis is what is asked of one.
type Redis interface {
	// Publish sends data to a channel, and returns how many have it.
	Publish(ctx context.Context, channel string, data []byte) (int, error)

	// Setting is the answer to CONFIG GET.
	Setting(ctx context.Context, name string) (string, error)
}

// A check is one look. What it stands on is named by needs: if one of these
// failed or was skipped, there is nothing to see.
type check struct {
	name  string
	look  func(context.Context, *visit) Finding
	needs []string
}

var checks = []check{
	{"address", lookAtAddress, nil},
	{"tls", lookAtTLS, []string{"address"}},
	{"http", lookAtHTTP, []string{"address"}},
	{"ready", lookAtReadiness, []string{"http"}},
	{"version", lookAtVersion, []string{"http"}},
	{"clock", lookAtClock, []string{"http"}},
	{"polling", lookAtPolling, []string{"http"}},
	{"websocket", lookAtWebSocket, []string{"polling"}},
	{"nodes", lookAtNodes, []string{"polling"}},
	{"sessions", lookAtSessions, []string{"polling"}},
	{"buffering", lookAtBuffering, []string{"sessions"}},
	{"idle", lookAtIdle, []string{"polling"}},
	{"cors", lookAtCORS, []string{"polling"}},
	{"compression", lookAtCompression, []string{"websocket"}},
	{"forwarded", lookAtForwarded, []string{"http"}},
	{"descriptors", lookAtDescriptors, []string{"http"}},
	{"ports", lookAtPorts, []string{"http"}},
	{"redis", lookAtRedis, nil},
	{"message", lookAtMessage, []string{"http"}},
	{"events", lookAtEvents, []string{"sessions"}},
}

// Names are the checks, in their order.
func Names() []string {
	var names []string
	for _, c := range checks {
		names = append(names, c.name)
	}
	return names
}

// A visit is what the checks share. It belongs to the goroutine of Run.
type visit struct {
	Config

	base *url.URL     // without a slash at its end
	keep *http.Client // keeps its connections
	once *http.Client // takes a new one for each request

	status    map[string]Status // of the checks before
	known     bool              // who answers has shown who it is, or is asked without TLS
	handshake handshake         // the first one
	nodes     map[string]int    // handshakes by the node that they name
	info      *info             // of /api/info; nil: not to be had
	infoFault string            // why
	metrics   map[string]float64
}

// Run makes the visit and tells of each finding when there is one. The error is
// of the configuration, and nothing has been looked at then.
func Run(ctx context.Context, config Config, tell func(Finding)) (*Report, error) {
	v, err := newVisit(config)
	if err != nil {
		return nil, err
	}
	defer v.close()
	report := &Report{URL: v.base.Redacted(), Time: time.Now().UTC(), Count: map[Status]int{OK: 0, Warn: 0, Fail: 0, Skip: 0}}
	for _, c := range checks {
		begun := time.Now()
		f := v.run(ctx, c)
		f.Check, f.Millis = c.name, time.Since(begun).Milliseconds()
		v.status[c.name] = f.Status
		report.add(f)
		tell(f)
	}
	return report, nil
}

func (v *visit) run(ctx context.Context, c check) Finding {
	if ctx.Err() != nil {
		return skip("interrupted")
	}
	for _, name := range c.needs {
		if !v.well(name) {
			return skip("%s has to be well first", name)
		}
	}
	limit := v.Timeout
	if c.name == "idle" {
		limit += v.hold()
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return c.look(ctx, v)
}

// well reports whether a check has found that its subject works.
func (v *visit) well(name string) bool { return v.status[name] == OK || v.status[name] == Warn }

func newVisit(config Config) (*visit, error) {
	base, err := url.Parse(config.URL)
	if err != nil || base.Hostname() == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, errors.New("doctor: want an address such as https://push.example")
	}
	if base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, errors.New("doctor: the address has more than scheme, host and path")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	if config.Path == "" {
		config.Path = "/socket.io/"
	}
	if !strings.HasPrefix(config.Path, "/") || !strings.HasSuffix(config.Path, "/") {
		return nil, fmt.Errorf("doctor: path %q must begin and end with a slash", config.Path)
	}
	for _, origin := range config.Origins {
		if u, err := url.Parse(origin); err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" {
			return nil, fmt.Errorf("doctor: origin %q is not of the form https://app.example", origin)
		}
	}
	if config.Timeout <= 0 {
		config.Timeout = 10 * time.Second
	}
	if config.Hold <= 0 {
		config.Hold = 5 * time.Second
	}
	config.Origins = slices.Clone(config.Origins)
	v := &visit{
		Config: config, base: base,
		status: make(map[string]Status), nodes: make(map[string]int),
	}
	if v.Channel == "" {
		v.Channel = "doctor:" + strings.ToLower(rand.Text()[:8])
	}
	v.known = base.Scheme == "http"
	v.dial()
	return v, nil
}
