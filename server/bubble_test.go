package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/golang-jwt/jwt/v5"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/server/reactor"
)

// A recorder is a socket that takes everything and keeps it.
type recorder struct {
	memory
	t *testing.T // constant; that of the bubble

	mu  sync.Mutex
	got bytes.Buffer // guarded by mu; frames
}

func (r *recorder) Write(p []byte) bool { return r.WriteAll(p) }

func (r *recorder) WriteAll(list ...[]byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range list {
		r.got.Write(p)
	}
	return true
}

func (r *recorder) Close(last ...[]byte) {
	r.WriteAll(last...)
	r.memory.Close()
}

// next are the messages that came since the last call.
func (r *recorder) next() (list []string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.got.Len() > 0 {
		h, payload, err := readFrame(&r.got)
		if err != nil {
			r.t.Fatal(err)
		}
		if h.OpCode == ws.OpText {
			list = append(list, payload)
		}
	}
	return list
}

// readFrame reads a frame of the server.
func readFrame(from io.Reader) (h ws.Header, payload string, err error) {
	if h, err = ws.ReadHeader(from); err != nil {
		return h, "", err
	}
	p := make([]byte, h.Length)
	_, err = io.ReadFull(from, p)
	return h, string(p), err
}

// ask sends an event with an ack and returns the error code of the answer; ""
// for none.
func (r *recorder) ask(event string) string {
	r.t.Helper()
	r.next()
	r.say("427" + event)
	synctest.Wait() // subscribes are answered when the broker has confirmed
	list := r.next()
	for _, m := range list {
		data, ok := strings.CutPrefix(m, "437")
		if !ok {
			continue
		}
		var answer []struct {
			OK    bool
			Error *wireError
		}
		if err := json.Unmarshal([]byte(data), &answer); err != nil || len(answer) != 1 {
			r.t.Fatalf("%.80s was answered %s", event, m)
		}
		if answer[0].OK {
			return ""
		}
		return string(answer[0].Error.Code)
	}
	r.t.Fatalf("%.80s was answered %q, want an ack", event, list)
	return ""
}

// A bubble is a server in which time is not real, with sockets in memory.
type bubble struct {
	*Server
	t *testing.T
}

const testKey = "0123456789abcdef"

// inBubble runs f with a server; its time passes when everything waits.
func inBubble(t *testing.T, config Config, f func(b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := logrus.New()
		log.SetOutput(io.Discard)
		broker := &always{}
		config.Broker, config.Log, config.Identity.Keys = broker, log, [][]byte{[]byte(testKey)}
		config.PingInterval = 24 * time.Hour // nobody answers heartbeats
		s, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		broker.server = s
		f(&bubble{s, t})
		if err := s.io.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := s.members.len(); n != 0 || s.sessions.Len() != 0 {
			t.Errorf("%d members and %d sessions are left in the end, want none", n, s.sessions.Len())
		}
	})
}

// open is a client of an address; the token is that of a member, or empty.
func (b *bubble) open(address, token string) *recorder {
	b.t.Helper()
	r := b.dial(address)
	auth, _ := json.Marshal(map[string]string{"token": token})
	r.say("40" + string(auth))
	return r
}

// dial is a client that has not said CONNECT.
func (b *bubble) dial(address string) *recorder {
	b.t.Helper()
	request := httptest.NewRequest("GET", "/socket.io/?EIO=4&transport=websocket", nil)
	request.RemoteAddr = address
	r := &recorder{t: b.t}
	if !b.io.Engine().Attach(request, func(h reactor.Handler) reactor.Conn {
		r.handler = h
		return r
	}) {
		b.t.Fatal("the session was not let in")
	}
	return r
}

func (b *bubble) token(member string) string {
	b.t.Helper()
	claims := jwt.MapClaims{"sub": member, "exp": time.Now().Add(time.Hour).Unix()}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(testKey))
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// refused fails the test unless the limits have refused so much by now.
func (b *bubble) refused(limit string, want uint64) {
	b.t.Helper()
	if got := b.refusals[limit].Load(); got != want {
		b.t.Errorf("%s was refused %d times, want %d", limit, got, want)
	}
}

const home = "192.0.2.1:1000"
