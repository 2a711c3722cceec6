package redis

import (
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want target
		err  string // part of it; empty for none
	}{
		{"redis://127.0.0.1:6379", target{addr: "127.0.0.1:6379"}, ""},
		{"redis://", target{addr: "localhost:6379"}, ""},
		{"redis://cache", target{addr: "cache:6379"}, ""},
		{"redis://[::1]:7000/3", target{addr: "[::1]:7000", database: 3}, ""},
		{"rediss://cache/", target{addr: "cache:6379", tls: true}, ""},
		{"redis://:secret@cache", target{addr: "cache:6379", password: "secret"}, ""},
		{"redis://secret@cache", target{addr: "cache:6379", password: "secret"}, ""},
		{"redis://ann:s%23cret@cache", target{addr: "cache:6379", user: "ann", password: "s#cret"}, ""},
		{"", target{}, "no URL"},
		{"cache:6379", target{}, "not of the form"},
		{"127.0.0.1:6379", target{}, "not of the form"},
		{"http://cache", target{}, "must begin with redis://"},
		{"redis-sentinel://a,b:7000,[::1]/main", target{
			addr: "a:26379", hosts: "a:26379,b:7000,[::1]:26379", primary: "main", topology: sentinels,
		}, ""},
		{"rediss-sentinel://ann:s%23cret@a/main/3", target{
			addr: "a:26379", hosts: "a:26379", primary: "main", topology: sentinels, user: "ann", password: "s#cret", database: 3, tls: true,
		}, ""},
		{"redis-cluster://:secret@a:7000,b", target{
			addr: "a:7000", hosts: "a:7000,b:6379", topology: clustered, password: "secret",
		}, ""},
		{"rediss-cluster://a/0", target{addr: "a:6379", hosts: "a:6379", topology: clustered, tls: true}, ""},
		{"redis-sentinel://a", target{}, "the name of what they watch"},
		{"redis-sentinel://a/main/x", target{}, "number of a database"},
		{"redis-cluster://a/1", target{}, "the database 0 alone"},
		{"redis://a,b", target{}, "more than one host"},
		{"redis-cluster://a,b:c", target{}, "host:port"},
		{"redis-cluster://a,:secret@b:secret", target{}, "percent-encoded"},
		{"redis://cache/x", target{}, "number of a database"},
		{"redis://cache/-1", target{}, "number of a database"},
		{"redis://:secret#secret@cache", target{}, "percent-encoded"},
		{"redis://:secret?secret@cache", target{}, "percent-encoded"},
		{"redis://:secret%zz@cache", target{}, "percent-encoded"},
		{"redis://ann:secret@cache:secret", target{}, "percent-encoded"},
		{"redis://cache/secret", target{}, "number of a database"},
		{"secret://cache", target{}, "must begin with redis://"},
	} {
		got, err := parseURL(tt.in)
		if tt.err == "" && got != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("parseURL(%q) = %+v, %v, want %+v, %q", tt.in, got, err, tt.want, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("parseURL(%q) says the password: %v", tt.in, err)
		}
	}
}

func TestValidate(t *testing.T) {
	log, _ := logtest.NewNullLogger()
	if err := (Config{URL: "redis://cache", Log: log}).Validate(); err != nil {
		t.Errorf("Validate() with the defaults = %v, want nil", err)
	}
	err := Config{
		URL: "http://cache", MaxPublish: -1, DialTimeout: -1, PublishTimeout: -1, PingInterval: -1,
		PingTimeout: -1, MinRedial: time.Minute, CheckInterval: -1, Connections: -1,
	}.Validate()
	if err == nil {
		t.Fatal("Validate() = nil for a Config full of faults")
	}
	if got := strings.Count(err.Error(), "\n") + 1; got != 10 {
		t.Errorf("Validate() has %d lines, want 10, one for each fault:\n%v", got, err)
	}
	if b, err := New(Config{}); b != nil || err == nil {
		t.Errorf("New(Config{}) = %v, %v, want an error", b, err)
	}
}

func TestRedial(t *testing.T) {
	log, _ := logtest.NewNullLogger()
	b, err := New(Config{URL: "redis://cache", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, tt := range []struct {
		tries int
		most  time.Duration
	}{{0, 100 * time.Millisecond}, {1, 200 * time.Millisecond}, {4, time.Second}, {1 << 40, time.Second}} {
		var longest time.Duration
		for range 2000 {
			d := b.redial(tt.tries)
			if d < 50*time.Millisecond || d > tt.most {
				t.Fatalf("redial(%d) = %v, want 50 ms to %v", tt.tries, d, tt.most)
			}
			longest = max(longest, d)
		}
		if longest < tt.most*8/10 {
			t.Errorf("redial(%d) was %v at most, want it to use all of %v", tt.tries, longest, tt.most)
		}
	}
}
