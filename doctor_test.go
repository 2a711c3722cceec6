package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/doctor"
	"github.com/sb-stream/stream-server/internal/redistest"
)

// A server that is set up as the documents say is well.
func TestDoctorOfTheWell(t *testing.T) {
	redis := redistest.Start(t)
	ours := redistest.NewAuthority(t)
	cert, key := ours.Issue("127.0.0.1", 60*24*time.Hour)
	cluster := func(t *testing.T) string {
		address := freeAddress(t)
		return node(t, append([]string{"--listen", address, "--redis", redis.URL(), "--node-address", "http://" + address, "--cluster-key", "planted cluster key"}, keysOfTest...)...)
	}
	for _, tt := range []struct {
		name  string
		url   func(t *testing.T) string
		args  []string
		skips []string
	}{
		{
			"bare", func(t *testing.T) string { return "http://" + node(t, keysOfTest...) },
			keysOfTest,
			[]string{"redis"},
		},
		{
			"without keys", func(t *testing.T) string { return "http://" + behindNginx(t, []string{node(t)}) },
			nil,
			[]string{"version", "forwarded", "redis", "message"},
		},
		{
			"tls", func(t *testing.T) string {
				return "https://" + node(t, append([]string{"--tls-cert", cert, "--tls-key", key}, keysOfTest...)...)
			},
			append([]string{"--ca", ours.CA}, keysOfTest...),
			[]string{"redis"},
		},
		{
			"a page elsewhere, for a whole ping interval", func(t *testing.T) string {
				return "http://" + node(t, append([]string{"--origins", "https://app.example", "--ping-interval", "1s", "--compress"}, keysOfTest...)...)
			},
			append([]string{"--origin", "https://app.example", "--long"}, keysOfTest...),
			[]string{"redis"},
		},
		{
			"two nodes behind nginx", func(t *testing.T) string {
				return "http://" + behindNginx(t, []string{cluster(t), cluster(t)})
			},
			append([]string{"--redis", redis.URL()}, keysOfTest...),
			nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			code, found := examined(t, append([]string{"--hold", "1s", tt.url(t)}, tt.args...)...)
			if bad := slices.Concat(having(found, doctor.Fail), having(found, doctor.Warn)); code != 0 || len(bad) > 0 {
				for _, name := range bad {
					t.Log(found[name])
				}
				t.Errorf("exit code %d, and not well are %v, want 0 and none", code, bad)
			}
			if skips := having(found, doctor.Skip); !slices.Equal(skips, tt.skips) {
				t.Errorf("skipped are %v, want %v", skips, tt.skips)
			}
		})
	}
}

// One fault is one failure, whose line says what mends it.
func TestDoctorOfFaults(t *testing.T) {
	redis := redistest.Start(t)
	tight := redistest.Start(t, "--client-output-buffer-limit", "pubsub 64kb 32kb 60")
	ours := redistest.NewAuthority(t)
	expired, key := ours.Issue("127.0.0.1", 30*time.Minute)
	misnamed, other := ours.Issue("push.example", 48*time.Hour)
	good, third := ours.Issue("127.0.0.1", 48*time.Hour)
	one := func(t *testing.T) []string { return []string{node(t, keysOfTest...)} }
	const upgrade = "proxy_set_header Upgrade $http_upgrade;"
	for _, tt := range []struct {
		name  string
		url   func(t *testing.T) string
		args  []string
		check string
		mend  string
	}{
		{"no upgrade", func(t *testing.T) string { return "http://" + behindNginx(t, one(t), upgrade, "") }, nil, "websocket", "proxy_set_header Upgrade"},
		{
			"nginx waits for 2 s", func(t *testing.T) string {
				return "http://" + behindNginx(t, one(t), "proxy_read_timeout 90s", "proxy_read_timeout 2s")
			},
			[]string{"--hold", "4s"},
			"idle", "proxy_read_timeout 90s",
		},
		{"another Host", func(t *testing.T) string {
			return "http://" + behindNginx(t, one(t), "proxy_set_header Host $http_host;", "")
		}, nil, "cors", "proxy_set_header Host $http_host;"},
		{
			"two origins", func(t *testing.T) string {
				return "http://" + behindNginx(t, one(t), "proxy_buffering off;", "proxy_buffering off; add_header Access-Control-Allow-Origin * always;")
			},
			nil,
			"cors", "take it out of the proxy",
		},
		{"another origin", func(t *testing.T) string { return "http://" + node(t) }, []string{"--origin", "https://app.example"}, "cors", "--origins https://app.example"},
		{
			"two nodes that do not know each other", func(t *testing.T) string {
				return "http://" + behindNginx(t, []string{node(t, "--redis", redis.URL()), node(t, "--redis", redis.URL())})
			},
			[]string{"--redis", redis.URL()},
			"sessions", "--node-address and --cluster-key",
		},
		{"expired", func(t *testing.T) string { return "https://" + node(t, "--tls-cert", expired, "--tls-key", key) }, []string{"--ca", ours.CA}, "tls", "renew it"},
		{"of another name", func(t *testing.T) string { return "https://" + node(t, "--tls-cert", misnamed, "--tls-key", other) }, []string{"--ca", ours.CA}, "tls", "for this name"},
		{"of nobody known", func(t *testing.T) string { return "https://" + node(t, "--tls-cert", good, "--tls-key", third) }, nil, "tls", "--ca"},
		{"few files", func(t *testing.T) string { return "http://" + nodeOfFiles(t, "256") }, nil, "descriptors", "LimitNOFILE"},
		{"another clock", func(t *testing.T) string { return altered(t, one(t)[0], anotherDate) }, nil, "clock", "NTP"},
		{"polls come late", func(t *testing.T) string { return altered(t, one(t)[0], latePolls) }, nil, "buffering", "proxy_buffering off"},
		{"no node", func(t *testing.T) string { return "http://" + behindNginx(t, []string{freeAddress(t)}) }, nil, "http", "upstream"},
		{"nobody", func(t *testing.T) string { return "http://" + freeAddress(t) }, nil, "address", "--listen"},
		{"another path", func(t *testing.T) string { return "http://" + node(t, "--path", "/push/") }, nil, "polling", "--path"},
		{"a Redis that lets little wait", func(t *testing.T) string { return "http://" + node(t, "--redis", tight.URL()) }, []string{"--redis", tight.URL()}, "redis", "CONFIG SET"},
		{"another Redis", func(t *testing.T) string { return "http://" + node(t, "--redis", redis.URL()) }, []string{"--redis", redistest.Start(t).URL(), "--timeout", "2s"}, "message", "--redis-prefix"},
		{"a wrong key", func(t *testing.T) string { return "http://" + node(t, keysOfTest...) }, []string{"--publish-key", "planted wrong"}, "message", "--publish-key"},
		{"a private channel", func(t *testing.T) string { return "http://" + node(t, keysOfTest...) }, append([]string{"--channel", "private:x"}, keysOfTest...), "message", "--channel"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			code, found := examined(t, append([]string{"--hold", "500ms", tt.url(t)}, tt.args...)...)
			if failed := having(found, doctor.Fail); code != exitFault || !slices.Equal(failed, []string{tt.check}) {
				for _, name := range failed {
					t.Log(found[name])
				}
				t.Errorf("exit code %d, failed are %v, want %d and %s alone", code, failed, exitFault, tt.check)
			}
			if f := found[tt.check]; !strings.Contains(f.Mend, tt.mend) || f.Means == "" {
				t.Errorf("the line is %q, want %q as what mends it", f, tt.mend)
			}
		})
	}
}

