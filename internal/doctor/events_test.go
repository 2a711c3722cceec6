package doctor

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/redistest"
)

// stream is a server of events that come as soon as they are published.
func stream(t *testing.T, header http.Header) string {
	t.Helper()
	published := make(chan string, 10)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events/{channel}", func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), header)
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case data := <-published:
				fmt.Fprintf(w, "data: %s\n\n", data)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("POST /api/publish", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, data, _ := strings.Cut(string(body), `"data":`)
		published <- strings.TrimSuffix(data, "}")
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s.Listener.Addr().String()
}

// nginx runs it before a server until the test ends, with lines for the location.
func nginx(t *testing.T, to, lines string) string {
	t.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(redistest.FreePort(t)))
	dir := t.TempDir()
	file := filepath.Join(dir, "nginx.conf")
	conf := fmt.Sprintf("events {} http { access_log off; server { listen %s; location / { proxy_pass http://%s; proxy_http_version 1.1; %s } } }", address, to, lines)
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/usr/sbin/nginx", "-c", file, "-p", dir, "-e", "stderr", "-g", "daemon off; master_process off; pid "+dir+"/pid;")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			_ = conn.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatal("nginx does not listen")
		}
	}
}

// A proxy that keeps a stream back until it has a buffer full is found.
func TestEventsBehindNginx(t *testing.T) {
	asked := http.Header{"X-Accel-Buffering": {"no"}}
	for _, tt := range []struct {
		name, lines string
		header      http.Header
		status      Status
	}{
		{"as it should be", "proxy_buffering off;", nil, OK},
		{"the server asks for it", "proxy_buffering on;", asked, OK},
		{"buffering", "proxy_buffering on;", nil, Fail},
		{"whatever the server asks for", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;", asked, Fail},
		{"compression", "proxy_buffering on; gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0;", nil, Fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			address := nginx(t, stream(t, tt.header), tt.lines)
			f := looked(t, Config{URL: "http://" + address, PublishKey: "key"}, func(v *visit) Finding { return lookAtEvents(t.Context(), v) })
			if f.Status != tt.status || tt.status == Fail && !strings.Contains(f.Mend, "proxy_buffering off") {
				t.Errorf("%s, want %s", f, tt.status)
			}
		})
	}
}
