package server

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/reactor"
)

// A tape is a socket that keeps what is written to it.
type tape struct {
	handler reactor.Handler

	mu      sync.Mutex
	written []byte // guarded by mu
	closed  bool   // guarded by mu
}

func (r *tape) Start([]byte)        {}
func (r *tape) Busy() bool          { return false }
func (r *tape) Abort()              { r.Close() }
func (r *tape) Write(p []byte) bool { return r.WriteAll(p) }

func (r *tape) WriteAll(bufs ...[]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range bufs {
		r.written = append(r.written, p...)
	}
	return !r.closed
}

func (r *tape) Close(last ...[]byte) {
	r.WriteAll(last...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.closed = true
		go r.handler.Closed(nil) // ends when the session has
	}
}

// after is what was written after a mark, and whether the socket is closed.
func (r *tape) after(mark string) (rest []byte, ok, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, rest, ok = bytes.Cut(r.written, []byte(mark))
	return bytes.Clone(rest), ok, r.closed
}

// until waits for what must come soon.
func until(t *testing.T, what string, ok func() bool) {
	for deadline := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come true that %s", what)
		}
	}
}

// FuzzSubscribe subscribes with any arguments: the client is in exactly the
// channels that the answer names, whose names are all good, or in none, and has
// an error of the table, or has been closed for what is no packet.
func FuzzSubscribe(f *testing.F) {
	for _, args := range []string{
		`"news"`, `["a","b","a"]`, `[]`, `[[]]`, `{}`, `null`, `1`, `"connect"`, `["a","$gap"]`, `"a",{"recover":{}}`, `["é","e\u0301"]`,
		`"\ud800"`, `["\u0061"]`, `"private:x"`, `"member:1"`, `" x"`, `"a]"`, `"x"]extra`, `["a",1]`, `["a",null]`, `[null]`,
		`["` + strings.Join(slices.Collect(numbers(129)), `","`) + `"]`, `"` + strings.Repeat("x", 256) + `"`,
	} {
		f.Add(args)
	}
	s, _ := grown(f, 0, nil)
	f.Fuzz(func(t *testing.T, args string) {
		socket := &tape{}
		r := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=websocket", nil)
		s.io.Engine().Attach(r, func(h reactor.Handler) reactor.Conn {
			socket.handler = h
			return socket
		})
		talker := &memory{handler: socket.handler}
		talker.say("40")
		until(t, "the client has joined", func() bool { _, ok, _ := socket.after(`["$session",`); return ok })
		defer until(t, "nothing is left", func() bool {
			heard, lingering := s.channels.Len()
			return heard+lingering == 0 && s.sessions.Len() == 0
		})
		defer socket.Close()

		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		talker.say(`420["subscribe",` + args + `]`)
		until(t, "it is answered or closed", func() bool { _, ok, closed := socket.after("430["); return ok || closed })
		runtime.ReadMemStats(&after)
		if used, most := after.TotalAlloc-before.TotalAlloc, uint64(10*len(args)+512<<10); used > most { // a list of channels of one letter has 128
			t.Errorf("%d bytes made %d bytes be allocated, want at most %d", len(args), used, most)
		}
		text, ok, _ := socket.after("430[")
		if !ok {
			return // and closed
		}
		var a ack
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&a); err != nil {
			t.Fatalf("the answer is %q: %v", text, err)
		}
		heard, _ := s.channels.Len()
		switch {
		case a.OK && (len(a.Channels) == 0 || heard != len(a.Channels) || a.Error != nil):
			t.Errorf("subscribe %q is answered %q, and %d channels are heard", args, text, heard)
		case !a.OK && (heard != 0 || a.Error == nil || !slices.Contains(subscribeCodes, a.Error.Code)):
			t.Errorf("subscribe %q is refused with %q, and %d channels are heard", args, text, heard)
		}
		for tag := range a.Channels {
			if err := tags.Check(tag); err != nil || s.channels.Clients(tag) != 1 {
				t.Errorf("subscribe %q: channel %q (%v) has %d clients", args, tag, err, s.channels.Clients(tag))
			}
		}
	})
}

// subscribeCodes are the errors that subscribe may have.
var subscribeCodes = []Code{CodeBadChannel, CodeForbidden, CodeTooManyChannels, CodeRateLimited, CodeUnavailable, CodeBadRequest}

// numbers are the letters of n channels.
func numbers(n int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i := range n {
			if !yield(string(rune('一' + i))) {
				return
			}
		}
	}
}