// altered is the address of a proxy before a node that changes its answers.
func altered(t *testing.T, node string, alter func(*http.Response) error) string {
	t.Helper()
	to := &url.URL{Scheme: "http", Host: node}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		ModifyResponse: alter,
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	return s.URL
}

func anotherDate(r *http.Response) error {
	r.Header.Set("Date", time.Now().Add(-2*time.Minute).UTC().Format(http.TimeFormat))
	return nil
}

// latePolls holds the answers to polls of a session back.
func latePolls(r *http.Response) error {
	if q := r.Request.URL.Query(); r.Request.Method == http.MethodGet && q.Get("transport") == "polling" && q.Has("sid") {
		<-time.After(1500 * time.Millisecond)
	}
	return nil
}

// What is no address is wrong usage, and nothing is looked at.
func TestDoctorUsage(t *testing.T) {
	for _, args := range [][]string{
		{"doctor"},
		{"doctor", "push.example"},
		{"doctor", "ftp://push.example"},
		{"doctor", "http://push.example/?a=b"},
		{"doctor", "http://push.example", "--origin", "app.example"},
		{"doctor", "http://push.example", "--channel", "a,b"},
		{"doctor", "http://push.example", "--path", "socket.io"},
		{"doctor", "http://push.example", "--timeout", "0s"},
		{"doctor", "http://push.example", "--ca", "/dev/null"},
		{"doctor", "http://push.example", "--redis", "http://x"},
	} {
		code, stdout, stderr := command(t, args...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "stream-server: ") {
			t.Errorf("%v ended with %d, %q, %q, want %d and a line that says why", args, code, stdout, stderr, exitUsage)
		}
	}
}

// docs/doctor.md has each check and no other, and its lines run.
func TestDoctorDocument(t *testing.T) {
	text, err := os.ReadFile("docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllSubmatch(text, -1) {
		told = append(told, string(m[1]))
	}
	if !slices.Equal(told, doctor.Names()) {
		t.Errorf("docs/doctor.md tells of %v, want %v", told, doctor.Names())
	}
	redis := redistest.Start(t)
	address := "http://" + node(t, append([]string{"--redis", redis.URL(), "--origins", "https://app.example", "--ping-interval", "1s"}, keysOfTest...)...)
	write := func(key string) string { return written(t, key) }
	replace := strings.NewReplacer(
		"https://push.example", address, "redis://10.0.0.3:6379", redis.URL(), "http://10.0.0.5:8080", address,
		"/etc/stream-server/publish.key", write("planted publish"), "/etc/stream-server/operator.key", write("planted operator"))
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1) {
		for line := range strings.Lines(strings.ReplaceAll(string(block[1]), "\\\n", " ")) {
			words := strings.Fields(replace.Replace(line))
			if len(words) < 2 || words[0] != "stream-server" {
				t.Fatalf("docs/doctor.md has the line %q, want one of stream-server", line)
			}
			code, stdout, stderr := command(t, append(words[1:], "--hold", "500ms")...)
			if code != 0 || !strings.Contains(stdout, "sessions") {
				t.Errorf("%s ended with %d: %s%s", line, code, stdout, stderr)
			}
			ran++
		}
	}
	if ran < 4 {
		t.Errorf("only %d lines were found", ran)
	}
}
