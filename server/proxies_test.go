package server

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func behind(t *testing.T, list ...string) *Server {
	t.Helper()
	proxies, err := parseProxies(list)
	if err != nil {
		t.Fatal(err)
	}
	return &Server{proxies: proxies}
}

func TestAddress(t *testing.T) {
	s := behind(t, "10.0.0.0/8", "192.0.2.7", "2001:db8:1::/48", "fe80::1")
	for _, tt := range []struct {
		name, remote, want string
		forwarded          []string
	}{
		{"direct", "203.0.113.5:1234", "203.0.113.5", nil},
		{"spoofed by a client", "203.0.113.5:1234", "203.0.113.5", []string{"198.51.100.1"}},
		{"spoofed as a proxy", "203.0.113.5:1234", "203.0.113.5", []string{"10.1.1.1"}},
		{"spoofed as this machine", "203.0.113.5:1234", "203.0.113.5", []string{"127.0.0.1"}},
		{"one proxy", "10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1"}},
		{"one proxy by its address", "192.0.2.7:1", "198.51.100.1", []string{"198.51.100.1"}},
		{"its neighbour", "192.0.2.8:1", "192.0.2.8", []string{"198.51.100.1"}},
		{"two proxies", "10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1, 10.0.0.2"}},
		{"spoofed through a proxy", "10.0.0.1:1", "198.51.100.1", []string{"127.0.0.1, 198.51.100.1"}},
		{"spoofed through two", "10.0.0.1:1", "198.51.100.1", []string{"10.9.9.9, 198.51.100.1, 10.0.0.2"}},
		{"a proxy that is not ours", "10.0.0.1:1", "203.0.113.9", []string{"198.51.100.1, 203.0.113.9"}},
		{"several headers", "10.0.0.1:1", "198.51.100.1", []string{"127.0.0.1", "198.51.100.1", "10.0.0.2,10.0.0.3"}},
		{"many headers", "10.0.0.1:1", "198.51.100.1", append([]string{"198.51.100.1"}, strings.Split(strings.Repeat("10.2.3.4 ", 999)+"10.2.3.4", " ")...)},
		{"a long header", "10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1" + strings.Repeat(",10.2.3.4", 1000)}},
		{"ours alone", "10.0.0.1:1", "10.0.0.9", []string{"10.0.0.9, 10.0.0.2"}},
		{"no header", "10.0.0.1:1", "10.0.0.1", nil},
		{"an empty header", "10.0.0.1:1", "10.0.0.1", []string{""}},
		{"garbage", "10.0.0.1:1", "10.0.0.1", []string{"198.51.100.1, unknown"}},
		{"garbage behind a proxy", "10.0.0.1:1", "10.0.0.2", []string{"198.51.100.1, _hidden, 10.0.0.2"}},
		{"garbage on the left", "10.0.0.1:1", "198.51.100.1", []string{"<script>, 198.51.100.1"}},
		{"an empty element", "10.0.0.1:1", "10.0.0.1", []string{"198.51.100.1,,"}},
		{"a port", "10.0.0.1:1", "198.51.100.1", []string{"198.51.100.1:4711"}},
		{"too many numbers", "10.0.0.1:1", "10.0.0.1", []string{"1.2.3.4.5"}},
		{"leading zeros", "10.0.0.1:1", "10.0.0.1", []string{"198.051.100.001"}},
		{"tabs and spaces", "10.0.0.1:1", "198.51.100.1", []string{"\t198.51.100.1 ,\t 10.0.0.2  "}},
		{"IPv6", "[2001:db8::5]:1", "2001:db8::5", []string{"198.51.100.1"}},
		{"IPv6 proxy", "[2001:db8:1::5]:1", "2001:db8::9", []string{"2001:db8::9"}},
		{"IPv6 in brackets", "[2001:db8:1::5]:1", "2001:db8::9", []string{"[2001:db8::9]"}},
		{"IPv6 with a port", "[2001:db8:1::5]:1", "2001:db8::9", []string{"[2001:db8::9]:443"}},
		{"IPv6 written long", "[2001:db8:1::5]:1", "2001:db8::9", []string{"2001:0DB8:0:0:0:0:0:9"}},
		{"brackets that do not close", "10.0.0.1:1", "10.0.0.1", []string{"[2001:db8::9"}},
		{"IPv4 in brackets", "10.0.0.1:1", "10.0.0.1", []string{"[198.51.100.1]"}},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1", "198.51.100.1", []string{"::ffff:198.51.100.1"}},
		{"a zone", "[fe80::1%eth0]:1", "2001:db8::9", []string{"2001:db8::9"}},
		{"a zone forwarded", "10.0.0.1:1", "fe80::2", []string{"fe80::2%eth0"}},
		{"no IP", "@", "invalid IP", []string{"198.51.100.1"}},
		{"no address", "", "invalid IP", []string{"198.51.100.1"}},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = tt.remote, tt.forwarded
		if got := s.address(r).String(); got != tt.want {
			t.Errorf("%s: address from %s with %.60q = %s, want %s", tt.name, tt.remote, tt.forwarded, got, tt.want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr, r.Header["X-Forwarded-For"] = "127.0.0.1:1", []string{"198.51.100.1"}
	if got := behind(t).address(r).String(); got != "127.0.0.1" {
		t.Errorf("address with no trusted proxies = %s, want that of the connection", got)
	}
}

func TestParseProxies(t *testing.T) {
	for _, tt := range []struct {
		in, want string // a part of the error; "" for none
	}{
		{"10.0.0.0/8", ""},
		{"10.1.2.3/8", ""},
		{"127.0.0.1", ""},
		{"::1", ""},
		{"fd00::/8", ""},
		{"::ffff:10.0.0.1", ""},
		{"", "no address"},
		{"proxy.example", "no address"},
		{"10.0.0.0/33", "no address"},
		{"10.0.0.1:80", "no address"},
		{"fe80::1%eth0", "no address"},
		{"::ffff:10.0.0.0/104", "no address"},
		{"0.0.0.0/0", "everybody"},
		{"::/0", "everybody"},
	} {
		_, err := parseProxies([]string{"10.0.0.1", tt.in})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parseProxies(%q) = %v, want %q", tt.in, err, tt.want)
		}
	}
}

