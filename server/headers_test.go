package server

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// handler is that of a server with this configuration, which does not run.
func handler(t *testing.T, config Config) http.Handler {
	t.Helper()
	log, _ := logTo()
	config.Broker, config.Log = &always{}, log
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.io.Shutdown(context.Background()) })
	return s.Handler()
}

// ask is the header of the answer.
func ask(h http.Handler, r *http.Request) http.Header {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Header()
}

func TestSecurityHeaders(t *testing.T) {
	h := handler(t, Config{HSTS: time.Hour})
	common := map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
	}
	for _, tt := range []struct{ method, path, csp, resource string }{
		{"GET", "/", "default-src 'none'; script-src 'self'; ", "same-origin"},
		{"GET", "/console/page.js", "default-src 'none'; script-src 'self'; ", "same-origin"},
		{"GET", "/sb.js", "default-src 'none'; frame-ancestors 'none'", "cross-origin"},
		{"GET", "/sb.mjs", "default-src 'none'; frame-ancestors 'none'", "cross-origin"},
		{"GET", "/healthz", "default-src 'none'; frame-ancestors 'none'", "same-origin"},
		{"GET", "/readyz", "default-src 'none'; frame-ancestors 'none'", "same-origin"},
		{"GET", "/metrics", "default-src 'none'; frame-ancestors 'none'", "same-origin"},
		{"GET", "/api/stats", "default-src 'none'; frame-ancestors 'none'", "same-origin"},
		{"POST", "/api/publish", "default-src 'none'; frame-ancestors 'none'", "same-origin"},
		{"DELETE", "/api/publish", "default-src 'none'; frame-ancestors 'none'", "same-origin"},
		{"GET", "/nothing", "default-src 'none'; frame-ancestors 'none'", "same-origin"},
		{"GET", "/" + strings.Repeat("x", 9000), "default-src 'none'; frame-ancestors 'none'", "same-origin"},
	} {
		header := ask(h, httptest.NewRequest(tt.method, tt.path, nil))
		for name, want := range common {
			if got := header.Values(name); len(got) != 1 || got[0] != want {
				t.Errorf("%s %.20s has %s %q, want %q", tt.method, tt.path, name, got, want)
			}
		}
		csp := header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, tt.csp) || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s %.20s has the policy %q, want %q", tt.method, tt.path, csp, tt.csp)
		}
		if got := header.Get("Cross-Origin-Resource-Policy"); got != tt.resource {
			t.Errorf("%s %.20s has Cross-Origin-Resource-Policy %q, want %q", tt.method, tt.path, got, tt.resource)
		}
		if got := header.Get("Strict-Transport-Security"); got != "" {
			t.Errorf("%s %.20s without TLS has Strict-Transport-Security %q, want none", tt.method, tt.path, got)
		}
	}
	for _, path := range []string{
		"/socket.io/?EIO=4&transport=polling",
		"/socket.io/?EIO=3&transport=polling&j=0",
		"/socket.io/?EIO=4&transport=polling&sid=none",
		"/socket.io/?EIO=9&transport=polling",
		"/socket.io/1/",
		"/socket.io/1/xhr-polling/none",
	} {
		header := ask(h, httptest.NewRequest(http.MethodGet, path, nil))
		if got := header.Values("X-Content-Type-Options"); len(got) != 1 || got[0] != "nosniff" {
			t.Errorf("GET %s has X-Content-Type-Options %q, want nosniff", path, got)
		}
	}
}

func TestHSTS(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		tls    bool
		proto  string
		want   string
	}{
		{"TLS", Config{HSTS: 8760 * time.Hour}, true, "", "max-age=31536000"},
		{"TLS, not asked for", Config{}, true, "", ""},
		{"plain", Config{HSTS: time.Hour}, false, "", ""},
		{"a proxy's", Config{HSTS: time.Hour, TrustedProxies: []string{"192.0.2.1"}}, false, "https", "max-age=3600"},
		{"a stranger's", Config{HSTS: time.Hour}, false, "https", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil) // from 192.0.2.1
		if tt.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if tt.proto != "" {
			r.Header.Set("X-Forwarded-Proto", tt.proto)
		}
		if got := ask(handler(t, tt.config), r).Get("Strict-Transport-Security"); got != tt.want {
			t.Errorf("%s: Strict-Transport-Security = %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Where a request is sent on, that is a path of this server, whatever Host and
// X-Forwarded-Host say.
func TestRedirectsStayHere(t *testing.T) {
	h := handler(t, Config{TrustedProxies: []string{"192.0.2.1"}})
	redirects := 0
	for _, path := range []string{
		"//evil.example", "//evil.example/..", "/..//evil.example", "/\\evil.example", "/./", "/api//publish", "/api/../",
		"//evil.example/%2e%2e", "/socket.io", "/socket.io//", "//socket.io/", "/sb.js/", "/api/stats/..;/",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodConnect} {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Method, r.URL.Path, r.RequestURI, r.Host = method, path, path, "evil.example"
			r.Header.Set("X-Forwarded-Host", "evil.example")
			location := ask(h, r).Get("Location")
			if location == "" {
				continue
			}
			redirects++
			if location[0] != '/' || strings.HasPrefix(location, "//") || strings.HasPrefix(location, `/\`) {
				t.Errorf("%s %s is sent to %s, want a path of this server", method, path, location)
			}
		}
	}
	if redirects == 0 {
		t.Error("nothing is sent on: this test looks at nothing")
	}
}

// Pages of any origin are let in without their cookies, on WebSockets too, for
// which browsers send them whatever CORS says.
func TestAnyOriginHasNoCredentials(t *testing.T) {
	log, _ := logTo()
	s := &Server{log: log}
	s.rules.Store(&rules{config: Config{Origins: []string{"https://app.example", "*"}}})
	for _, tt := range []struct {
		origin, allowed, credentials, cookie string
	}{
		{"", "", "", "session=secret"},
		{"http://example.com:3000", "http://example.com:3000", "true", "session=secret"}, // the request's host
		{"https://app.example", "https://app.example", "true", "session=secret"},
		{"https://foreign.example", "*", "", ""},
		{"null", "*", "", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/socket.io/", nil)
		r.Header.Set("Cookie", "session=secret")
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		var cookie string
		h := s.withOrigin(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { cookie = r.Header.Get("Cookie") }))
		got := ask(h, r)
		if got.Get("Access-Control-Allow-Origin") != tt.allowed || got.Get("Access-Control-Allow-Credentials") != tt.credentials || cookie != tt.cookie {
			t.Errorf("from %q: allowed %q with credentials %q and cookie %q, want %q, %q, %q", tt.origin,
				got.Get("Access-Control-Allow-Origin"), got.Get("Access-Control-Allow-Credentials"), cookie,
				tt.allowed, tt.credentials, tt.cookie)
		}
	}
}
