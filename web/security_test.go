package web

import (
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redisnet"
	"github.com/sb-stream/stream-server/internal/redistest"
)

func TestTLS(t *testing.T) {
	ours, theirs := redistest.NewAuthority(t), redistest.NewAuthority(t)
	server := ours.StartTLS("127.0.0.1", 2*time.Hour, "--tls-auth-clients", "yes")
	foreign := theirs.StartTLS("127.0.0.1", 2*time.Hour)
	cert, key := ours.Issue("web", 2*time.Hour)
	t.Setenv("SB_REDIS_CA", ours.CA)
	t.Setenv("SB_REDIS_CERT", cert)
	t.Setenv("SB_REDIS_KEY", key)
	got := subscribe(t, server, "sb:x")
	for _, tt := range []struct{ name, url, want string }{
		{"ours", "rediss://" + server.AddrTLS(), ""},
		{"somebody's", "rediss://" + foreign.AddrTLS(), "x509: certificate signed by unknown authority"},
		{"none", server.URL(), "rediss://"},
	} {
		t.Setenv("SB_REDIS", tt.url)
		p, err := fromEnvironment()
		if err == nil {
			err = p.Stream(t.Context(), "x", 1)
			p.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if got, want := <-got, "sb:x 1"; got != want {
		t.Errorf("Redis got %q, want %q", got, want)
	}
	t.Setenv("SB_REDIS_CA", cert+".none")
	if _, err := fromEnvironment(); err == nil || !strings.HasPrefix(err.Error(), "web: ") {
		t.Errorf("with a CA that is not there: %v, want an error", err)
	}
	system := publisher(t, Config{URL: "rediss://" + server.AddrTLS()})
	if err := system.Stream(t.Context(), "x", 1); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("with the roots of the system: %v, want an unknown authority", err)
	}
}

// Whoever answers in Redis' place takes no memory by it.
func TestHostileRedis(t *testing.T) {
	for _, lie := range []string{"$2147483648\r\n", strings.Repeat("*1\r\n", 1000), "HTTP/1.1 400 Bad Request\r\n"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() { // ends with the connection
			defer close(done)
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			conn.Read(make([]byte, 100))
			conn.Write([]byte(lie))
			conn.Read(make([]byte, 100))
		}()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err = publisher(t, Config{URL: "redis://" + l.Addr().String()}).Stream(t.Context(), "x", 1)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, redisnet.ErrReply) {
			t.Errorf("%.20q: %v, want %v", lie, err, redisnet.ErrReply)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("%.20q: %d bytes were allocated, want at most 1 MiB", lie, took)
		}
		l.Close()
		<-done
	}
}
