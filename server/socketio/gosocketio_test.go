package socketio_test

import (
	"io"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gosocketio "github.com/googollee/go-socket.io"
	goengineio "github.com/googollee/go-socket.io/engineio"
	gosession "github.com/googollee/go-socket.io/engineio/session"
	gotransport "github.com/googollee/go-socket.io/engineio/transport"
	gopolling "github.com/googollee/go-socket.io/engineio/transport/polling"
	gowebsocket "github.com/googollee/go-socket.io/engineio/transport/websocket"

	"github.com/sb-stream/stream-server/server/engineio"
	"github.com/sb-stream/stream-server/server/socketio"
)

// Code that was written for go-socket.io v1.7.0 finds what it used.
func TestAPIOfGoSocketIO(t *testing.T) {
	compare := func(what string, theirs, ours map[string]string, exceptions ...string) {
		if len(theirs) == 0 {
			t.Fatalf("%s has nothing to compare", what)
		}
		for name, want := range theirs {
			if got := ours[name]; got != want && !slices.Contains(exceptions, name) {
				t.Errorf("%s.%s is %q, and theirs %q", what, name, got, want)
			}
		}
	}
	methods := func(of reflect.Type) map[string]string {
		all := map[string]string{}
		for m := range of.Methods() {
			all[m.Name] = m.Type.String()
		}
		return all
	}
	fields := func(of reflect.Type) map[string]string {
		all := map[string]string{}
		for f := range of.Fields() {
			all[f.Name] = f.Type.String()
		}
		return all
	}
	compare("Server", methods(reflect.TypeFor[*gosocketio.Server]()), methods(reflect.TypeFor[*socketio.Server]()))
	compare("Conn", methods(reflect.TypeFor[gosocketio.Conn]()), methods(reflect.TypeFor[socketio.Conn]()))
	compare("RedisAdapterOptions", fields(reflect.TypeFor[gosocketio.RedisAdapterOptions]()), fields(reflect.TypeFor[socketio.RedisAdapterOptions]()))
	compare("engineio.Options", fields(reflect.TypeFor[goengineio.Options]()), fields(reflect.TypeFor[engineio.Options]()))
	// docs/from-go-socket.io.md names the exceptions.
	compare("engineio.Conn", methods(reflect.TypeFor[goengineio.Conn]()), methods(reflect.TypeFor[engineio.Conn]()), "NextReader", "NextWriter")
	if got, want := reflect.TypeFor[func(opts *engineio.Options) *socketio.Server]().String(), reflect.TypeFor[func(opts *goengineio.Options) *gosocketio.Server]().String(); got != want {
		t.Errorf("NewServer is %s, and theirs %s", got, want)
	}
}

// go-socket.io's own client of Engine.IO, on both transports.
func TestDialerOfGoSocketIO(t *testing.T) {
	// By polling, their client does not say that it leaves.
	opts := &engineio.Options{PingInterval: 500 * time.Millisecond, PingTimeout: 500 * time.Millisecond}
	s := engineio.NewServer(opts, func(s *engineio.Session) engineio.Receiver { return echo{s} })
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		_ = s.Close()
		web.Close()
		gopolling.Default.Client.CloseIdleConnections()
	})
	for _, transport := range []gotransport.Transport{gopolling.Default, gowebsocket.Default} {
		dialer := goengineio.Dialer{Transports: []gotransport.Transport{transport}}
		conn, err := dialer.Dial(web.URL+"/socket.io/?EIO=3", nil)
		if err != nil {
			t.Fatalf("%s: %v", transport.Name(), err)
		}
		for _, tt := range []struct {
			kind gosession.FrameType
			data string
		}{
			{gosession.TEXT, "hello"},
			{gosession.BINARY, "\x00\x01\xff"},
			{gosession.TEXT, strings.Repeat("x", 10_000)},
		} {
			w, err := conn.NextWriter(tt.kind)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(w, tt.data)
			_ = w.Close()
			kind, r, err := conn.NextReader()
			if err != nil {
				t.Fatal(err)
			}
			data, _ := io.ReadAll(r)
			_ = r.Close()
			if kind != tt.kind || string(data) != tt.data {
				t.Errorf("%s: came %v %q, want %v %q", transport.Name(), kind, data, tt.kind, tt.data)
			}
		}
		_ = conn.Close()
	}
	for deadline := time.Now().Add(5 * time.Second); s.Len() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are left of clients that closed", s.Len())
		}
	}
}

type echo struct{ session *engineio.Session }

func (e echo) Message(data []byte, binary bool) {
	if binary {
		e.session.Send(engineio.BinaryFrame(e.session.Version(), data))
	} else {
		e.session.Send(engineio.TextFrame(e.session.Version(), data))
	}
}

func (echo) Closed(string) {}
