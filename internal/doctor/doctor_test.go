package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"
)

// hostile are servers that no visit may hang on, or be filled by.
var hostile = map[string]http.HandlerFunc{
	"never answers": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	"drips": func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte("0"))
			_ = http.NewResponseController(w).Flush()
			<-time.After(20 * time.Millisecond)
		}
	},
	"never ends": func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	},
	"draws on the terminal": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "a\x1b[31m")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, strings.Repeat("\x1b[2J\u202e\nok    tls\xff ", 1000))
	},
	"hands a session out and forgets it": func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/healthz":
			fmt.Fprint(w, "ok\n")
		case r.URL.Query().Has("sid"):
			<-r.Context().Done()
		default:
			fmt.Fprint(w, `0{"sid":"planted","pingInterval":-5,"pingTimeout":99999999999,"maxPayload":1}`)
		}
	},
	"says what is no handshake": func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			fmt.Fprint(w, "ok\n")
			return
		}
		fmt.Fprint(w, `0{"sid":7}`+strings.Repeat("\x1e", 1000))
	},
	"upgrades, and then nothing": func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			fmt.Fprint(w, `0{"sid":"planted-planted","pingInterval":25000}`)
			return
		}
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
		w.WriteHeader(http.StatusSwitchingProtocols)
		<-r.Context().Done()
	},
}

// A visit ends whoever is there, what it prints is of one line each, and the id
// of a session, which is a secret, is not in it.
func TestHostile(t *testing.T) {
	for name, handler := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			s := httptest.NewUnstartedServer(handler)
			s.Config.BaseContext = func(net.Listener) context.Context { return ctx }
			s.Start()
			defer s.Close()
			defer s.CloseClientConnections()
			defer stop()
			begun := time.Now()
			lines := 0
			report, err := Run(ctx, Config{URL: s.URL, Timeout: 300 * time.Millisecond, Hold: 100 * time.Millisecond, PublishKey: "planted"}, func(f Finding) {
				lines++
				if line := f.String(); strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || len(line) > 600 || strings.Contains(line, "planted-planted") {
					t.Errorf("a line is %q", line)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			if lines != len(checks) || report.Count[Fail] == 0 {
				t.Errorf("%d lines and %d failures, want %d and some", lines, report.Count[Fail], len(checks))
			}
		})
	}
}

// An interrupted visit says what it has not looked at.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	report, err := Run(ctx, Config{URL: "http://127.0.0.1:1"}, func(Finding) {})
	if err != nil || report.Count[Skip] != len(checks) {
		t.Errorf("%v, %+v, want all skipped", err, report)
	}
}

// A key is not sent to who has not shown who it is.
func TestKeysStay(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, fmt.Sprint(r.URL, r.Header, string(all)))
		if r.URL.Path == "/healthz" {
			fmt.Fprint(w, "ok\n")
			return
		}
		fmt.Fprint(w, `0{"sid":"a","pingInterval":25000}`)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // that nobody trusts it
	s.StartTLS()
	defer s.Close()
	report, err := Run(t.Context(), Config{
		URL: s.URL, Timeout: 300 * time.Millisecond, Hold: 100 * time.Millisecond,
		Token: "planted", PublishKey: "planted", OperatorKey: "planted",
	}, func(Finding) {})
	if err != nil || report.Findings[1].Status != Fail {
		t.Fatalf("%v, %v, want tls failed", err, report.Findings)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) < 5 {
		t.Errorf("%d requests, want those that take no key", len(asked))
	}
	for _, request := range asked {
		if strings.Contains(request, "planted") {
			t.Errorf("a key was sent: %s", request)
		}
	}
}

// The server says whom it takes us for.
func TestForwarded(t *testing.T) {
	type asks struct{ honest, lying string } // the address that the server takes
	for _, tt := range []struct {
		name    string
		asks    asks
		proxied bool
		status  Status
		mend    string
	}{
		{"no proxy", asks{"203.0.113.9", "203.0.113.9"}, false, OK, ""},
		{"trusted", asks{"127.0.0.1", "127.0.0.1"}, true, OK, ""},
		{"the proxy's own", asks{"203.0.113.9", "203.0.113.9"}, true, Warn, "--trusted-proxies 203.0.113.9"},
		{"anybody's", asks{"203.0.113.9", outside}, true, Fail, "$proxy_add_x_forwarded_for"},
		{"ours, who are on its machine", asks{"127.0.0.1", outside}, true, OK, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			address := tt.asks.honest
			if r.Header.Get("X-Forwarded-For") == outside {
				address = tt.asks.lying
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"client": map[string]any{"address": address, "proxied": tt.proxied}})
		}))
		f := looked(t, Config{URL: s.URL}, func(v *visit) Finding {
			v.info, v.infoFault = v.askInfo(t.Context(), nil)
			return lookAtForwarded(t.Context(), v)
		})
		s.Close()
		if f.Status != tt.status || !strings.Contains(f.Mend, tt.mend) {
			t.Errorf("%s: %s, want %s and %q", tt.name, f, tt.status, tt.mend)
		}
	}
}

func TestPubsubLimit(t *testing.T) {
	for _, tt := range []struct {
		in         string
		hard, soft int64
		found      bool
	}{
		{"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", 33554432, 8388608, true},
		{"pubsub 0 0 0", 0, 0, true},
		{"pubsub 1 2", 0, 0, false},
		{"pubsub a b c", 0, 0, false},
		{"", 0, 0, false},
	} {
		hard, soft, _, found := pubsubLimit(tt.in)
		if hard != tt.hard || soft != tt.soft || found != tt.found {
			t.Errorf("pubsubLimit(%q) = %d, %d, %v, want %d, %d, %v", tt.in, hard, soft, found, tt.hard, tt.soft, tt.found)
		}
	}
}
