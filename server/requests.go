package server

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// limitHTTP refuses requests that are larger than those of any client of ours.
func (s *Server) limitHTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case len(r.RequestURI) > maxURL:
			s.refusals.add(limitURL)
			w.WriteHeader(http.StatusRequestURITooLong)
		case headerSize(r) > maxHeader:
			s.refusals.add(limitHeader)
			w.WriteHeader(http.StatusRequestHeaderFieldsTooLarge)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// headerSize is how many bytes the fields of the header have, each with its name
// and the colon, space and end of line that it is written with.
func headerSize(r *http.Request) int {
	size := len("Host: \r\n") + len(r.Host)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(": \r\n") + len(value)
		}
	}
	return size
}

// lateHeaders finds the connections that net/http closes because no request has
// come in time, about which it says nothing.
type lateHeaders struct {
	timeout time.Duration // constant
	late    func()        // constant; called for each

	mu    sync.Mutex
	since map[net.Conn]time.Time // guarded by mu; connections without a request
	over  bool                   // guarded by mu; end was called
}

func newLateHeaders(timeout time.Duration, late func()) *lateHeaders {
	return &lateHeaders{timeout: timeout, late: late, since: make(map[net.Conn]time.Time)}
}

// state is the ConnState of an http.Server. A connection becomes active when a
// header has been read, or could not be.
func (l *lateHeaders) state(c net.Conn, state http.ConnState) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if state == http.StateNew {
		if l.over {
			_ = c.Close()
			return
		}
		l.since[c] = now
		return
	}
	since, waited := l.since[c]
	delete(l.since, c)
	if waited && now.Sub(since) >= l.timeout {
		l.late()
	}
}

// waiting is how many connections have brought no request.
func (l *lateHeaders) waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.since)
}

// end closes the connections that have brought no request, and those to come.
// http.Server.Shutdown would wait 5 s for each.
func (l *lateHeaders) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for c := range l.since {
		_ = c.Close()
	}
}