func TestSecure(t *testing.T) {
	s := behind(t, "10.0.0.1")
	for _, tt := range []struct {
		name, remote string
		proto        []string
		tls, want    bool
	}{
		{"plain", "203.0.113.5:1", nil, false, false},
		{"TLS here", "203.0.113.5:1", nil, true, true},
		{"spoofed", "203.0.113.5:1", []string{"https"}, false, false},
		{"TLS at the proxy", "10.0.0.1:1", []string{"https"}, false, true},
		{"in capitals", "10.0.0.1:1", []string{" HTTPS "}, false, true},
		{"none at the proxy", "10.0.0.1:1", []string{"http"}, false, false},
		{"the proxy does not say", "10.0.0.1:1", nil, false, false},
		{"spoofed through the proxy", "10.0.0.1:1", []string{"https, http"}, false, false},
		{"spoofed in a header before", "10.0.0.1:1", []string{"https", "http"}, false, false},
		{"TLS between proxies", "10.0.0.1:1", []string{"http", "http,https"}, false, true},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Header["X-Forwarded-Proto"] = tt.remote, tt.proto
		if tt.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := s.secure(r); got != tt.want {
			t.Errorf("%s: secure = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestLocal(t *testing.T) {
	for _, tt := range []struct {
		name, method, remote, host, header, value string
		proxies                                   []string
		want                                      bool
	}{
		{name: "loopback", remote: "127.0.0.1:1", host: "127.0.0.1:8080", want: true},
		{name: "loopback of IPv6", remote: "[::1]:1", host: "[::1]:8080", want: true},
		{name: "by name", remote: "127.0.0.1:1", host: "localhost:8080", want: true},
		{name: "in capitals, on port 80", remote: "127.0.0.1:1", host: "LOCALHOST", want: true},
		{name: "a name below", remote: "127.0.0.1:1", host: "stream.localhost:8080", want: true},
		{name: "another machine", remote: "203.0.113.5:1", host: "127.0.0.1:8080"},
		{name: "a private network", remote: "10.0.0.1:1", host: "10.0.0.2:8080"},
		{name: "a proxy here", remote: "127.0.0.1:1", host: "localhost", header: "X-Forwarded-For", value: "198.51.100.1"},
		{name: "a spoof through it", remote: "127.0.0.1:1", host: "localhost", header: "X-Forwarded-For", value: "127.0.0.1"},
		{name: "a proxy here, trusted", remote: "127.0.0.1:1", host: "localhost", header: "X-Forwarded-For", value: "127.0.0.1", proxies: []string{"127.0.0.1"}},
		{name: "a proxy that says nothing of whom", remote: "127.0.0.1:1", host: "localhost", header: "X-Forwarded-For", value: ""},
		{name: "a proxy of RFC 7239", remote: "127.0.0.1:1", host: "localhost", header: "Forwarded", value: "for=127.0.0.1"},
		{name: "another kind", remote: "127.0.0.1:1", host: "localhost", header: "X-Real-Ip", value: "127.0.0.1"},
		{name: "and another", remote: "127.0.0.1:1", host: "localhost", header: "Via", value: "1.1 proxy"},
		{name: "beside a trusted proxy", remote: "127.0.0.1:1", host: "localhost", proxies: []string{"127.0.0.1"}, want: true},
		{name: "a name pointed here", remote: "127.0.0.1:1", host: "rebound.example:8080"},
		{name: "a name that looks so", remote: "127.0.0.1:1", host: "localhost.example:8080"},
		{name: "no name", remote: "127.0.0.1:1", host: ""},
		{name: "a change by a program", method: "POST", remote: "127.0.0.1:1", host: "localhost:8080", want: true},
		{name: "a change by our page", method: "POST", remote: "127.0.0.1:1", host: "localhost:8080", header: "Origin", value: "http://localhost:8080", want: true},
		{name: "a change by a foreign page", method: "POST", remote: "127.0.0.1:1", host: "localhost:8080", header: "Origin", value: "https://foreign.example"},
		{name: "and one that hides", method: "POST", remote: "127.0.0.1:1", host: "localhost:8080", header: "Sec-Fetch-Site", value: "cross-site"},
		{name: "a look by a foreign page", remote: "127.0.0.1:1", host: "localhost:8080", header: "Origin", value: "https://foreign.example", want: true}, // which may not read it
	} {
		method := tt.method
		if method == "" {
			method = http.MethodGet
		}
		r := httptest.NewRequest(method, "/api/stats", nil)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		if got := behind(t, tt.proxies...).local(r); got != tt.want {
			t.Errorf("%s: local = %v, want %v", tt.name, got, tt.want)
		}
	}
}
